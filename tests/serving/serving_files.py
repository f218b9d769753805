"""What the tests of the server send, and how they read what comes back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reading_files import dicom_bytes, mr_dataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "synthetic-meningioma-axial.png"


def post(client: httpx.Client, *files: tuple[str, bytes], **query: Any) -> httpx.Response:
    """Send files for answers."""
    parts = [("files", (name, content, "application/octet-stream")) for name, content in files]
    return client.post("/v1/predictions", files=parts, params=query)


def answered(client: httpx.Client, *files: tuple[str, bytes], **query: Any) -> dict[str, Any]:
    """The document of answers."""
    response = post(client, *files, **query)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def streamed(client: httpx.Client, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
    """The lines of a stream of answers."""
    parts = [("files", (name, content, "application/octet-stream")) for name, content in files]
    response = client.post("/v1/predictions", files=parts, headers={"Accept": "application/x-ndjson"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def is_problem(response: httpx.Response, status: int) -> bool:
    """Whether a response is a problem of that status and of the one shape."""
    body = response.json()
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) - {"error"} == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["detail"]
    return True


def head(height: int = 96, width: int = 80, top: int = 255, lump: float = 0.4) -> NDArray[np.uint16]:
    """A bright ellipse with a gradient and a brighter lump, on black."""
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = row**2 + column**2 < 0.8
    value = (row + 2) / 4 + lump * np.exp(-((row - 0.2) ** 2 + (column + 0.3) ** 2) / 0.02)
    return np.where(inside, np.clip(value, 0, 1) * top, 0).astype(np.uint16)


def png(pixels: NDArray[Any] | None = None) -> bytes:
    """An 8- or 16-bit PNG."""
    values = head().astype(np.uint8) if pixels is None else pixels
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def nifti(slices: int = 5) -> bytes:
    """A small axial volume."""
    volume = np.stack([head(48, 40, 900 + 10 * k).T[:, ::-1] for k in range(slices)], axis=2).astype(np.int16)
    image: Any = nibabel.Nifti1Image  # has no types
    return bytes(image(volume, np.diag([1.0, 1.0, 3.0, 1.0])).to_bytes())


def dicom(pixels: NDArray[np.uint16], number: int = 1, **attributes: Any) -> bytes:
    """A 12-bit MR image full of identity; attributes set to ``None`` are left out."""
    placed = {"InstanceNumber": number, "ImagePositionPatient": [0, 0, 3.0 * number]}
    return dicom_bytes(mr_dataset(pixels.astype("<u2"), 12, **placed, **attributes))


def zipped(members: Sequence[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()
