"""Clients that read as it comes, and clients that go away."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from serving_files import answered, nifti, png

from reading_room import PATIENCE, Server


def form(*files: tuple[str, bytes]) -> bytes:
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + content
        for name, content in files
    ]
    return b"\r\n".join([*parts, b"--b--\r\n"])


def metric(client: httpx.Client, name: str) -> float:
    text = client.get("/metrics").text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def quiet(server: Server, client: httpx.Client) -> None:
    """Wait until no request is under way and no file of one is left."""
    until = time.monotonic() + PATIENCE
    while metric(client, "tumorscope_predictions_in_progress") or list(
        server.log.parent.glob("tumorscope-*")
    ):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_who_goes_away_leaves_nothing_behind(
    server: Server, client: httpx.Client, accept: str, share: float
) -> None:
    quiet(server, client)
    kept = metric(client, "tumorscope_kept_sets")
    body = form(*((f"{number}.nii", nifti(12)) for number in range(12)))
    head = (
        f"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body[: int(len(body) * share)])
        time.sleep(0.05)
    quiet(server, client)
    assert metric(client, "tumorscope_kept_sets") <= kept, "nobody can ask for these answers"
    assert answered(client, ("a.png", png()))["cases"], "the server goes on"
    assert "Traceback" not in server.logged()


def test_lines_come_as_they_are_ready(bundle_path: Path, tmp_path: Path) -> None:
    slow = Server(tmp_path, "--model", str(bundle_path), "--threads", "1", "--readers", "1")
    try:
        slow.wait_until_ready()
        (reader,) = slow.readers()
        os.kill(reader, signal.SIGSTOP)
        kind = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "application/x-ndjson"}
        with (
            slow.client() as client,
            client.stream(
                "POST", "/v1/predictions", content=form(("a.png", png())), headers=kind
            ) as response,
        ):
            lines = response.iter_lines()
            assert json.loads(next(lines))["type"] == "accepted"
            with slow.client() as other:
                assert metric(other, "tumorscope_predictions_in_progress") == 1, "nothing is decoded yet"
            os.kill(reader, signal.SIGCONT)
            assert [json.loads(line)["type"] for line in lines] == ["slice", "case", "done"]
    finally:
        assert slow.stop() == 0


def test_the_server_needs_no_torch_and_says_which_extra_it_needs() -> None:
    code = (
        "import sys, tumorscope.serving.run\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'matplotlib', 'polars', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
    code = (
        "import sys\n"
        "sys.modules['fastapi'] = None\n"
        "from tumorscope.cli.main import run\n"
        "sys.exit(run(['serve', '--port', '0']))\n"
    )
    missing = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert missing.returncode == 2
    assert "pip install 'tumorscope[serve]'" in missing.stderr
