"""Verdict lines turn where the page says they turn."""

from __future__ import annotations

import pytest
from evaluated_cases import full_parts, made_document

from tumorscope.core.card import Figure
from tumorscope.dataset.audit.document import Verdict
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.evaluated import read_document
from tumorscope.reporting.evaluation_verdicts import verdicts


def _verdict(parts: Parts, key: str) -> Verdict:
    return {check.key: check.verdict for check in verdicts(read_document(made_document()), parts)}[key]


def _figure(value: float) -> Figure:
    return Figure(value=value, low=max(0.0, value - 0.02), high=min(1.0, value + 0.02))


@pytest.mark.parametrize(
    ("masked", "filled", "verdict"),
    [
        (0.25, 0.9, Verdict.GOOD),
        (0.25, 0.01, Verdict.PROBLEM),  # it guesses without a brain, and does not look at the tumour either
        (0.35, 0.9, Verdict.NOTICE),
        (0.60, 0.9, Verdict.PROBLEM),
        (0.25, None, Verdict.GOOD),
    ],
)
def test_a_shortcut_is_one_with_the_brain_and_one_with_the_tumour_taken_away(
    masked: float, filled: float | None, verdict: Verdict
) -> None:
    parts = full_parts()
    assert parts.shortcut is not None
    changed = {
        "brain_masked": _figure(masked),
        "chance": 0.25,
        "tumour_filled": None if filled is None else _figure(filled),
    }
    shortcut = parts.shortcut.model_copy(update=changed)
    assert _verdict(parts.model_copy(update={"shortcut": shortcut}), "shortcut") is verdict


@pytest.mark.parametrize(
    ("auroc", "low", "verdict"),
    [
        (0.995, 0.015, Verdict.GOOD),
        (0.995, 0.025, Verdict.NOTICE),  # clearly more than the 2 % promised
        (0.995, 0.045, Verdict.PROBLEM),
        (0.95, 0.015, Verdict.NOTICE),
        (0.89, 0.015, Verdict.PROBLEM),
        (0.995, None, Verdict.GOOD),  # a document without the interval
    ],
)
def test_novelty_is_judged_by_its_hardest_kind_and_by_what_was_promised(
    auroc: float, low: float | None, verdict: Verdict
) -> None:
    parts = full_parts()
    assert parts.novelty is not None
    changed = {
        "auroc": {parts.novelty.score: {"text": _figure(1.0), "knee": _figure(auroc)}},
        "false_rejection": None if low is None else Figure(value=low + 0.01, low=low, high=low + 0.02),
        "promised_false_rejection": 0.02,
    }
    novelty = parts.novelty.model_copy(update=changed)
    assert _verdict(parts.model_copy(update={"novelty": novelty}), "novelty") is verdict


@pytest.mark.parametrize(
    ("pointing", "verdict"), [(0.80, Verdict.GOOD), (0.60, Verdict.NOTICE), (0.26, Verdict.PROBLEM)]
)
def test_heat_maps_are_judged_by_what_their_grid_allows(pointing: float, verdict: Verdict) -> None:
    parts = full_parts()
    assert parts.explanation is not None
    whole = parts.explanation.pointing[0].model_copy(
        update={"pointing": _figure(pointing), "bound": 0.9, "chance": 0.04}
    )
    changed = {"pointing": (whole, *parts.explanation.pointing[1:]), "randomised_weights_correlation": 0.0}
    explanation = parts.explanation.model_copy(update=changed)
    assert _verdict(parts.model_copy(update={"explanation": explanation}), "explanation") is verdict
