"""The four answers, and their one order.

Owns the class vocabulary. The keys are the folder names of the 7,023-image data set; the order is alphabetical
and is the order of every array of four in this project.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CLASS_ORDER", "Diagnosis"]


class Diagnosis(StrEnum):
    """What a slice shows."""

    GLIOMA = "glioma"
    MENINGIOMA = "meningioma"
    NOTUMOR = "notumor"
    PITUITARY = "pituitary"

    @property
    def label(self) -> str:
        """The class as a reader of a report expects it, for example ``pituitary tumour``."""
        return _TITLES[self]

    @property
    def position(self) -> int:
        """Position in every array of four."""
        return CLASS_ORDER.index(self)


CLASS_ORDER: tuple[Diagnosis, ...] = tuple(Diagnosis)

_TITLES = {
    Diagnosis.GLIOMA: "glioma",
    Diagnosis.MENINGIOMA: "meningioma",
    Diagnosis.NOTUMOR: "no tumour",
    Diagnosis.PITUITARY: "pituitary tumour",
}
