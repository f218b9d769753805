"""Fixtures every room shares, and the rule that on CI nothing real may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

pytest_plugins = ["browser", "bundle_factory", "tiny_run", "student_run", "reading_room"]

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"


def _data_folder() -> Path:
    return Path(os.environ.get("TUMORSCOPE_DATA", DEFAULT_DATA))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real development data; ``TUMORSCOPE_DATA`` names it."""
    folder = _data_folder()
    if not folder.is_dir():
        pytest.skip("the folder with real data (TUMORSCOPE_DATA) is absent")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything that a test may need is there."""
    report = yield
    if report.skipped and os.environ.get("TUMORSCOPE_SKIPS_FAIL") and _data_folder().is_dir():
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
