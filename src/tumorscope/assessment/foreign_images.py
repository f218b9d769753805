"""Images that are no brain MRI, as a network takes them: made by a program, and from a folder of the user.

Owns which there are, how many of each kind, and which models may be asked about them. Knows no model and no score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import EmptyInput, InvalidConfiguration, MissingInput, TumorscopeError
from tumorscope.evaluation.cases import Cases, draw_balanced
from tumorscope.evaluation.novelty_scores import BRAIN
from tumorscope.inference.batch import Prepared, prepare
from tumorscope.preprocess import preprocess
from tumorscope.reading.archive import Archive
from tumorscope.reading.discover import Source, discover
from tumorscope.synthesis.foreign import FROM_SLICE, ForeignKind, make_foreign

__all__ = ["MADE", "Foreign", "foreign_of_folder", "made_foreign"]

MADE = 50
"""Images of each kind that is made."""

_SEED = 1000  # images with small numbers are what a developer looks at
Failures = list[tuple[str, TumorscopeError]]


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """Foreign images of one kind.

    Parameters
    ----------
    images
        ``uint8 [F, S, S]``, as the network takes them.
    folds
        ``int64 [F]``: an image made out of a brain slice may be asked of the model that held out this fold, and of no
        other; ``None`` where every model may be asked.
    """

    images: NDArray[np.uint8]
    folds: NDArray[np.int64] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the images."""
        return hashlib.sha256(np.ascontiguousarray(self.images).tobytes()).hexdigest()


def made_foreign(cases: Cases, size: int, *, count: int = MADE, seed: int = 0) -> dict[str, Foreign]:
    """Make every kind of :mod:`tumorscope.synthesis.foreign`.

    Parameters
    ----------
    cases
        Brain slices, for the kinds that are made out of one; as many of each class, from as many groups as there are.
    size
        Side of the network's input.
    count
        Images of each kind at most.
    seed
        Of the choice of slices.

    Returns
    -------
    dict
        By kind; none of a kind made out of slices where no slice could be read.
    """
    slices = draw_balanced(cases, max(count, 4), seed)[:count]
    made: dict[str, Foreign] = {}
    for kind in ForeignKind:
        if kind not in FROM_SLICE:
            made[kind.value] = Foreign(
                np.stack([preprocess(make_foreign(kind, _SEED + k), size) for k in range(count)])
            )
            continue
        found = [
            (row, picture)
            for row in slices.tolist()
            if (picture := _out_of(cases, row, kind, size)) is not None
        ]
        if found:
            folds = None if cases.folds is None else cases.folds[[row for row, _ in found]]
            made[kind.value] = Foreign(np.stack([picture for _, picture in found]), folds)
    return made


def foreign_of_folder(
    folder: Path, size: int, *, limit: int, brain: frozenset[str] = frozenset(), seed: int = 0
) -> tuple[dict[str, Foreign], Failures]:
    """Read images from a folder; each of its folders is a kind, and what lies beside them one more.

    Parameters
    ----------
    folder
        Images of any readable format, below folders named after what they show.
    size
        Side of the network's input.
    limit
        Images of each kind at most; more are drawn by ``seed``.
    brain
        SHA-256 of the brain slices that are measured: none of them may lie in the folder.

    Returns
    -------
    tuple
        Images by kind, and what could not be read with the reason.

    Raises
    ------
    MissingInput
        If there is no such folder.
    EmptyInput
        If nothing in a folder could be read.
    InvalidConfiguration
        If an image is one of the brain slices, or a kind has the name of one that is made.
    """
    if not folder.is_dir():
        raise MissingInput(
            f"{folder}: no such folder; --foreign takes a folder of images that are no brain MRI"
        )
    kinds: dict[str, Foreign] = {}
    failures: Failures = []
    for name, sources in _kinds(folder).items():
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(sources))
        chosen = [sources[k] for k in np.sort(order[:limit]).tolist()]
        _refuse_brain(chosen, folder, brain)
        images: list[NDArray[np.uint8]] = []
        for each in prepare(chosen, size):
            if not isinstance(each, Prepared):
                failures.append((each.path or name, each.error))
            elif len(images) < limit:
                images.append(each.image)
        if not images:
            raise EmptyInput(f"{folder}: none of the images of the kind {name!r} could be read; give others")
        kinds[name] = Foreign(np.stack(images))
    return kinds, failures


def _out_of(cases: Cases, row: int, kind: ForeignKind, size: int) -> NDArray[np.uint8] | None:
    try:
        return preprocess(make_foreign(kind, _SEED + row, brain=_as_grey(cases.load(row))), size)
    except TumorscopeError:
        return None


def _as_grey(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    return np.asarray((pixels.astype(np.float64) - low) * (255.0 / max(high - low, 1e-12)), dtype=np.uint8)


def _kinds(folder: Path) -> dict[str, list[Source]]:
    below = [
        path.name for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")
    ]
    beside = folder.resolve().name
    found: dict[str, list[Source]] = {name: [] for name in below}
    for source in discover(folder):
        parts = _file_of(source).relative_to(folder).parts
        if parts:  # none where the folder holds nothing
            found.setdefault(parts[0] if len(parts) > 1 else beside, []).append(source)
    for name, sources in found.items():
        if not sources:
            raise EmptyInput(
                f"{folder / name}: nothing readable in this folder; put images there or take it away"
            )
        if name in {*ForeignKind, BRAIN}:
            raise InvalidConfiguration(f"{folder}: the kind {name!r} is one that is made; rename the folder")
    if not found:
        raise EmptyInput(
            f"{folder}: nothing readable in this folder; put images there, in a folder for each kind"
        )
    return found


def _file_of(source: Source) -> Path:
    """The file, or the archive that holds it."""
    return Path(source.place.name if isinstance(source.place, Archive) else source.path)


def _refuse_brain(sources: Sequence[Source], folder: Path, brain: frozenset[str]) -> None:
    files = [path for source in sources if (path := _file_of(source)).is_file()]
    known = sum(hashlib.sha256(path.read_bytes()).hexdigest() in brain for path in files)
    if known:
        raise InvalidConfiguration(
            f"{known} files below {folder} are brain slices of --data; --foreign takes images that are none"
        )
