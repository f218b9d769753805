"""Downloads from a server that breaks off, ignores ranges, changes its files and sends wrong bytes."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from web_server import Served, serving

from tumorscope.core.errors import DownloadFailed, InvalidConfiguration
from tumorscope.dataset.sources.catalogue import KnownFile
from tumorscope.dataset.sources.download import download
from tumorscope.dataset.sources.web import read_url

CONTENT = np.random.default_rng(7).bytes(300_000)
ADVICE = "give a zip with --from"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving({"set.zip": CONTENT}) as running:
        yield running


def known(served: Served, content: bytes = CONTENT, url: str | None = None) -> KnownFile:
    return KnownFile(
        "set.zip", url or f"{served.url}/files/set.zip", len(content), hashlib.md5(content).hexdigest()
    )


def fetch(file: KnownFile, folder: Path, waits: list[float] | None = None) -> Path:
    return download(file, folder, advice=ADVICE, pause=([] if waits is None else waits).append)


def test_a_file_arrives_and_is_not_asked_for_again(served: Served, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = download(known(served), tmp_path, advice=ADVICE, progress=lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [name.name for name in tmp_path.iterdir()] == ["set.zip"]
    fetch(known(served), tmp_path)
    assert len(served.asked) == 1
    [agent] = served.agents
    assert agent.startswith("tumorscope/")


def test_after_a_disconnect_only_the_rest_is_asked_for(served: Served, tmp_path: Path) -> None:
    served.drop_after = [100_000, 50_000]
    waits: list[float] = []
    assert fetch(known(served), tmp_path, waits).read_bytes() == CONTENT
    assert [asked for _, asked in served.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert waits == [1.0, 1.0]


def test_an_interrupted_command_goes_on_later(served: Served, tmp_path: Path) -> None:
    served.drop_after = [120_000] + [0] * 6
    with pytest.raises(DownloadFailed, match=r"broke off 6 times.*120,000 of 300,000.*--from"):
        fetch(known(served), tmp_path)
    assert (tmp_path / "set.zip.part").stat().st_size == 120_000
    assert not (tmp_path / "set.zip").exists()
    served.asked.clear()
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT
    assert served.asked == [("/files/set.zip", "bytes=120000-")]


def test_waits_grow_and_end(served: Served, tmp_path: Path) -> None:
    served.status = [503] * 9
    waits: list[float] = []
    with pytest.raises(DownloadFailed, match="503"):
        fetch(known(served), tmp_path, waits)
    assert waits == [2.0, 4.0, 8.0, 16.0, 30.0]


@pytest.mark.parametrize("tags", [True, False])
def test_a_server_that_ignores_ranges_starts_anew(served: Served, tmp_path: Path, tags: bool) -> None:
    served.ranges, served.tags = False, tags
    served.drop_after = [100_000, 200_000]
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT
    assert len(served.asked) == 3


@pytest.mark.parametrize("tags", [True, False])
def test_a_file_that_changed_starts_anew(served: Served, tmp_path: Path, tags: bool) -> None:
    served.tags = tags
    served.drop_after = [100_000]
    newer = CONTENT[::-1] + b"more"

    def change(now: Served) -> None:
        if now.asked:
            now.files["set.zip"] = newer

    served.before = change
    assert fetch(known(served, newer), tmp_path).read_bytes() == newer


def test_a_changed_file_that_became_shorter_starts_anew(served: Served, tmp_path: Path) -> None:
    served.tags = False
    served.drop_after = [100_000]
    newer = CONTENT[:50_000]

    def change(now: Served) -> None:
        if now.asked:
            now.files["set.zip"] = newer

    served.before = change
    assert fetch(known(served, newer), tmp_path).read_bytes() == newer


@pytest.mark.parametrize("wrong", ["bytes", "size"])
def test_a_wrong_checksum_deletes_the_file_and_says_so(served: Served, tmp_path: Path, wrong: str) -> None:
    served.files["set.zip"] = b"?" * len(CONTENT) if wrong == "bytes" else CONTENT[:-1]
    with pytest.raises(DownloadFailed, match=r"checksum; it was deleted.*--from"):
        fetch(known(served), tmp_path)
    assert list(tmp_path.iterdir()) == []
    served.files["set.zip"] = CONTENT
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_that_lies_there_is_replaced(served: Served, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(CONTENT[:-5] + b"wrong")
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_only_checked(served: Served, tmp_path: Path) -> None:
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()[:12]}"'
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    (tmp_path / "set.zip.part.json").write_text(json.dumps({"size": len(CONTENT), "etag": tag}))
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT
    assert served.asked == [("/files/set.zip", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize("notes", ["", "[]", '{"size": 5, "strange": 1}'])
def test_a_part_of_unknown_origin_is_not_gone_on_with(served: Served, tmp_path: Path, notes: str) -> None:
    (tmp_path / "set.zip.part").write_bytes(b"x" * 1000)
    (tmp_path / "set.zip.part.json").write_text(notes)
    assert fetch(known(served), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "said"), [(403, "403 Forbidden"), (404, "404 Not Found"), (202, "want to see a browser")]
)
def test_a_refusal_is_final(served: Served, tmp_path: Path, status: int, said: str) -> None:
    served.status = [status]
    waits: list[float] = []
    with pytest.raises(DownloadFailed, match=said) as caught:
        fetch(known(served), tmp_path, waits)
    assert waits == []
    assert ADVICE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_network_there_is_one_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    file = KnownFile("set.zip", "https://files.example/set.zip", 5, None)
    waits: list[float] = []
    with pytest.raises(DownloadFailed, match=r"files\.example cannot be reached \(Name or service.*--from"):
        fetch(file, tmp_path, waits)
    assert waits == []
    assert list(tmp_path.iterdir()) == []


def test_a_closed_port_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = KnownFile("set.zip", f"http://127.0.0.1:{port}/set.zip", 5, None)
    with pytest.raises(DownloadFailed, match="Connection refused"):
        fetch(file, tmp_path)


def test_only_web_addresses_are_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    for url in (secret.as_uri(), "ftp://127.0.0.1/x", "no address"):
        with pytest.raises(DownloadFailed, match="cannot be reached"):
            fetch(KnownFile("set.zip", url, 4, None), tmp_path / "out")
        with pytest.raises(DownloadFailed):
            read_url(url, advice=ADVICE)


def test_a_folder_that_cannot_be_written_is_told_before(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidConfiguration, match="not a folder"):
        fetch(known(served), tmp_path / "file")
    assert served.asked == []
