"""What the pages read of ``evaluation.json``.

Owns the check that a document is one, and the types of what is read; what it does not know it passes over, so that a
page can be made of the document of a later version. Knows nothing of how a page looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.leaks import describe_leaks
from tumorscope.evaluation.document import SCHEMA
from tumorscope.evaluation.report import Parts

__all__ = ["Evaluated", "Failed", "Interval", "read_document", "without_path"]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Interval(_Read):
    """How intervals were made."""

    level: float
    method: str
    resamples: int
    seed: int


class FailureReason(_Read):
    """Why an image was not answered."""

    code: str
    message: str


class Failed(_Read):
    """An image that is in no figure."""

    path: str
    error: FailureReason

    @property
    def reason(self) -> str:
        """What was received, without the path that stands beside it."""
        return without_path(self.path, self.error.message)


class Evaluated(_Read):
    """An evaluation, as its document tells it."""

    schema_: str = Field(alias="schema")
    model: str
    protocol: str
    protocol_meaning: str
    leaks: dict[str, int] | None = None
    images: int
    slices: int
    groups: int
    patients: int
    images_by_class: dict[str, int]
    interval: Interval
    figures: dict[str, Figure]
    class_order: tuple[Diagnosis, ...]
    confusion: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...]
    failures: tuple[Failed, ...] = ()
    command: str
    notice: str
    parts: Parts | None = None

    @property
    def leaky(self) -> str:
        """What lies on two sides of the split, in words; empty where nothing does or nobody looked."""
        return describe_leaks(self.leaks) if self.leaks else ""

    def accuracy(self) -> Figure | None:
        """The headline figure."""
        return self.figures.get("accuracy")

    def of_class(self, kind: str, label: Diagnosis) -> Figure | None:
        """A figure of one class, such as its sensitivity."""
        return self.figures.get(f"{kind}_{label.value}")


def without_path(path: str, message: str) -> str:
    """A message without the name of the file that it begins with, for where that is told already.

    ``path`` is relative to the data; the message may begin with the same file as it was opened.
    """
    named, colon, rest = message.partition(f"{path}: ")
    return rest if path and colon and (not named or named.endswith(("/", "\\"))) else message


def read_document(document: Mapping[str, Any]) -> Evaluated:
    """Check an evaluation's document.

    Parameters
    ----------
    document
        As :func:`tumorscope.evaluation.document.document` makes it, or read back from ``evaluation.json``.

    Raises
    ------
    InvalidConfiguration
        If it is no such document.
    """
    schema = document.get("schema")
    if schema != SCHEMA:
        raise InvalidConfiguration(
            f"the document has the schema {schema!r}; {SCHEMA} is needed: make it again with 'tumorscope evaluate'"
        )
    try:
        return Evaluated.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidConfiguration(
            f"the evaluation's document is damaged at {place}: {first['msg']}; make it again with 'tumorscope evaluate'"
        ) from error
