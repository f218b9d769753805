"""Files as clients send them: onto the disk under names of our own, and off it again.

Owns the folder of a request, the names that files go by towards the client, and which files are read together. The
client's names never become paths. Knows no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorscope.reading.dicom_file import is_dicomdir
from tumorscope.reading.files import HEAD_BYTES
from tumorscope.reading.registry import DICOM, accepted, has_image_suffix, identify
from tumorscope.serving.schemas import FailedFile

__all__ = ["Upload", "planned", "printable_name", "shown"]

_LONGEST_NAME = 512


@dataclass(frozen=True, slots=True)
class Upload:
    """One file.

    Parameters
    ----------
    name
        As the client called it; with a relative path for a file of a folder.
    path
        Where it lies for now.
    """

    name: str
    path: Path


def printable_name(name: str | None) -> str:
    """A name that can be given back: no control characters, no more than 512 letters."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name or "")
    return text[-_LONGEST_NAME:] or "file"


def planned(uploads: Sequence[Upload], fail: Callable[[FailedFile], None]) -> list[list[Path]]:
    """Decide what is read together.

    Parameters
    ----------
    uploads
        The files in the order in which they came.
    fail
        Told where a folder holds nothing that can be read.

    Returns
    -------
    list of list of Path
        DICOM files together, since they may be series, at the place of the first of them; any other file alone. Of a
        folder, what is hidden, a DICOMDIR, or of no image format without claiming to be one is passed over.
    """
    plan: list[list[Path]] = []
    dicom: list[Path] = []
    passed_over = 0
    for upload in uploads:
        with upload.path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        kind = identify(head)
        if "/" in upload.name and _is_no_image(upload.name, head, known=kind is not None):
            passed_over += 1
        elif kind is DICOM:
            if not dicom:
                plan.append(dicom)
            dicom.append(upload.path)
        else:
            plan.append([upload.path])
    if passed_over and not plan:
        name = uploads[0].name.partition("/")[0]
        told = f"nothing readable in this folder; accepted are {accepted()}"
        fail(FailedFile(name=name, title=told, status=422))
    return plan


def shown(path: str, uploads: Sequence[Upload]) -> str:
    """What the client calls a file, or a member of its archive."""
    place, mark, member = path.partition("!")
    number = int(Path(place).name)
    return printable_name(uploads[number].name + mark + member)


def _is_no_image(name: str, head: bytes, *, known: bool) -> bool:
    if any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")):
        return True
    return is_dicomdir(head) or not (known or has_image_suffix(name))
