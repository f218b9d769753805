"""The model card that travels inside a bundle.

Owns the schema of the one JSON document in the ``metadata_props`` of a bundle (key :data:`CARD_KEY`). Knows
nothing of ONNX. Fields follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.weight_type import WeightType

__all__ = [
    "CARD_KEY",
    "SCHEMA_VERSION",
    "DataProvenance",
    "Ensemble",
    "Figure",
    "Measured",
    "Member",
    "ModelCard",
    "Thresholds",
    "VectorScaling",
]

CARD_KEY = "tumorscope.card"
SCHEMA_VERSION: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class VectorScaling(_Record):
    """Calibration class by class: probabilities are ``softmax(scale * logits + bias)`` (Guo et al., ICML 2017)."""

    scale: tuple[Positive, Positive, Positive, Positive] = Field(description="In class order.")
    bias: tuple[Finite, Finite, Finite, Finite] = Field(description="In class order, in nats.")


class Thresholds(_Record):
    """Where an answer turns from sure to unsure, fixed when the bundle was made.

    ``conformal`` maps a coverage written as ``"0.95"`` to four quantiles in class order: class *k* is in the
    prediction set when ``1 - probabilities[k] <= quantile[k]`` (Sadinle et al., JASA 2019). A quantile of 1
    always includes the class: the calibration data could not support that coverage for it.
    """

    conformal: dict[str, tuple[float, float, float, float]]
    default_coverage: str = "0.95"
    novelty_limit: float
    novelty_false_rejection: float = Field(
        gt=0, lt=1, description="Share of calibration slices above the limit."
    )
    novelty_score: str = Field("unknown", description="What the graph computes as novelty.")


class DataProvenance(_Record):
    """What the model was fitted and calibrated on."""

    manifest_sha256: str
    protocol: str
    images: int
    slices: int
    groups: int
    patients: int
    calibration_images: int
    calibration_groups: int
    images_by_class: dict[str, int]
    sources: dict[str, int]
    licence: str
    image_sha256_prefixes: tuple[str, ...] = Field(
        description="First 8 hex digits of the SHA-256 of every image of the fit and its calibration, sorted."
    )
    leaks: dict[str, dict[str, int]] | None = Field(
        default=None,
        description="For each split (folds, parts) how many patients, groups, slices, files and pictures lie on two "
        "of its sides, by kind; empty where none do, null where nobody looked.",
    )
    held_out_fold: int | None = Field(
        default=None,
        description="Of a fold model, made to measure and not to deploy: the fold that it has not seen.",
    )


class Figure(_Record):
    """One measured number with its 95 % interval."""

    value: float
    low: float
    high: float


class Measured(_Record):
    """One evaluation: figures only ever travel with their protocol and n."""

    protocol: str
    images: int
    slices: int
    groups: int
    patients: int
    figures: dict[str, Figure]
    confusion: tuple[tuple[float, ...], ...] = Field(
        description="Rows truth, columns answer, copies counted once."
    )
    command: str
    leaks: dict[str, int] | None = Field(
        default=None,
        description="How many keys of each kind lie on two sides of the split; the figures are too good where any "
        "do. Null where nobody looked.",
    )


class Member(_Record):
    """A model that another was made of, or taught by."""

    name: str
    recipe: str
    sha256: str = Field(
        description="Of the bundle; of the weights of a teacher, a guide or of what was averaged."
    )


class Ensemble(_Record):
    """What a bundle that answers with the mean of several is made of, and what that costs."""

    combination: Literal["mean of logits"] = "mean of logits"
    members: tuple[Member, ...]
    graph_bytes: int = Field(gt=0, description="Of the file without this card.")
    milliseconds: Positive = Field(
        description="For one image with its heat-map, on one thread of the processor that made the bundle."
    )


class ModelCard(_Record):
    """Everything a user of a bundle must know, and every constant its answers need."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    version: str
    created: str = Field(description="ISO 8601 date and time, UTC.")
    class_order: tuple[str, str, str, str]
    input_size: int = Field(ge=32, le=1024)
    preprocessing: str = Field(description="Name and version of the Slice -> uint8 function.")
    heatmap_kind: Literal["class-activation", "supervised-box"]
    heatmap_stride: int
    architecture: str
    recipe: str
    configuration: dict[str, object]
    configuration_sha256: str
    initial_weights: str
    weight_type: WeightType = Field(
        WeightType.FLOAT32,
        description="In which the file keeps the weights; answers are computed in float32.",
    )
    temperature: float = Field(
        gt=0,
        description="Probabilities are softmax(logits / temperature); where there is a vector scaling, the temperature "
        "nearest to it, and not in use.",
    )
    vector_scaling: VectorScaling | None = Field(
        default=None, description="In use in place of the temperature, where given."
    )
    thresholds: Thresholds
    data: DataProvenance
    evaluation: tuple[Measured, ...]
    intended_use: str
    limits: tuple[str, ...]
    licences: dict[str, str]
    versions: dict[str, str]
    ensemble: Ensemble | None = Field(default=None, description="Of an ensemble, else null.")
    teachers: tuple[Member, ...] = Field(
        default=(), description="Of a model that was distilled from others, else empty."
    )
    averaged: tuple[Member, ...] = Field(
        default=(), description="Of a model whose weights are the mean of those of others, else empty."
    )
    guides: tuple[Member, ...] = Field(
        default=(), description="Of a model that looks closer, which showed it where, else empty."
    )

    @property
    def forebears(self) -> dict[str, tuple[Member, ...]]:
        """Models that this one was made from, by what they are to it in a reader's words; no kind without any."""
        kinds = {
            "Teachers": self.teachers,
            "Mean of the weights of": self.averaged,
            "Looks closer where this one looks": self.guides,
        }
        return {kind: members for kind, members in kinds.items() if members}
