"""The parts of an evaluation beyond its headline: what ``evaluation.json`` holds under ``parts``.

Owns their shapes, so that the code that measures, the page that shows and the checklist that quotes agree. A part that
was not measured is ``None``, never an empty figure. Figures are :class:`~tumorscope.core.card.Figure`: a value with its
95 % interval, clustered by group.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.card import Figure

__all__ = [
    "BinOfReliability",
    "CalibrationPart",
    "CoverageOfClass",
    "CoverageOfLevel",
    "CurveOfClass",
    "ExplanationPart",
    "LadderStep",
    "Mistake",
    "NoveltyPart",
    "Parts",
    "PointingOf",
    "ShortcutTest",
    "Stratum",
    "StressLadder",
    "Support",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Support(_Part):
    """What a figure of a slow pass rests on."""

    images: int
    groups: dict[str, int] = Field(description="How many groups of each class.")


class Stratum(_Part):
    """Figures of a part of the images."""

    by: Literal["source", "plane", "contrast-style", "tumour-size", "image-size"]
    key: str
    images: int
    groups: int
    figures: dict[str, Figure] = Field(
        description="accuracy, and sensitivity_CLASS where the class is present."
    )


class BinOfReliability(_Part):
    """One of the equal-mass bins of a reliability diagram."""

    images: int
    confidence: float = Field(description="Mean highest probability.")
    accuracy: float
    low: float
    high: float


class CalibrationPart(_Part):
    """How honest the probabilities are. Nothing was fitted on the images measured, see ``constants``."""

    constants: Literal["other folds", "model", "none"] = Field(
        default="other folds",
        description="Where the calibration comes from: fitted on other folds than the one measured, the model's own "
        "as it was made, or none (probabilities as they were given).",
    )
    method: Literal["none", "temperature", "vector"]
    ece: Figure = Field(
        description="Equal-mass expected calibration error of the highest probability, 15 bins."
    )
    ece_raw: Figure = Field(description="The same without calibration.")
    brier: Figure
    brier_raw: Figure
    bins: tuple[BinOfReliability, ...]
    loss_by_method: dict[str, Figure] = Field(
        default_factory=dict,
        description="Cross-fitted loss in nats of none, temperature and vector; chosen by it.",
    )
    ece_by_method: dict[str, Figure] = Field(default_factory=dict)
    support: Support | None = Field(
        default=None, description="The images that all of it rests on; null in older documents."
    )


class CurveOfClass(_Part):
    """ROC and precision-recall curve of one class against the others, thinned; its AUROC and AP are figures."""

    key: str
    share: float = Field(description="Of the slices that show the class: the precision of guessing.")
    false_positive_rate: tuple[float, ...] = Field(description="1 - specificity, rising from 0 to 1.")
    sensitivity: tuple[float, ...] = Field(description="At the same thresholds, rising from 0 to 1.")
    recall: tuple[float, ...] = Field(description="Sensitivity again, of the precision-recall curve.")
    precision: tuple[float, ...] = Field(
        description="PPV at the same thresholds; each holds back to the recall before, as AP sums it."
    )


class CoverageOfClass(_Part):
    """How often the sets of one class hold the truth."""

    covered: Figure
    groups: int
    supported: bool = Field(description="False where the groups are too few for the level: the set is full.")


class CoverageOfLevel(_Part):
    """Prediction sets at one promised coverage; no quantile comes from the images measured."""

    constants: Literal["other folds", "model"] = Field(
        default="other folds",
        description="Where the quantiles come from: other folds than the one measured, or the model as it was made.",
    )
    level: float
    classes: dict[str, CoverageOfClass]
    mean_size: Figure
    sizes: dict[str, float] = Field(description="Share of sets with 0, 1, 2, 3 and 4 classes.")


class NoveltyPart(_Part):
    """How well images that are no brain MRI are told from brain slices of unseen patients."""

    score: str = Field(description="Name of the score that the bundle keeps.")
    auroc: dict[str, dict[str, Figure]] = Field(description="By score, then by kind of foreign image.")
    rejected: dict[str, float] = Field(
        description="Share beyond the limit, by kind; 'brain' is false rejection."
    )
    images: dict[str, int]
    false_rejection: Figure | None = Field(
        default=None, description="Brain slices beyond the limit, with interval; null in older documents."
    )
    promised_false_rejection: float | None = Field(
        default=None, description="What the limit was chosen for, by the card of the model."
    )
    made: tuple[str, ...] = Field(
        default=(), description="Kinds drawn by a program or made out of brain slices; the others are files."
    )


class LadderStep(_Part):
    """One severity of one change."""

    severity: float
    accuracy: Figure
    balanced_accuracy: Figure


class StressLadder(_Part):
    """A change of the images, from mild to severe; the same images at each step."""

    kind: str
    family: Literal["artefact", "tone", "resolution", "compression", "crop", "skull", "orientation"]
    steps: tuple[LadderStep, ...] = Field(description="The first is without change.")
    mean_relative_drop: float = Field(description="Of balanced accuracy, over the changed steps.")


class ShortcutTest(_Part):
    """What the model says when the brain is taken away or changed."""

    brain_masked: Figure = Field(description="Accuracy with everything inside the head blackened.")
    outline_only: Figure = Field(description="Accuracy on the head's outline alone.")
    chance: float
    tumour_filled: Figure | None = Field(description="Share of tumours no longer called one once filled.")
    lesion_pasted: Figure | None = Field(
        description="Share of healthy slices called a tumour once one is pasted in."
    )
    healthy_pasted: Figure | None = Field(description="The same with a healthy patch pasted the same way.")
    images: int
    support: dict[str, Support] = Field(
        default_factory=dict,
        description="By the name of the figure, what it rests on; empty in older documents.",
    )


class PointingOf(_Part):
    """The pointing game (Zhang et al., IJCV 2018) and energy in the box, of one class or tumour size."""

    key: str
    images: int
    groups: int
    pointing: Figure = Field(description="Share of maps whose maximum lies in the tumour box.")
    bound: float = Field(description="The best that the map's grid allows on these boxes.")
    chance: float = Field(description="Mean share of the head that the box covers.")
    energy: Figure = Field(description="Share of positive evidence inside the box.")


class ExplanationPart(_Part):
    """Whether the heat-map shows what the answer rests on."""

    grid: tuple[int, int]
    pointing: tuple[PointingOf, ...] = Field(
        description="First over all, then by class, then by tumour size."
    )
    deletion_auc: Figure | None = Field(description="Lower is better (Petsiuk et al., BMVC 2018).")
    insertion_auc: Figure | None = Field(description="Higher is better.")
    random_order_deletion_auc: Figure | None
    random_order_insertion_auc: Figure | None = None
    randomised_weights_correlation: float | None = Field(
        description="Rank correlation of maps before and after the head's weights are shuffled; near or below 0 is "
        "sane (Adebayo et al., NeurIPS 2018)."
    )


class Mistake(_Part):
    """A wrong answer, the most confident first."""

    path: str
    label: str
    answer: str
    probability: float = Field(description="Of the answer, before any calibration, as the figures count it.")
    label_probability: float = Field(description="Of the true class, before any calibration.")


class Parts(_Part):
    """Everything beyond the headline."""

    strata: tuple[Stratum, ...] = ()
    curves: tuple[CurveOfClass, ...] = ()
    calibration: CalibrationPart | None = None
    coverage: tuple[CoverageOfLevel, ...] = ()
    novelty: NoveltyPart | None = None
    stress: tuple[StressLadder, ...] = ()
    stress_support: Support | None = Field(
        default=None, description="The images of every step of every ladder; null in older documents."
    )
    shortcut: ShortcutTest | None = None
    explanation: ExplanationPart | None = None
    mistakes: tuple[Mistake, ...] = ()
