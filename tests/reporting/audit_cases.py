"""An audit as a real one would be, with pictures of phantoms, for the tests of its page."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import NOTICE
from tumorscope.dataset.audit.document import (
    Audit,
    Check,
    CrossTable,
    LabelConflict,
    Leak,
    Pair,
    ShortcutFigures,
    SuspectedLabel,
    UnlikeBrain,
    Unreadable,
    Verdict,
)
from tumorscope.dataset.copies.pair import CopyKind, Orientation
from tumorscope.reporting.gallery import Picture
from tumorscope.synthesis.phantom import make_phantom

Pixels = NDArray[np.uint8]

HOSTILE = "Training/glioma/<script>alert('1')</script>\"><img src=x onerror=alert(2)> &amp; \u202egnp.exe.jpg"
COUNTS = {
    Diagnosis.GLIOMA: 1621,
    Diagnosis.MENINGIOMA: 1645,
    Diagnosis.NOTUMOR: 2000,
    Diagnosis.PITUITARY: 1757,
}


_TURNS: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": np.fliplr,
    "rotated-90": np.rot90,
    "rotated-180": lambda plain: np.rot90(plain, 2),
    "rotated-270": lambda plain: np.rot90(plain, 3),
    "flipped": np.flipud,
    "transposed": np.transpose,
    "transversed": lambda plain: np.rot90(plain.T, 2),
}


@functools.cache
def _phantom(label: Diagnosis, seed: int) -> Pixels:
    return make_phantom(label, seed, size=128).pixels


def name(label: Diagnosis, number: int, split: str = "Training", turn: str = "") -> str:
    short = {"glioma": "gl", "meningioma": "me", "notumor": "no", "pituitary": "pi"}[label.value]
    return f"{split}/{label.value}/{split[:2]}-{short}_{number:04d}{turn}.jpg"


def picture(path: str) -> Pixels | None:
    """The phantom that a path of :func:`name` speaks of; ``None`` for what no file holds."""
    if "broken" in path:
        return None
    label = next((key for key in CLASS_ORDER if f"/{key.value}/" in path), Diagnosis.NOTUMOR)
    number = re.search(r"\d{4}", path)
    pixels = _phantom(label, int(number[0]) % 12 if number else 0)
    turn = _TURNS.get(path.rpartition("+")[2].removesuffix(".jpg"))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def empty_audit() -> tuple[Audit, Picture]:
    """Nothing found, nothing run."""
    audit = Audit(
        tumorscope="0.2.0",
        command="tumorscope data audit mine --report report",
        data="mine",
        manifest_sha256="0" * 64,
        datasets=(),
        images=0,
        images_by_class={},
        groups=0,
        patients=0,
        model=None,
        checks=(),
        pairs=(),
        leaks=(),
        conflicts=(),
        suspected_labels=(),
        unlike_brain=(),
        unreadable=(),
        shortcut=None,
        tables=(),
        notice=NOTICE,
    )
    return audit, picture


def large_audit() -> tuple[Audit, Picture]:
    """Some of everything, as much as the study's data set holds."""
    audit = empty_audit()[0].model_copy(
        update={
            "command": "tumorscope data audit brain-tumor-mri/manifest.csv --report report",
            "data": "brain-tumor-mri",
            "manifest_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "datasets": ("Brain Tumor MRI Dataset, version of 7,023 images",),
            "images": sum(COUNTS.values()),
            "images_by_class": {key.value: number for key, number in COUNTS.items()},
            "groups": 2231,
            "patients": 233,
            "model": "efficientnet-lite0 (a1b2c3d4)",
            "checks": _checks(),
            "pairs": _pairs(),
            "leaks": _leaks(),
            "conflicts": _conflicts(),
            "suspected_labels": _suspects(),
            "unlike_brain": _unlike(),
            "unreadable": _unreadable(),
            "shortcut": _shortcut(),
            "tables": _tables(),
        }
    )
    return Audit.model_validate(audit.model_dump(by_alias=True)), picture


def pair(
    first: str, second: str, kind: CopyKind, orientation: Orientation, score: float, **said: object
) -> Pair:
    facts: dict[str, object] = {
        "first_label": Diagnosis.GLIOMA,
        "second_label": Diagnosis.GLIOMA,
        "same_group": True,
        "across_split": False,
        "across_folds": False,
        "across_parts": False,
    }
    return Pair.model_validate(
        {"first": first, "second": second, "kind": kind, "orientation": orientation, "score": score}
        | facts
        | said
    )


def _pairs() -> tuple[Pair, ...]:
    numbers = random.Random(1)
    amounts = {CopyKind.EXACT: 297, CopyKind.NEAR: 412, CopyKind.MIRRORED: 1284, CopyKind.ROTATED: 5}
    pairs = [
        pair(
            HOSTILE,
            name(Diagnosis.MENINGIOMA, 7),
            CopyKind.MIRRORED,
            Orientation.MIRRORED,
            0.9612,
            second_label=Diagnosis.MENINGIOMA,
            same_group=False,
        )
    ]
    for kind, amount in amounts.items():
        for number in range(amount):
            label = numbers.choice(CLASS_ORDER)
            across = numbers.random() < 0.3
            orientation = {
                CopyKind.MIRRORED: Orientation.MIRRORED,
                CopyKind.ROTATED: tuple(Orientation)[2 + number % 6],
            }.get(kind, Orientation.SAME)
            pairs.append(
                pair(
                    name(label, number + 1),
                    name(label, number + 1, "Testing" if across else "Training", "+" + orientation.value),
                    kind,
                    orientation,
                    1.0 if kind is CopyKind.EXACT else round(1 - numbers.betavariate(1.2, 12) * 0.2, 4),
                    first_label=label,
                    second_label=label,
                    same_group=numbers.random() < 0.95,
                    across_split=across,
                    across_folds=numbers.random() < 0.02,
                )
            )
    return tuple(pairs)


def _leaks() -> tuple[Leak, ...]:
    return tuple(
        Leak(
            split="official" if number % 3 else "fold",
            by="patient" if number % 2 else "group",
            sides={"train": 20 + number % 17, "test": 1 + number % 5}
            if number % 3
            else {"fold 1": 9, "fold 2": 2},
            example=name(CLASS_ORDER[number % 4], number),
        )
        for number in range(78)
    )


def _conflicts() -> tuple[LabelConflict, ...]:
    return (
        LabelConflict(
            paths=(HOSTILE, name(Diagnosis.MENINGIOMA, 7)),
            labels=(Diagnosis.GLIOMA, Diagnosis.MENINGIOMA),
            found_by="copies",
        ),
        LabelConflict(
            paths=tuple(name(key, 31) for key in CLASS_ORDER[:3]), labels=CLASS_ORDER[:3], found_by="group"
        ),
        LabelConflict(
            paths=(name(Diagnosis.PITUITARY, 32),),
            labels=(Diagnosis.PITUITARY, Diagnosis.MENINGIOMA),
            found_by="source",
        ),
    )


def _suspects() -> tuple[SuspectedLabel, ...]:
    return tuple(
        SuspectedLabel(
            path=name(CLASS_ORDER[number % 4], number + 100),
            label=CLASS_ORDER[number % 4],
            suggested=CLASS_ORDER[(number + 1) % 4],
            quality=0.02 + number * 0.003,
        )
        for number in range(71)
    )


def _unlike() -> tuple[UnlikeBrain, ...]:
    found = [
        UnlikeBrain(
            path=name(Diagnosis.NOTUMOR, number), label=Diagnosis.NOTUMOR, novelty=42.0 - number, limit=17.25
        )
        for number in range(9)
    ]
    lost = "Training/notumor/broken since.jpg"
    return (*found, UnlikeBrain(path=lost, label=Diagnosis.NOTUMOR, novelty=19.0, limit=17.25))


def _unreadable() -> tuple[Unreadable, ...]:
    return (
        Unreadable(
            path="Training/glioma/broken <b>.jpg",
            code="unreadable-image",
            message="Training/glioma/broken <b>.jpg is no JPEG file from byte 812 on; save it again or remove it",
        ),
        Unreadable(
            path="Testing/notumor/Te-no_0001.jpg", code="missing-input", message="there is no such file"
        ),
    )


def _shortcut() -> ShortcutFigures:
    return ShortcutFigures(
        images=7023,
        groups=2231,
        folds=5,
        accuracy=0.8412,
        low=0.8254,
        high=0.8561,
        chance=0.2848,
        sensitivity={"glioma": 0.78, "meningioma": 0.71, "notumor": 0.98, "pituitary": 0.86},
        importances={
            "width": 0.231,
            "border: mean": 0.142,
            "mode": 0.094,
            "intensity: 99th percentile": 0.071,
            "intensity: share of black": 0.052,
            "height": 0.031,
            "file format": 0.02,
            "bytes a pixel": 0.004,
            "border: spread": -0.001,
        },
        protocol="Gradient-boosted trees, five folds that keep groups whole, interval of 95 % over groups.",
    )


def _checks() -> tuple[Check, ...]:
    said = (
        (
            "exact-copies",
            "Exact copies",
            "problem",
            "594 images form 297 pairs with equal pixels; 88 across the official split.",
            297,
        ),
        (
            "near-copies",
            "Near copies",
            "problem",
            "3,204 images form 1,702 pairs with nearly equal pixels (412 the same way round, 1,285 mirrored).",
            1702,
        ),
        (
            "patients-apart",
            "Patients on both sides",
            "problem",
            "Of 233 known patients, the official split divides 78.",
            78,
        ),
        (
            "groups-apart",
            "Groups on both sides",
            "problem",
            "Of 1,998 groups of unknown patient, the official split divides 400.",
            400,
        ),
        ("label-conflicts", "Contradictory labels", "problem", "There are 3 pictures with two classes.", 3),
        (
            "suspected-labels",
            "Suspected labels",
            "notice",
            "71 images of 7,023 have a class that the model doubts.",
            71,
        ),
        (
            "unlike-brain",
            "Images unlike a brain MRI",
            "notice",
            "10 images are farther from the training data than the limit.",
            10,
        ),
        ("unreadable", "Unreadable files", "notice", "2 files cannot be read.", 2),
        (
            "class-balance",
            "Balance of the classes",
            "good",
            "The largest class has 1.2 times the images of the smallest.",
            None,
        ),
        (
            "shortcut",
            "Shortcut probe",
            "problem",
            "The class is guessed right for 84.1 % without looking at the brain.",
            None,
        ),
        (
            "something-new",
            "A check this page does not know",
            "not-run",
            "It needs a model; give one with --model.",
            None,
        ),
    )
    return tuple(
        Check(key=key, title=title, verdict=Verdict(verdict), sentence=sentence, count=number)
        for key, title, verdict, sentence, number in said
    )


def _tables() -> tuple[CrossTable, ...]:
    columns = (*(key.value for key in CLASS_ORDER), "all")

    def table(key: str, title: str, first: str, rows: dict[str, tuple[int, int, int, int]]) -> CrossTable:
        filled = tuple((row, *numbers, sum(numbers)) for row, numbers in rows.items())
        return CrossTable.model_validate(
            {"key": key, "title": title, "columns": (first, *columns), "rows": filled}
        )

    sizes = {f"{200 + 7 * step} x {210 + 9 * step}": (0, step % 3, 30 - step, 1) for step in range(29)}
    return (
        table(
            "split",
            "Official split",
            "side",
            {"test": (300, 306, 405, 300), "train": (1321, 1339, 1595, 1457)},
        ),
        table(
            "source",
            "Source",
            "source",
            {"Br35H": (0, 0, 1500, 0), "Figshare": (1621, 1339, 0, 1457), "SARTAJ": (0, 306, 500, 300)},
        ),
        table("size", "Size in pixels", "width x height", {"512 x 512": (1621, 1200, 12, 1640), **sizes}),
        table("mode", "Pixel mode", "mode", {"RGB": (1621, 1645, 400, 1757), "L": (0, 0, 1600, 0)}),
        table("format", "File format", "format", {"JPEG": (1621, 1645, 2000, 1757)}),
    )
