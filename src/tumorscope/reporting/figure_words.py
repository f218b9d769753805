"""What figures are called and how they are written wherever a person reads them.

Owns the names of figures and the rule that rates are written in per cent with one digit and everything else with three
digits. Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Iterable

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.reporting.page import percent

__all__ = [
    "CLASS_FIGURES",
    "FIGURE_NAMES",
    "digits_of",
    "figure_text",
    "is_rate",
    "split_name",
    "with_interval",
]

CLASS_FIGURES = ("sensitivity", "specificity", "ppv", "npv", "f1", "auroc", "ap")
"""Figures that a class has, in the order they are shown in."""

FIGURE_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "macro_auroc": "AUROC, mean of the classes",
    "macro_ap": "average precision, mean of the classes",
    "loss": "loss (nats, raw logits)",
    "loss_calibrated": "loss (nats, calibrated)",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "auroc": "AUROC",
    "ap": "average precision",
}
"""Those that are known, those of all images first; a new figure goes by its own name."""

_RATES = {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv"}


def is_rate(name: str) -> bool:
    """Whether a figure is written in per cent; ``name`` may end in a class."""
    return split_name(name)[0] in _RATES


def split_name(name: str) -> tuple[str, Diagnosis | None]:
    """``sensitivity_glioma`` to ``sensitivity`` of glioma; a figure of the whole has no class."""
    kind, _, key = name.rpartition("_")
    return (kind, Diagnosis(key)) if kind and key in set(Diagnosis) else (name, None)


def digits_of(slices: Iterable[float]) -> int:
    """Digits behind the point for the numbers of one table of slices: one where any holds a part of a slice."""
    return 0 if all(abs(number - round(number)) < 1e-6 for number in slices) else 1


def figure_text(name: str, figure: Figure) -> tuple[str, str]:
    """Value and interval as text."""
    if is_rate(name):
        return percent(figure.value), f"{figure.low * 100:.1f} to {percent(figure.high)}"
    return f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}"


def with_interval(name: str, figure: Figure) -> str:
    """``accuracy 93.9 % (91.7 to 95.7 %)``."""
    value, interval = figure_text(name, figure)
    kind, label = split_name(name)
    of = f" for {label.label}" if label is not None else ""
    return f"{FIGURE_NAMES.get(kind, kind)}{of} {value} ({interval})"
