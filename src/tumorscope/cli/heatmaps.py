"""One picture a slice, under a name of its own.

Owns the names of the files in ``predict --heatmaps DIR`` and ``explain --out DIR``. The pictures are drawn in
:mod:`tumorscope.explanation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import Prediction
from tumorscope.core.slice import Slice
from tumorscope.inference.record import Failure

__all__ = ["drawn", "picture_name"]

_RESERVED = re.compile(
    r'[\x00-\x1f<>:"/\\|?*!]+'
)  # what Windows, Linux or this project's archive paths reserve


def drawn(
    pairs: Iterable[tuple[Prediction | Failure, Slice | None]], folder: Path
) -> Iterator[Prediction | Failure]:
    """Draw every answer into a folder and pass it on without its maps.

    Parameters
    ----------
    pairs
        From :meth:`~tumorscope.inference.classifier.Classifier.explain_iter`.
    folder
        Made where it does not exist.

    Raises
    ------
    InvalidConfiguration
        If the folder cannot be written to.
    """
    from tumorscope.explanation.overlay import overlay_png

    taken: set[str] = set()
    for answer, image in pairs:
        if image is None or isinstance(answer, Failure):
            yield answer
            continue
        try:
            atomic_write(folder / picture_name(answer, taken), overlay_png(image, answer))
        except OSError as error:
            raise InvalidConfiguration(
                f"--heatmaps {folder}: pictures cannot be written ({error.strerror}); choose another folder"
            ) from error
        yield replace(answer, heatmap=None)


def picture_name(answer: Prediction, taken: set[str], diagnosis: Diagnosis | None = None) -> str:
    """``scan-glioma.png``, ``head-012-glioma.png`` for a slice of many, with a number where it is taken.

    Parameters
    ----------
    answer
        Of the slice.
    taken
        Names in use, in lower case; the new one is added.
    diagnosis
        The class that is shown; the most probable one for ``None``.
    """
    origin = answer.origin
    last = re.split(r"[/\\!]", origin.path or "array")[-1]
    stem = _RESERVED.sub("_", Path(last.removesuffix(".gz")).stem).strip(".- ") or "slice"
    if origin.frames > 1:
        stem = f"{stem}-{origin.frame:0{len(str(origin.frames))}d}"
    base = f"{stem}-{(diagnosis or answer.diagnosis).value}"
    name, number = f"{base}.png", 2
    while name.lower() in taken:
        name, number = f"{base}-{number}.png", number + 1
    taken.add(name.lower())
    return name
