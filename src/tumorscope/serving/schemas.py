"""The documents that the API gives, as pydantic models: the one source of OpenAPI, JSON and JSON Lines.

Owns their shapes. Pixels travel beside them, see :mod:`tumorscope.serving.routes_pictures`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import NOTICE, Verdict
from tumorscope.core.slice import Plane

__all__ = [
    "Accepted",
    "CaseAnswer",
    "CaseEvent",
    "Document",
    "Done",
    "Event",
    "FailedFile",
    "FailureEvent",
    "Orientation",
    "Problem",
    "Rescale",
    "SeriesAnswer",
    "SliceAnswer",
    "SliceEvent",
    "Window",
]

Probability = Annotated[float, Field(ge=0, le=1)]
Letter = Literal["L", "R", "A", "P", "S", "I"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """What every error looks like (RFC 9457), as ``application/problem+json``."""

    type: str = Field("about:blank", description="A URI of the kind of problem.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="One line: what was received, what is accepted, what to do.")


class Orientation(_Record):
    """The side of the patient at each edge: L left, R right, A anterior, P posterior, S superior, I inferior."""

    left: Letter
    right: Letter
    top: Letter
    bottom: Letter


class Window(_Record):
    """Which values are shown from black to white, in units of the rescaled value."""

    center: float
    width: float = Field(gt=0)


class Rescale(_Record):
    """value = slope * stored + intercept."""

    slope: float
    intercept: float


class SliceAnswer(_Record):
    """One slice: the answer, and where its pixels and its heat-map are."""

    number: int = Field(ge=0, description="Among all slices of the set.")
    index: int = Field(ge=0, description="Within the case.")
    case: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    diagnosis: Diagnosis
    probabilities: dict[Diagnosis, Probability] = Field(description="Calibrated; they sum to 1.")
    prediction_set: list[Diagnosis]
    coverage: float = Field(gt=0, lt=1, description="How often such sets hold the truth.")
    verdict: Verdict
    novelty: float
    novelty_limit: float
    spacing: tuple[float, float] | None = Field(description="Row and column, in millimetres.")
    orientation: Orientation | None
    window: Window
    rescale: Rescale
    pixels: str
    heatmap: str


class SeriesAnswer(_Record):
    """One answer for a series or volume: the best window of neighbouring slices. Experimental."""

    diagnosis: Diagnosis
    probabilities: dict[Diagnosis, Probability]
    slices_used: tuple[int, int] = Field(description="First and last position of the slices it rests on.")
    rule: str
    experimental: Literal[True] = True


class CaseAnswer(_Record):
    """One image, one multi-frame file, one volume or one DICOM series."""

    id: str
    name: str = Field(description="The file's name as it was sent, or the number of slices of a series.")
    kind: Literal["image", "volume", "series"]
    plane: Plane | None
    slices: list[SliceAnswer]
    series: SeriesAnswer | None


class FailedFile(_Record):
    """A file, or a slice of one, that got no answer."""

    name: str
    title: str = Field(description="One line: what was received, what is accepted, what to do.")
    status: int = Field(ge=400, le=599)


class Document(_Record):
    """All answers of one request."""

    id: str
    expires: datetime
    model: str
    notice: str = NOTICE
    cases: list[CaseAnswer]
    failures: list[FailedFile]


class Accepted(_Record):
    """The first line of a stream."""

    type: Literal["accepted"] = "accepted"
    id: str
    expires: datetime
    model: str
    notice: str = NOTICE


class SliceEvent(SliceAnswer):
    """A line of a stream: one slice is answered."""

    type: Literal["slice"] = "slice"


class CaseEvent(CaseAnswer):
    """A line of a stream: a case is complete."""

    type: Literal["case"] = "case"


class FailureEvent(FailedFile):
    """A line of a stream: something got no answer."""

    type: Literal["failure"] = "failure"


class Done(_Record):
    """The last line of a stream."""

    type: Literal["done"] = "done"
    cases: int
    failures: int


Event = Accepted | SliceEvent | CaseEvent | FailureEvent | Done
