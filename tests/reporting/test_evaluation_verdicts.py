"""Verdict lines turn where the page says they turn."""

from __future__ import annotations

import pytest
from evaluated_cases import full_parts, made_document

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.audit.document import Verdict
from tumorscope.evaluation.report import Parts, Support
from tumorscope.reporting.evaluated import read_document
from tumorscope.reporting.evaluation_verdicts import verdicts

TEN_EACH = {key.value: 10 for key in CLASS_ORDER}


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


@pytest.mark.parametrize(("patients", "verdict"), [(0, Verdict.NOTICE), (14, Verdict.GOOD)])
def test_intervals_are_carried_by_known_patients_alone(patients: int, verdict: Verdict) -> None:
    found = verdicts(read_document(made_document(patients=patients, groups=60)), Parts())
    (told,) = (check for check in found if check.key == "patients")
    assert told.verdict is verdict
    assert ("none is a known patient" in told.sentence) is (patients == 0)


@pytest.mark.parametrize(
    ("images", "groups", "verdict"),
    [
        (40, TEN_EACH, Verdict.GOOD),
        (40, {**TEN_EACH, "glioma": 9}, Verdict.NOT_RUN),
        (12, None, Verdict.NOT_RUN),  # a document that knows the number of images alone
        (600, None, Verdict.GOOD),
    ],
)
def test_passes_are_not_judged_by_a_few_groups(
    images: int, groups: dict[str, int] | None, verdict: Verdict
) -> None:
    parts = full_parts()
    assert parts.shortcut is not None
    support = None if groups is None else Support(images=images, groups=groups)
    changed = {"brain_masked": _figure(0.25), "chance": 0.25, "tumour_filled": None, "images": images}
    shortcut = parts.shortcut.model_copy(
        update={**changed, "support": {"brain_masked": support} if support else {}}
    )
    assert _verdict(parts.model_copy(update={"shortcut": shortcut}), "shortcut") is verdict
    if support is not None:
        harmless = tuple(ladder.model_copy(update={"mean_relative_drop": 0.01}) for ladder in parts.stress)
        stressed = parts.model_copy(update={"stress": harmless, "stress_support": support})
        assert _verdict(stressed, "stress") is verdict


def test_a_tumour_that_was_filled_a_few_times_is_no_problem() -> None:
    parts = full_parts()
    assert parts.shortcut is not None
    for groups, verdict in ((9, Verdict.GOOD), (10, Verdict.PROBLEM)):
        shortcut = parts.shortcut.model_copy(
            update={
                "brain_masked": _figure(0.2),
                "chance": 0.25,
                "tumour_filled": _figure(0.02),
                "support": {"tumour_filled": Support(images=30, groups={"glioma": groups})},
            }
        )
        assert _verdict(parts.model_copy(update={"shortcut": shortcut}), "shortcut") is verdict


def test_one_stratum_alone_is_compared_with_nothing() -> None:
    first, second, *_ = full_parts().strata
    assert _verdict(Parts(strata=(first,)), "strata") is Verdict.NOT_RUN
    assert _verdict(Parts(strata=(first, second)), "strata") is not Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("correlation", "verdict"), [(-0.8, Verdict.GOOD), (0.1, Verdict.GOOD), (0.8, Verdict.PROBLEM)]
)
def test_maps_that_shuffling_turns_round_are_sane(correlation: float, verdict: Verdict) -> None:
    parts = full_parts()
    assert parts.explanation is not None
    whole = parts.explanation.pointing[0].model_copy(update={"pointing": _figure(0.85), "bound": 0.9})
    explanation = parts.explanation.model_copy(
        update={"pointing": (whole,), "randomised_weights_correlation": correlation}
    )
    assert _verdict(parts.model_copy(update={"explanation": explanation}), "explanation") is verdict


@pytest.mark.parametrize(
    ("fewest", "verdict"), [(None, Verdict.GOOD), (10, Verdict.GOOD), (9, Verdict.NOT_RUN)]
)
def test_calibration_of_too_few_groups_of_a_class_is_not_judged(fewest: int | None, verdict: Verdict) -> None:
    parts = full_parts()
    assert parts.calibration is not None
    support = None if fewest is None else Support(images=80, groups={**TEN_EACH, "glioma": fewest})
    calibration = parts.calibration.model_copy(update={"support": support})
    (found,) = (
        check
        for check in verdicts(
            read_document(made_document()), parts.model_copy(update={"calibration": calibration})
        )
        if check.key == "reliability"
    )
    assert found.verdict is verdict
    assert found.sentence.startswith("Too few to judge") is (verdict is Verdict.NOT_RUN)
    assert "ECE 0.021" in found.sentence
