"""What a comparison says, as ``comparison.json`` holds it.

Owns the schema and its version. Knows nothing of how anything in it was made, and imports neither torch nor a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumorscope.core.card import Figure, Measured
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.prediction import NOTICE
from tumorscope.core.version import __version__

__all__ = [
    "COMPARISON",
    "SCHEMA",
    "Comparison",
    "Costs",
    "Curve",
    "DataFacts",
    "Latency",
    "ModelFacts",
    "PairedTest",
    "Published",
    "Result",
    "Row",
    "TrainingTime",
    "read_comparison",
    "write_comparison",
]

COMPARISON = "comparison.json"
SCHEMA: Literal["tumorscope/study/1"] = "tumorscope/study/1"

Name = Literal["official", "patient-wise", "leak-free"]
State = Literal["measured", "not estimable", "not run", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Part):
    """Figures of the original study; not measured here."""

    accuracy: float
    loss: float = Field(description="As published; the study says nothing of its unit.")
    model: str = Field(description="What the study calls it.")
    protocol: Literal["official"] = "official"


class DataFacts(_Part):
    """The images that everything was measured on."""

    manifest: str
    manifest_sha256: str
    images: int
    slices: int
    groups: int
    patients: int
    images_by_class: dict[str, int]
    sources: dict[str, int]
    training: int = Field(description="Images of the official Training part.")
    testing: int = Field(description="Images of the official Testing part.")
    leaks: dict[str, int] = Field(description="How many keys of each kind lie on both sides of that split.")


class Costs(_Part):
    """What one answer takes to compute, counted and not timed."""

    parameters: int
    multiply_adds: int = Field(description="Multiplications with their additions for one image: FLOPs / 2.")
    flops: int = Field(description="By torch's counter: two for each multiplication with its addition.")
    counted_by: str


class Latency(_Part):
    """How long the bundle takes for one image, warm, on the processor."""

    median_ms: float
    low_ms: float = Field(description="Tenth percentile.")
    high_ms: float = Field(description="Ninetieth percentile.")
    repeats: int
    threads: int
    processor: str


class TrainingTime(_Part):
    """Wall clock of one part of a row, all its sessions and fits together."""

    part: Literal["official", "folds"]
    seconds: float
    fits: int
    sessions: int
    device: str
    threads: int


class ModelFacts(_Part):
    """What a row's model is; ``None`` where it is not known."""

    architecture: str
    image_size: int
    epochs: int | None
    initial_weights: str
    costs: Costs | None = None
    bundle_bytes: int | None = None
    latency: Latency | None = None
    training: tuple[TrainingTime, ...] = ()


class Result(_Part):
    """One model under one protocol."""

    protocol: Name
    state: State
    reason: str = Field("", description="Why there are no figures.")
    run: str = Field("", description="The run or bundle that answered.")
    measured: Measured | None = None
    images_by_class: dict[str, int] = {}
    trained_folds: int | None = Field(None, description="Of a cross-fitted run: folds that were held out.")
    of_folds: int | None = None
    notes: tuple[str, ...] = ()

    def figure(self, name: str) -> Figure | None:
        """A figure by its name, where it was measured."""
        return None if self.measured is None else self.measured.figures.get(name)

    @property
    def in_part(self) -> str:
        """``1 of 4 folds`` where not all were trained, else nothing."""
        if self.trained_folds is None or self.of_folds is None or self.trained_folds >= self.of_folds:
            return ""
        return f"{self.trained_folds} of {self.of_folds} folds"


class Curve(_Part):
    """Loss and accuracy by epoch of one fit; ``None`` where an epoch has none."""

    part: Literal["official", "folds"]
    fit: str
    epochs: tuple[int, ...]
    loss: tuple[float | None, ...]
    held_out_loss: tuple[float | None, ...]
    held_out_accuracy: tuple[float | None, ...]


class Row(_Part):
    """One model of the comparison."""

    name: str
    recipe: str
    summary: str
    model: ModelFacts | None = None
    results: tuple[Result, ...] = ()
    curves: tuple[Curve, ...] = ()
    published: Published | None = None

    def result(self, protocol: str) -> Result | None:
        """What is known under a protocol."""
        return next((result for result in self.results if result.protocol == protocol), None)

    @property
    def ran(self) -> bool:
        """Whether anything of it was trained, or was tried."""
        return any(result.state != "not run" for result in self.results)


class PairedTest(_Part):
    """Two models on the same images, the second less the first."""

    protocol: Name
    first: str
    second: str
    images: int
    slices: int
    groups: int
    difference: dict[str, Figure] = Field(description="Of accuracy, macro_f1 and loss, with its interval.")
    p_bootstrap: dict[str, float] = Field(description="Two-sided, of the same figures, over groups.")
    p_mcnemar: float = Field(description="Of the usual test, as if slices of one patient were independent.")
    p_clustered: float = Field(description="Of McNemar's test with groups as units: the one to quote.")
    p_holm: float = Field(description="The same, corrected for all pairs under this protocol (Holm, 1979).")


class Comparison(_Part):
    """The whole of ``comparison.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["tumorscope/study/1"] = Field(SCHEMA, alias="schema")
    tumorscope: str = __version__
    command: str
    data: DataFacts
    protocols: dict[Name, str] = Field(description="Each with what stood between training and test.")
    interval: str
    rows: tuple[Row, ...]
    tests: tuple[PairedTest, ...] = ()
    notes: tuple[str, ...] = ()
    notice: str = NOTICE

    def failed(self) -> tuple[tuple[Row, Result], ...]:
        """What should have been there and is not."""
        return tuple((row, result) for row in self.rows for result in row.results if result.state == "failed")


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison.json`` into a folder."""
    path = folder / COMPARISON
    atomic_write(path, comparison.model_dump_json(indent=2, by_alias=True) + "\n")
    return path


def read_comparison(path: Path) -> Comparison:
    """Read ``comparison.json``, or the one in a folder.

    Raises
    ------
    MissingInput
        If there is none.
    InvalidConfiguration
        If it is no comparison of this version.
    """
    file = path / COMPARISON if path.is_dir() else path
    if not file.is_file():
        raise MissingInput(f"{file} does not exist; make it by: tumorscope study")
    try:
        return Comparison.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidConfiguration(
            f"{file.name} is not a comparison of the schema {SCHEMA}; make it again by: tumorscope study"
        ) from error
