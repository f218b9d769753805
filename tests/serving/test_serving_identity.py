"""Who the patient is never leaves the reader: not in a response, not in a header, not in the log."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
from serving_files import answered, dicom, head, streamed, zipped

from reading_files import SECRETS
from reading_room import Server


def readable(response: httpx.Response) -> Iterator[bytes]:
    """A response as it travels, and the packed parts of a PDF unpacked."""
    yield b"\n".join(name + value for name, value in response.headers.raw)
    yield response.content
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", response.content, re.DOTALL):
        try:
            yield zlib.decompress(packed)
        except zlib.error:
            continue


def test_patients_stay_unknown(server: Server, client: httpx.Client) -> None:
    series = [(f"s/{number}.dcm", dicom(head(top=3000 + number), number)) for number in range(3)]
    broken = dicom(head(top=4000), PixelRepresentation=None)[:-500]
    document = answered(
        client,
        *series,
        (
            "one.dcm",
            dicom(head(top=3000), SeriesInstanceUID="1.2.826.0.1.42.9", ImageOrientationPatient=None),
        ),
        ("broken.dcm", broken),
        ("ct.dcm", dicom(head(top=3000), Modality="CT")),
        ("z.zip", zipped([("m.dcm", dicom(head(top=3000), ImageComments="Beeblebrox"))])),
    )
    here = f"/v1/predictions/{document['id']}"
    addresses = [here, f"{here}/answers.csv", f"{here}/answers.json", "/metrics", "/v1/model"]
    for case in document["cases"]:
        addresses.append(f"{here}/cases/{case['id']}/report.pdf")
        for one in case["slices"]:
            addresses += [one["pixels"], one["pixels"] + ".png", one["heatmap"]]
    seen: list[bytes] = [str(document).encode(), str(streamed(client, *series)).encode()]
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200, (address, response.text)
        seen += readable(response)
    seen.append(server.logged().encode())
    for secret in SECRETS:
        for text in seen:
            assert secret.encode() not in text, secret
    assert len(document["failures"]) >= 2


def test_the_log_names_no_file_and_no_set(server: Server, client: httpx.Client) -> None:
    document: dict[str, Any] = answered(
        client, ("Doe^Jane.png", b"junk"), ("private.dcm", dicom(head(top=4000)))
    )
    client.get(f"/v1/predictions/{document['id']}")
    client.get("/v1/predictions/Doe", params={"name": "Jane"})
    log = server.logged()
    assert "GET /v1/predictions/{id} 200" in log
    for word in ("Doe", "Jane", "private", document["id"], "127.0.0.1"):
        assert word not in log.replace("at http://127.0.0.1", "")
