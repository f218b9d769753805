"""Tumorscope: reads a brain MRI slice and says glioma, meningioma, pituitary tumour or no tumour.

Two nouns and two verbs are enough to start::

    from tumorscope import load

    classifier = load()
    answer = classifier.predict("scan.jpg")

Research software, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorscope.core.version import __version__

__all__ = ["Diagnosis", "Prediction", "Slice", "__version__", "load"]

if TYPE_CHECKING:
    from tumorscope.core.labels import Diagnosis
    from tumorscope.core.prediction import Prediction
    from tumorscope.core.slice import Slice
    from tumorscope.inference.classifier import load

_HOMES = {
    "Diagnosis": "tumorscope.core.labels",
    "Prediction": "tumorscope.core.prediction",
    "Slice": "tumorscope.core.slice",
    "load": "tumorscope.inference.classifier",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that ``import tumorscope`` costs nothing."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
