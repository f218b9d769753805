"""Cheng's set on Figshare: its list of files, and the rows of its ``.mat`` slices.

Owns what is peculiar to article 1512427: which file is where, the numbering of the slices, the patients, the tumour
boxes and the published five folds of ``cvind.mat``. The slices themselves are read by :mod:`tumorscope.reading.matlab`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import DownloadFailed, InvalidManifest, TumorscopeError
from tumorscope.dataset.facts import pixels_hash
from tumorscope.dataset.manifest import Box, ImageRecord, Manifest
from tumorscope.dataset.scan import Failure, Progress
from tumorscope.dataset.sources.catalogue import KnownFile, Source
from tumorscope.dataset.sources.web import read_url
from tumorscope.reading.files import read_bytes
from tumorscope.reading.matlab import read_figshare

__all__ = [
    "API",
    "FOLDS_FILE",
    "FigshareRows",
    "figshare_name",
    "figshare_rows",
    "listed_files",
    "read_folds",
]

API = "https://api.figshare.com/v2"
FOLDS_FILE = "cvind.mat"
_MOST_SLICES = 100_000


@dataclass(frozen=True, slots=True)
class FigshareRows:
    """The slices of a folder.

    Parameters
    ----------
    manifest
        One row a slice that could be read.
    failures
        Those that could not.
    notes
        What a user should know, one line each.
    """

    manifest: Manifest
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


def listed_files(source: Source, api: str = API, *, advice: str) -> tuple[tuple[KnownFile, ...], str]:
    """Ask the host which files the article has now.

    Parameters
    ----------
    source
        The data set; only files whose names it knows are taken.
    api
        Address of the Figshare API.
    advice
        What else a user can do, for messages.

    Returns
    -------
    tuple
        The files with the host's sizes, checksums and addresses, and a line that says where these come from. Where
        the host cannot be asked or does not list all files, the known ones.
    """
    try:
        answer = json.loads(read_url(f"{api}/articles/{source.article}", advice=advice))
        listed = {entry["name"]: _known(entry) for entry in answer["files"]}
        version = int(answer.get("version", 0))
    except (DownloadFailed, ValueError, KeyError, TypeError, AttributeError):
        return source.files, "the host's list of files could not be had; the known sizes and checksums hold"
    names = [file.name for file in source.files]
    if not all(name in listed for name in names):
        return source.files, "the host's list of files has changed; the known files, sizes and checksums hold"
    return tuple(
        listed[name] for name in names
    ), f"sizes and checksums from the host, article version {version}"


def _known(entry: dict[str, Any]) -> KnownFile:
    md5 = entry.get("computed_md5") or entry.get("supplied_md5") or None
    return KnownFile(str(entry["name"]), str(entry["download_url"]), int(entry["size"]), md5)


def figshare_name(name: PurePosixPath) -> PurePosixPath | None:
    """Where a file of the article goes: ``slices/N.mat``, ``cvind.mat``; ``None`` for any other."""
    if name.name.lower() == FOLDS_FILE:
        return PurePosixPath(FOLDS_FILE)
    number = _number(name)
    return None if number is None else PurePosixPath("slices", f"{number}.mat")


def figshare_rows(folder: Path, progress: Progress | None = None) -> FigshareRows:
    """Read the slices of a folder and make their rows.

    Parameters
    ----------
    folder
        Holds ``N.mat`` at any depth, where N is the slice's number, and ``cvind.mat`` where the folds are wanted.
    progress
        Called with (done, total).

    Returns
    -------
    FigshareRows
        Sorted by number; ``group`` is the patient, ``slice_id`` is ``figshare:N``. ``fold`` is filled only if no
        patient is in two folds.

    Raises
    ------
    InvalidManifest
        If there are no slices, a number occurs twice, or ``cvind.mat`` does not fit.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.rglob("*.mat")):
        number = _number(PurePosixPath(path.name))
        if number is None:
            continue
        if number in files:
            raise InvalidManifest(f"{folder} holds slice {number} twice; give one copy of the set")
        files[number] = path
    if not files:
        raise InvalidManifest(f"{folder} holds no slices; they are named 1.mat to 3064.mat")
    rows, failures, unmarked = {}, [], 0
    for done, (number, path) in enumerate(sorted(files.items()), start=1):
        try:
            rows[number] = _row(number, path)
        except TumorscopeError as error:
            failures.append(Failure(done - 1, path, error))
        else:
            unmarked += rows[number].box is None
        if progress is not None:
            progress(done, len(files))
    if not rows:
        raise InvalidManifest(f"none of the {len(files)} slices in {folder} can be read: {failures[0].error}")
    notes = [f"{unmarked} slices have an empty tumour mask, and so no box"] if unmarked else []
    folds = next(iter(sorted(folder.rglob(FOLDS_FILE))), None)
    if folds is not None:
        rows, note = _with_folds(rows, read_folds(folds))
        notes.append(note)
    return FigshareRows(Manifest(tuple(rows.values()), folder), tuple(failures), tuple(notes))


def read_folds(path: Path) -> NDArray[np.int64]:
    """Read ``cvind.mat``: the fold, 1 to 5, of slice 1, 2, 3...; ``int64 [N]``.

    Raises
    ------
    InvalidManifest
        If it holds anything else.
    """
    import h5py

    content = read_bytes(path, str(path))
    try:
        with h5py.File(BytesIO(content), "r") as file:
            link = file.get("cvind", getlink=True)
            place = file["cvind"] if isinstance(link, h5py.HardLink) else None
            if not isinstance(place, h5py.Dataset) or place.external or not 1 <= place.size <= _MOST_SLICES:
                raise InvalidManifest(f"{path.name} holds no list of folds named cvind; download it again")
            folds = np.asarray(place[()], dtype=np.float64).ravel()
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        if isinstance(error, InvalidManifest):
            raise
        raise InvalidManifest(f"{path.name} is no MATLAB 7.3 file; download it again") from error
    if not np.isin(folds, (1, 2, 3, 4, 5)).all():
        raise InvalidManifest(f"{path.name} holds other numbers than the folds 1 to 5; download it again")
    return folds.astype(np.int64)


def _number(name: PurePosixPath) -> int | None:
    known = name.suffix.lower() == ".mat" and name.stem.isascii() and name.stem.isdecimal()
    return int(name.stem) if known and len(name.stem) < 6 else None


def _row(number: int, path: Path) -> ImageRecord:
    content = read_bytes(path, str(path))
    read = read_figshare(content, str(path))
    height, width = read.slice.shape
    patient = read.group.strip("\0 ")
    if not patient:
        raise InvalidManifest(f"{path.name}: the code of the patient is empty; a slice needs one")
    return ImageRecord(
        path=path,
        label=read.label,
        group=f"patient:{patient}",
        slice_id=f"figshare:{number}",
        sha256=hashlib.sha256(content).hexdigest(),
        patient=patient,
        source="figshare",
        box=_box(read.mask),
        width=width,
        height=height,
        mode=read.slice.pixels.dtype.name,
        pixels_sha256=pixels_hash(read.slice.pixels),
    )


def _box(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box that holds the mask, in fractions."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    height, width = mask.shape
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Box(
        float((left + right) / 2 / width),
        float((top + bottom) / 2 / height),
        float((right - left) / width),
        float((bottom - top) / height),
    )


def _with_folds(rows: dict[int, ImageRecord], folds: NDArray[np.int64]) -> tuple[dict[int, ImageRecord], str]:
    if max(rows) > folds.size:
        raise InvalidManifest(
            f"{FOLDS_FILE} names the folds of {folds.size} slices, but there is a slice {max(rows)}; both must come "
            "from the same set"
        )
    by_patient: dict[str, set[int]] = defaultdict(set)
    for number, row in rows.items():
        by_patient[row.group].add(int(folds[number - 1]))
    divided = sum(len(found) > 1 for found in by_patient.values())
    if divided:
        return rows, (
            f"{divided} of {len(by_patient)} patients are in two of the published folds; the column fold is left "
            "empty: split with 'tumorscope data split'"
        )
    made = {number: replace(row, fold=int(folds[number - 1])) for number, row in rows.items()}
    return made, (
        f"fold is the published one of {FOLDS_FILE}; no patient code is in two. One person with several exams has "
        "several codes, which the set does not tell"
    )
