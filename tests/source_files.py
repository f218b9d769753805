"""Small data sets of the real shapes: Figshare's zips of ``.mat`` slices, SARTAJ, Br35H, the Kaggle set."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MENINGIOMA, GLIOMA, PITUITARY = 1, 2, 3


def pixels(seed: int, height: int = 40, width: int = 36) -> NDArray[np.uint8]:
    """A bright noisy ellipse on black, different for each seed."""
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    noise = np.random.default_rng(seed).integers(60, 250, (height, width))
    return np.where(row**2 + column**2 < 0.8, noise, 0).astype(np.uint8)


def picture(seed: int, kind: str = "JPEG", mode: str = "L") -> bytes:
    """A still image."""
    stream = BytesIO()
    Image.fromarray(pixels(seed)).convert(mode).save(stream, kind)
    return stream.getvalue()


def _matlab(stream: BytesIO) -> bytes:
    content = bytearray(stream.getvalue())
    content[:20] = b"MATLAB 7.3 MAT-file,"
    return bytes(content)


def slice_mat(
    label: int,
    patient: str,
    seed: int,
    image: NDArray[np.int16] | None = None,
    box: tuple[int, int, int, int] | None = (10, 20, 6, 18),
) -> bytes:
    """A slice as MATLAB 7.3 writes it: columns first; the box is top, bottom, left, right of the tumour mask."""
    plane = pixels(seed).astype(np.int16) * 16 if image is None else image
    mask = np.zeros(plane.shape, np.uint8)
    if box:
        mask[box[0] : box[1], box[2] : box[3]] = 1
    stream = BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        group = file.create_group("cjdata")
        group["label"] = np.array([[float(label)]])
        group["PID"] = np.array([[ord(letter)] for letter in patient], np.uint16)
        group["image"] = plane.T
        group["tumorBorder"] = np.array([[1.5, 2.5, 3.5, 4.5]])
        group["tumorMask"] = mask.T
    return _matlab(stream)


def folds_mat(folds: Iterable[int]) -> bytes:
    """``cvind.mat``: an N x 1 array of MATLAB, so 1 x N in HDF5."""
    stream = BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file["cvind"] = np.array([list(folds)], dtype=np.float64)
    return _matlab(stream)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive in memory."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def figshare_files(patients: str = "ABCDEFGH") -> dict[str, bytes]:
    """The article's five files with two slices in each zip; slice n is of patient ``P<letter n>``."""
    labels = [MENINGIOMA, GLIOMA, PITUITARY, GLIOMA, MENINGIOMA, PITUITARY, GLIOMA, MENINGIOMA]
    slices = {
        f"{n}.mat": slice_mat(label, f"P{patients[n - 1]}1905", seed=n)
        for n, label in enumerate(labels, start=1)
    }
    spans = ("1-766", "767-1532", "1533-2298", "2299-3064")
    made = {
        f"brainTumorDataPublic_{span}.zip": zipped({f"{n}.mat": slices[f"{n}.mat"] for n in (k, k + 1)})
        for span, k in zip(spans, (1, 3, 5, 7), strict=True)
    }
    return {**made, "cvind.mat": folds_mat([1, 2, 3, 4, 5, 1, 2, 3])}


def sartaj_files() -> dict[str, bytes]:
    """SARTAJ's tree: Training and Testing, its own folder names, JPEG files in RGB."""
    made: dict[str, bytes] = {"Training/desktop.ini": b"[.ShellClassInfo]"}
    seed = 100
    for side in ("Training", "Testing"):
        for folder in ("glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"):
            for number in (1, 2):
                seed += 1
                made[f"{side}/{folder}/image({number}).jpg"] = picture(seed, mode="RGB")
    return made


def br35h_files() -> dict[str, bytes]:
    """Br35H's tree, with the folders that do not say which tumour."""
    made = {f"no/no{n}.jpg": picture(200 + n) for n in range(3)}
    made |= {f"yes/y{n}.jpg": picture(300 + n) for n in range(2)}
    return made | {
        "pred/pred0.jpg": picture(310),
        "Br35H-Mask-RCNN/TRAIN/y0.jpg": picture(300),
        "Br35H-Mask-RCNN/annotations_all.json": b"{}",
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Put files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def cached_by_kagglehub(cache: Path, handle: str, release: int, files: Mapping[str, bytes]) -> Path:
    """A complete version in the layout of kagglehub's cache, with its marker."""
    owner, name = handle.split("/")
    base = cache / "datasets" / owner / name
    write_files(base / "versions" / str(release), files)
    (base / f"{release}.complete").touch()
    return base
