"""Fixtures every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["bundle_factory"]

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real development data; ``TUMORSCOPE_DATA`` names it."""
    folder = Path(os.environ.get("TUMORSCOPE_DATA", DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip("the folder with real data (TUMORSCOPE_DATA) is absent")
    return folder
