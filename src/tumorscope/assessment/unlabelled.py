"""Images without labels: what the model says of them, and no figure.

Owns when a folder counts as unlabelled, and what is said instead of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tumorscope.assessment.measurement import Measurement
from tumorscope.core.card import Measured
from tumorscope.core.errors import InvalidManifest, TumorscopeError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.index import unlabelled_folders
from tumorscope.dataset.manifest_file import manifest_in
from tumorscope.evaluation.protocol import Protocol
from tumorscope.inference.classifier import Classifier
from tumorscope.inference.record import Failure, record
from tumorscope.reading.discover import Source, discover

__all__ = ["has_no_labels", "passed_over_note", "predictions_only"]

_SHOWN = 3


def has_no_labels(folder: Path, class_names: ClassNames) -> bool:
    """Whether a folder holds images, none of them in a folder of a class, and no manifest."""
    if not folder.is_dir() or manifest_in(folder) is not None:
        return False
    places = unlabelled_folders(folder, class_names)
    if not places:
        return False
    return not any(class_names.knows(place.name) and place.is_dir() for place in folder.rglob("*"))


def passed_over_note(folder: Path, class_names: ClassNames) -> tuple[str, ...]:
    """What a reader must know of folders of images beside those of the classes: they are in no figure."""
    if not folder.is_dir() or manifest_in(folder) is not None:
        return ()
    places = unlabelled_folders(folder, class_names)
    if not places:
        return ()
    return (f"Images {_named(folder, places)} were left out: no name gives their class. {_remedy()}",)


def predictions_only(
    classifier: Classifier,
    folder: Path,
    command: str,
    *,
    class_names: ClassNames,
    batch_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Answer every image of an unlabelled folder.

    Parameters
    ----------
    classifier
        Who answers.
    folder
        Of images without labels.
    command
        The command line that does the same again.
    class_names
        Under which no folder has the name of a class.
    batch_size
        Slices answered at once.
    progress
        Called with (done, total) in files.

    Returns
    -------
    Measurement
        Without figures; its predictions are records as ``tumorscope predict`` writes them, paths relative to the
        folder.

    Raises
    ------
    InvalidManifest
        If not one image could be answered.
    """
    answers: list[dict[str, object]] = []
    failures: list[tuple[str, TumorscopeError]] = []
    for answer in classifier.predict_iter(_counted(folder, progress), batch_size=batch_size):
        if isinstance(answer, Failure):
            failures.append((_relative(folder, answer.path), answer.error))
        else:
            told = record(answer)
            answers.append({**told, "path": _relative(folder, told["path"])})
    if not answers:
        raise InvalidManifest(
            f"none of the {len(failures)} images of {folder} could be answered; the first: {failures[0][1]}"
        )
    places = unlabelled_folders(folder, class_names)
    return Measurement(
        measured=Measured(
            protocol=Protocol.EXTERNAL.value,
            images=len(answers),
            slices=len(answers),
            groups=len(answers),
            patients=0,
            figures={},
            confusion=(),
            command=command,
        ),
        model=classifier.facts.label,
        images_by_class={key.value: 0 for key in CLASS_ORDER},
        notes=(
            f"Predictions only, no figures: no name gives the class of images {_named(folder, places)}. {_remedy()}",
        ),
        failures=tuple(failures),
        predictions=tuple(answers),
    )


def _counted(folder: Path, progress: Callable[[int, int], None] | None) -> Iterator[Source]:
    sources = list(discover(folder))
    for done, source in enumerate(sources, start=1):
        yield source
        if progress is not None:
            progress(done, len(sources))


def _relative(folder: Path, path: str | None) -> str:
    """The path below the folder; a member of an archive keeps its name behind that of the archive."""
    named = path or ""
    return Path(named).relative_to(folder).as_posix() if Path(named).is_relative_to(folder) else named


def _named(folder: Path, places: Sequence[Path]) -> str:
    names = [
        "the folder itself" if place == folder else place.relative_to(folder).as_posix() for place in places
    ]
    return f"in {', '.join(names[:_SHOWN])}" + (
        f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    )


def _remedy() -> str:
    return (
        f"Sort images into folders named {', '.join(CLASS_ORDER)}, or map names with --map-label NAME=CLASS."
    )
