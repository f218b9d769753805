"""Whatever goes wrong: one shape, the right status, and a server that lives."""

from __future__ import annotations

import json
import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator

import httpx
import pytest
from serving_files import EXAMPLE, answered, dicom, head, is_problem, nifti, png, post, zipped

from reading_room import Server


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/predictions/none", 404),
        ("GET", "/v1/predictions/none/slices/0", 404),
        ("GET", "/static/../../../core/errors.py", 404),
        ("GET", "/static/nothing.js", 404),
        ("PUT", "/v1/predictions", 405),
        ("POST", "/v1/model", 405),
        ("GET", "/v1/predictions/none/slices/minus", 422),
        ("GET", "/v1/predictions/none/heatmap.png?slice=0&diagnosis=flu", 422),
        ("POST", "/v1/predictions?keep=-1", 422),
        ("POST", "/v1/predictions", 415),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/efficientnet-lite2-closer/infer", 400),
    ],
)
def test_one_shape(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert is_problem(response, status)
    if status == 405:
        assert response.headers["allow"]


def test_the_body_must_be_a_form_with_files(client: httpx.Client) -> None:
    assert is_problem(client.post("/v1/predictions", data={"files": "text"}), 415)
    assert is_problem(client.post("/v1/predictions", files={"other": b"x"}), 422)
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert is_problem(client.post("/v1/predictions", content=b"x", headers=no_boundary), 400)
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    assert is_problem(client.post("/v1/predictions", content=b"--c\r\nnonsense", headers=broken), 400)
    files = {"files": ("a.png", png())}
    assert is_problem(client.post("/v1/predictions", files=files, headers={"Accept": "text/html"}), 406)


def test_too_large_a_body_is_refused_declared_or_not(server: Server, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield bytes(1 << 20)

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 413
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        response = client.post("/v1/predictions", content=chunks(), headers=kind)
    except httpx.TransportError:
        pass  # the server has closed the connection before all was sent
    else:
        assert is_problem(response, 413)
    assert client.get("/v1/health/ready").status_code == 200


def test_a_header_without_an_end_is_cut_off(server: Server, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        try:
            connection.sendall(b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (4 << 20))
            answer = connection.makefile("rb").read()
        except ConnectionError:
            pass  # closed before all was sent
        else:
            assert answer.startswith(b"HTTP/1.1 400")
    assert client.get("/v1/health/ready").status_code == 200


def png_bomb() -> bytes:
    """A header that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def hostile() -> list[tuple[str, bytes]]:
    chance = random.Random(7)
    image, scan, volume = EXAMPLE.read_bytes(), dicom(head(top=4000)), nifti()
    return [
        ("bomb.png", png_bomb()),
        ("bomb.zip", zipped([("a.png", bytes(80 << 20))], zipfile.ZIP_DEFLATED)),
        ("nested.zip", zipped([("b.zip", zipped([("a.png", image)]))])),
        ("empty.zip", zipped([])),
        ("climb.zip", zipped([("../../etc/passwd.png", b"x")])),
        ("empty.png", b""),
        ("cut.png", image[: len(image) // 2]),
        ("cut.dcm", scan[: len(scan) // 2]),
        ("cut.nii", volume[: len(volume) // 2]),
        ("page.png", b"<html>not an image</html>"),
        ("program.dcm", b"\x7fELF" + chance.randbytes(4000)),
        ("random", chance.randbytes(5000)),
        ("random.dcm", bytes(128) + b"DICM" + chance.randbytes(5000)),
        ("random.nii.gz", b"\x1f\x8b\x08\x00" + chance.randbytes(5000)),
        ("a\r\nSet-Cookie: x.png", b"junk"),
        ("..\\..\\evil.png", b"junk"),
        ("/etc/passwd", b"junk"),
    ]


def test_hostile_files_get_a_line_each_and_good_ones_their_answer(client: httpx.Client) -> None:
    files = hostile()
    document = answered(client, *files, ("good.png", EXAMPLE.read_bytes()))
    assert [case["name"] for case in document["cases"]] == ["good.png"]
    failures = document["failures"]
    assert len(failures) >= len(files) - 1, [failure["name"] for failure in failures]
    for failure in failures:
        assert failure["status"] in (413, 422)
        assert "\n" not in failure["title"]
        assert failure["title"]
    assert client.get("/v1/health/ready").status_code == 200


def test_mislabelled_files_are_taken_for_what_they_are(client: httpx.Client) -> None:
    files = [
        ("a.dcm", png()),
        ("b.png", dicom(head(top=4000))),
        ("c.jpg", nifti(3)),
        ("d", zipped([("x", png())])),
    ]
    document = answered(client, *files)
    assert document["failures"] == []
    assert [case["kind"] for case in document["cases"]] == ["image", "image", "volume", "image"]


def test_damaged_copies_never_break_the_server(client: httpx.Client) -> None:
    chance = random.Random(3)
    good = [png(), dicom(head(top=4000)), nifti(3)]
    files = []
    for number in range(30):
        content = bytearray(good[number % 3])
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(min(len(content), 800))] = chance.randrange(256)
        files.append((f"{number}.bin", bytes(content)))
    response = post(client, *files)
    assert response.status_code == 200
    assert client.get("/v1/health/ready").status_code == 200
