"""Evaluations as real ones would be, made from small tables of answers, with pictures of phantoms."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from audit_cases import HOSTILE, Pixels, name, picture

from evaluation_cases import made_table
from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.curves import class_curves
from tumorscope.evaluation.document import document
from tumorscope.evaluation.protocol import patient_wise
from tumorscope.evaluation.report import (
    BinOfReliability,
    CalibrationPart,
    CoverageOfClass,
    CoverageOfLevel,
    ExplanationPart,
    LadderStep,
    Mistake,
    NoveltyPart,
    Parts,
    PointingOf,
    ShortcutTest,
    Stratum,
    StressLadder,
)

__all__ = ["HOSTILE_SOURCE", "evidence", "full_parts", "made_document", "picture"]

HOSTILE_SOURCE = "<b onclick=alert(1)>$x_1$</b> & \u202eecruos"

_LADDERS: tuple[tuple[str, Literal["artefact", "tone", "resolution", "compression", "crop"], float], ...] = (
    ("bias field", "artefact", 0.04),
    ("ghosting", "artefact", 0.12),
    ("motion", "artefact", 0.21),
    ("Gibbs ringing", "artefact", 0.02),
    ("spikes", "artefact", 0.35),
    ("noise", "artefact", 0.18),
    ("gamma", "tone", 0.05),
    ("window", "tone", 0.31),
    ("fewer pixels", "resolution", 0.09),
    ("JPEG", "compression", -0.004),
    ("cropped", "crop", 0.15),
)


def made_document(*, leaks: dict[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    """The document of a made table; ``leaks`` for its stamp, ``changes`` replace entries."""
    table = made_table(seed=3, groups=80)
    measured = patient_wise(table, "tumorscope evaluate --model RUN --protocol patient-wise")
    if leaks is not None:
        measured = measured.model_copy(update={"leaks": leaks})
    counts = {key.value: int((table.labels == key.position).sum()) for key in CLASS_ORDER}
    made = document(
        measured,
        model="efficientnet-lite0",
        images_by_class=counts,
        failures=((HOSTILE, "unreadable-image", "no JPEG file from byte 812 on <script>alert(3)</script>"),),
        further_notes=("Only the images of the part test were used; <i>others</i> were left out.",),
    )
    return made | changes


def full_parts() -> Parts:
    """Some of everything, good and bad."""
    return Parts(
        strata=_strata(),
        curves=class_curves(made_table(seed=3, groups=80)),
        calibration=_calibration(),
        coverage=(_coverage(0.95), _coverage(0.99)),
        novelty=_novelty(),
        stress=tuple(_ladder(*ladder) for ladder in _LADDERS),
        shortcut=ShortcutTest(
            brain_masked=figure(0.47, 0.05),
            outline_only=figure(0.33, 0.05),
            chance=0.285,
            tumour_filled=figure(0.62, 0.06),
            lesion_pasted=figure(0.71, 0.07),
            healthy_pasted=None,
            images=600,
        ),
        explanation=_explanation(),
        mistakes=_mistakes(),
    )


def evidence(path: str) -> Pixels | None:
    """The phantom in false colours, ``uint8 [h, w, 3]``."""
    gray = picture(path)
    if gray is None:
        return None
    rows, columns = np.indices(gray.shape)
    glow = np.exp(-((rows - 60) ** 2 + (columns - 70) ** 2) / 600)
    colour = np.stack([gray + (255 - gray) * glow, gray * (1 - 0.4 * glow), gray * (1 - glow)], axis=-1)
    return colour.astype(np.uint8)


def figure(value: float, half: float) -> Figure:
    return Figure(value=value, low=max(0.0, value - half), high=min(1.0, value + half * 0.8))


def _strata() -> tuple[Stratum, ...]:
    def one(by: Any, key: str, images: int, value: float) -> Stratum:
        figures = {"accuracy": figure(value, 0.02 + 8 / (images + 60))}
        for place, label in enumerate(CLASS_ORDER[: 4 if by != "tumour-size" else 2]):
            figures[f"sensitivity_{label.value}"] = figure(value - 0.02 * place, 0.04)
        return Stratum(by=by, key=key, images=images, groups=images // 4, figures=figures)

    return (
        one("source", "figshare", 3556, 0.94),
        one("source", HOSTILE_SOURCE, 1758, 0.91),
        one("plane", "axial", 2210, 0.95),
        one("plane", "coronal", 1604, 0.93),
        one("plane", "sagittal", 1500, 0.92),
        one("contrast-style", "style 1", 900, 0.96),
        one("contrast-style", "style 2", 410, 0.60),
        one("tumour-size", "smallest quarter", 880, 0.84),
        one("tumour-size", "largest quarter", 880, 0.98),
        one("image-size", "512 x 512", 3556, 0.94),
    )


def _calibration() -> CalibrationPart:
    bins = [
        BinOfReliability(
            images=177, confidence=x, accuracy=y, low=max(0.0, y - 0.07), high=min(1.0, y + 0.05)
        )
        for x, y in zip(
            (0.44, 0.58, 0.71, 0.81, 0.89, 0.94, 0.97, 0.985, 0.992, 0.996),
            (0.51, 0.55, 0.74, 0.79, 0.91, 0.93, 0.98, 0.98, 0.99, 1.0),
            strict=True,
        )
    ]
    return CalibrationPart(
        method="vector",
        ece=figure(0.0213, 0.006),
        ece_raw=figure(0.0471, 0.009),
        brier=figure(0.0934, 0.02),
        brier_raw=figure(0.0981, 0.02),
        bins=tuple(bins),
        loss_by_method={
            "none": figure(0.2051, 0.05),
            "temperature": figure(0.2049, 0.05),
            "vector": figure(0.1987, 0.05),
        },
        ece_by_method={"none": figure(0.0471, 0.009), "vector": figure(0.0213, 0.006)},
    )


def _coverage(level: float) -> CoverageOfLevel:
    found = zip(CLASS_ORDER, (0.951, 0.962, 0.939, 0.957), (49, 96, 412, 60), strict=True)
    return CoverageOfLevel(
        level=level,
        classes={
            label.value: CoverageOfClass(
                covered=figure(1.0, 0.0) if level > 0.98 and groups < 99 else figure(value, 0.03),
                groups=groups,
                supported=not (level > 0.98 and groups < 99),
            )
            for label, value, groups in found
        },
        mean_size=Figure(value=1.23, low=1.18, high=1.29)
        if level < 0.98
        else Figure(value=2.9, low=2.8, high=3.0),
        sizes={"0": 0.004, "1": 0.813, "2": 0.142, "3": 0.031, "4": 0.01},
    )


def _novelty() -> NoveltyPart:
    kinds = ("not-brain-mri", "inverted", "noise", "text", "photograph")
    scores = ("mahalanobis", "nearest-neighbours", "energy")
    return NoveltyPart(
        score="nearest-neighbours",
        auroc={
            score: {
                kind: figure(0.995 - 0.03 * place - 0.004 * number, 0.004)
                for number, kind in enumerate(kinds)
            }
            for score, place in zip(scores, (1, 0, 4), strict=True)
        },
        rejected={"brain": 0.021} | {kind: 0.97 - 0.05 * number for number, kind in enumerate(kinds)},
        images={"brain": 1328} | {kind: 200 + number for number, kind in enumerate(kinds)},
    )


def _ladder(kind: str, family: Any, drop: float) -> StressLadder:
    severities = (0.0, 0.25, 0.5, 0.75, 1.0)
    values = [0.937 * (1 - 2 * drop * severity * 0.8) for severity in severities]
    return StressLadder(
        kind=kind,
        family=family,
        steps=tuple(
            LadderStep(severity=severity, accuracy=figure(value, 0.03), balanced_accuracy=figure(value, 0.03))
            for severity, value in zip(severities, values, strict=True)
        ),
        mean_relative_drop=drop,
    )


def _explanation() -> ExplanationPart:
    keys = ("all", "glioma", "meningioma", "pituitary", "smallest quarter", "largest quarter")
    return ExplanationPart(
        grid=(10, 10),
        pointing=tuple(
            PointingOf(
                key=key,
                images=3556 // (place + 1),
                groups=233 // (place + 1),
                pointing=figure(0.74 - 0.05 * place, 0.04),
                bound=0.86,
                chance=0.043,
                energy=figure(0.41 - 0.03 * place, 0.03),
            )
            for place, key in enumerate(keys)
        ),
        deletion_auc=figure(0.31, 0.03),
        insertion_auc=figure(0.78, 0.03),
        random_order_deletion_auc=figure(0.52, 0.03),
        random_order_insertion_auc=figure(0.55, 0.03),
        randomised_weights_correlation=0.07,
    )


def _mistakes() -> tuple[Mistake, ...]:
    paths = [HOSTILE, *(name(CLASS_ORDER[number % 4], number) for number in range(40)), "Testing/broken.jpg"]
    return tuple(
        Mistake(
            path=path,
            label=CLASS_ORDER[place % 4].value,
            answer=CLASS_ORDER[(place + 1) % 4].value,
            probability=0.999 - 0.004 * place,
            label_probability=0.0005 + 0.002 * place,
        )
        for place, path in enumerate(paths)
    )
