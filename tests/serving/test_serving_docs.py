"""``docs/serving.md`` against the server: its example runs, its addresses and limits are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from serving_files import dicom, head

from reading_room import Server
from tumorscope.cli.main import run
from tumorscope.serving.settings import MIB, Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_the_python_example(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "scan.dcm").write_bytes(dicom(head(top=4000)))
    monkeypatch.chdir(tmp_path)
    exec(code.replace("http://127.0.0.1:8000", server.address), {})
    assert capsys.readouterr().out.startswith("scan.dcm ")


def test_every_address_is_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) > 15
    for path in paths:
        shown = "/v2/..." if path.startswith("/v2") else path.removeprefix("/v1/predictions/{id}")
        last = shown.rpartition("/")[2] or path
        assert last in DOCUMENT or shown in DOCUMENT, path


def test_limits_are_those_of_the_settings() -> None:
    usual = Settings()
    for told in (
        f"{usual.body_bytes // MIB} MiB (`--max-upload`)",
        f"{usual.files:,} and {usual.frames:,}",
        f"{usual.slice_pixels // 10**6} million, {usual.set_bytes // MIB // 1024} GiB",
        f"64 KiB, {usual.header_seconds:g} s to arrive",
        f"{usual.upload_seconds:g} s, {usual.answer_seconds:g} s, {usual.file_seconds:g} s",
        f"{usual.reader_memory // MIB // 1024} GiB (Linux)",
        f"{usual.queue} (`--queue`)",
        f"{usual.keep_seconds} s (`--keep`",
        f"{usual.kept_bytes // MIB // 1024} GiB together",
        f"up to {usual.batch} in a run",
    ):
        assert told in DOCUMENT, told


def test_every_option_of_the_help_is_real(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", DOCUMENT))
    assert mentioned <= known | {"--model"}
