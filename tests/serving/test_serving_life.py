"""Start, protection, broken readers, the end."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving_files import answered, is_problem, nifti, png, post

from reading_room import PATIENCE, Server
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.serving.run import check
from tumorscope.serving.security import CONTENT_SECURITY_POLICY, is_loopback
from tumorscope.serving.settings import Settings

TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def guarded(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token and one reader, which tests may break."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(TOKEN + "\n")
    options = (
        "--model",
        str(bundle_path),
        "--threads",
        "1",
        "--readers",
        "1",
        "--token-file",
        str(folder / "token"),
    )
    running = Server(folder, *options)
    running.wait_until_ready()
    yield running
    running.stop()


@pytest.fixture
def known(guarded: Server) -> Iterator[httpx.Client]:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def test_a_token_is_asked_for_everything_but_the_page_and_health(
    guarded: Server, known: httpx.Client
) -> None:
    with guarded.client() as stranger:
        for path in ("/", "/docs", "/openapi.json", "/v1/health/live", "/v1/health/ready", "/v2/health/live"):
            assert stranger.get(path).status_code == 200, path
        for path in ("/v1/model", "/metrics", "/v1/predictions/x", "/v2", "/v2/models/quadrants", "/nowhere"):
            response = stranger.get(path)
            assert is_problem(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"
        assert is_problem(post(stranger, ("a.png", png())), 401)
        for wrong in (
            f"Bearer {TOKEN}x",
            "Bearer",
            f"Basic {TOKEN}",
            TOKEN,
            "Bearer ü".encode().decode("latin-1"),
        ):
            headers = {b"Authorization": wrong.encode("latin-1")}
            assert is_problem(stranger.get("/v1/model", headers=headers), 401)
    assert known.get("/v1/model").status_code == 200
    assert answered(known, ("a.png", png()))["cases"]


def test_every_answer_has_the_headers(known: httpx.Client) -> None:
    for path in ("/", "/v1/model", "/nowhere", "/static/index.html", "/metrics"):
        headers = known.get(path).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert known.get("/v1/model").headers["cache-control"] == "no-store"


def test_other_sites_get_nothing(server: Server, known: httpx.Client) -> None:
    assert is_problem(known.get("/v1/model", headers={"Origin": "https://elsewhere.example"}), 403)
    with server.client() as client:
        assert is_problem(client.get("/v1/model", headers={"Host": "elsewhere.example"}), 403)
        own = {"Origin": server.address}
        assert client.get("/v1/model", headers=own).status_code == 200


def test_a_killed_reader_costs_one_file(guarded: Server, known: httpx.Client) -> None:
    (reader,) = guarded.readers()
    os.kill(reader, signal.SIGSTOP)  # so that it has surely not answered when it is killed
    done: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: done.append(post(known, ("a.nii", nifti()), ("b.png", png()))))
    asking.start()
    time.sleep(0.5)
    os.kill(reader, signal.SIGKILL)
    asking.join(PATIENCE)
    document = done[0].json()
    assert len(document["failures"]) <= 1
    assert "b.png" in [case["name"] for case in document["cases"]]
    (another,) = guarded.readers()
    assert another != reader
    assert answered(known, ("a.nii", nifti()))["cases"][0]["kind"] == "volume"


def test_what_was_taken_is_finished_before_the_end(bundle_path: Path, tmp_path: Path) -> None:
    ending = Server(tmp_path, "--model", str(bundle_path), "--threads", "1", "--readers", "1")
    ending.wait_until_ready()
    begun, go_on = threading.Event(), threading.Event()
    done: list[httpx.Response] = []

    def slow() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        begun.set()
        assert go_on.wait(PATIENCE)
        yield png() + b"\r\n--b--\r\n"

    def upload() -> None:
        with ending.client() as client:
            kind = {"Content-Type": "multipart/form-data; boundary=b"}
            done.append(client.post("/v1/predictions", content=slow(), headers=kind))

    asking = threading.Thread(target=upload)
    asking.start()
    assert begun.wait(PATIENCE)
    with ending.client() as client:
        while "predictions_in_progress 1.0" not in client.get("/metrics").text:
            pass
    ending.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert ending.process.poll() is None
    go_on.set()
    asking.join(PATIENCE)
    assert done[0].status_code == 200
    assert done[0].json()["cases"][0]["name"] == "a.png"
    assert ending.stop() == 0
    assert not list(tmp_path.glob("tumorscope-*"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls(bundle_path: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    options = (
        "--model",
        str(bundle_path),
        "--readers",
        "1",
        "--tls-cert",
        str(certificate),
        "--tls-key",
        str(key),
    )
    secure = Server(tmp_path / "server", *options)
    try:
        assert secure.address.startswith("https://")
        with secure.client(verify=ssl.create_default_context(cafile=str(certificate))) as client:
            response = client.get("/v1/health/live")
            assert response.status_code == 200
            assert response.headers["strict-transport-security"] == "max-age=31536000"
    finally:
        assert secure.stop() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_other_machines_need_protection(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="lets other machines ask"):
        check(Settings(host=host))
    check(Settings(host=host, token="secret"))
    check(Settings(host=host, certificate=tmp_path, key=tmp_path))
    check(Settings(host=host, insecure=True))


def test_loopback_is_known() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "", "myhost")))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "lets other machines ask"),
        (["--tls-cert", "c.pem"], "needs both"),
        (["--token-file", "nowhere.txt"], "could not be read"),
        (["--model", "nowhere.onnx"], "no such file"),
        (["--port", "99999"], "port"),
    ],
)
def test_mistakes_are_told_in_one_line(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--port", "0", *options]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_taken_port_is_told(server: Server) -> None:
    command = [*server.command[:4], "--port", str(server.port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 2
    assert "cannot be listened to" in result.stderr
