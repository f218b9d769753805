"""Intervals are of groups: they cover as promised, and copies of a slice change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation_cases import made_table
from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.document import document
from tumorscope.evaluation.intervals import figures, mean_figure
from tumorscope.evaluation.metrics import confusion, losses, rates
from tumorscope.evaluation.novelty_scores import auroc
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.protocol import Protocol, measure
from tumorscope.evaluation.strata import measure_strata


def _measured(table: PredictionTable, resamples: int = 200) -> dict[str, Figure]:
    return figures(table, {"loss": losses(table.logits, table.labels)}, resamples=resamples)


def _taken(table: PredictionTable, rows: NDArray[np.int64]) -> PredictionTable:
    return PredictionTable(
        labels=table.labels[rows],
        logits=table.logits[rows],
        groups=table.groups[rows],
        slice_ids=table.slice_ids[rows],
        is_patient=table.is_patient[rows],
        folds=None,
    )


def _assert_same(one: dict[str, Figure], other: dict[str, Figure]) -> None:
    assert one.keys() == other.keys()
    for name, figure in one.items():
        assert other[name].model_dump() == pytest.approx(figure.model_dump(), abs=1e-12), name


def test_values_are_the_weighted_figures_and_lie_inside_their_intervals() -> None:
    table = made_table(1)
    found = _measured(table)
    matrix = confusion(table.labels, table.logits.argmax(axis=1), table.weights)
    for name, value in rates(matrix).items():
        assert found[name].value == pytest.approx(float(value))
    loss = np.average(losses(table.logits, table.labels), weights=table.weights)
    assert found["loss"].value == pytest.approx(loss)
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high
    assert found["accuracy"].low < found["accuracy"].high


def test_the_resampling_is_that_of_whole_groups_drawn_one_by_one() -> None:
    """Against a bootstrap written out: draw groups, concatenate their rows, compute."""
    table = made_table(2, groups=12)
    rows_of = {group: np.flatnonzero(table.groups == group) for group in np.unique(table.groups)}
    groups = sorted(rows_of)
    rng = np.random.default_rng(9)
    right = (table.logits.argmax(axis=1) == table.labels).astype(np.float64)
    plain = []
    for _ in range(4000):
        rows = np.concatenate([rows_of[groups[k]] for k in rng.integers(0, 12, 12)])
        plain.append(np.average(right[rows], weights=table.weights[rows]))
    low, high = np.percentile(plain, [2.5, 97.5])
    mine = _measured(table, resamples=4000)["accuracy"]
    assert mine.low == pytest.approx(low, abs=0.015)
    assert mine.high == pytest.approx(high, abs=0.015)


def test_the_same_table_gives_the_same_interval_and_large_tables_too() -> None:
    table = made_table(3, groups=1500, slices=1, copies=1)  # more than one chunk of resamples
    first = figures(table, {}, resamples=2000)
    assert figures(table, {}, resamples=2000) == first
    half = first["accuracy"].high - first["accuracy"].low
    p = first["accuracy"].value
    assert half == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 1500), rel=0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.lists(st.integers(0, 59), min_size=1, max_size=20))
def test_copies_of_an_image_under_one_slice_id_change_nothing(seed: int, copied: list[int]) -> None:
    table = made_table(seed, groups=20, slices=3, copies=1)
    rows = np.arange(len(table))
    _assert_same(_measured(table), _measured(_taken(table, np.concatenate([rows, np.array(copied)]))))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, random: object) -> None:
    table = made_table(seed, groups=20)
    rows = np.random.default_rng(seed).permutation(len(table))
    _assert_same(_measured(table), _measured(_taken(table, rows)))


def test_the_same_images_as_slices_of_their_own_do_change_the_figures() -> None:
    """The copies test could pass if slice_id were ignored altogether; here it must count."""
    table = made_table(5, groups=20, slices=3, copies=3)
    apart = replace(table, slice_ids=np.array([f"own:{number}" for number in range(len(table))]))
    assert _measured(table)["loss"].value != pytest.approx(_measured(apart)["loss"].value, abs=1e-6)


def test_intervals_over_patients_cover_the_truth_where_intervals_over_images_do_not() -> None:
    """Patients differ in how hard they are; 300 studies of 60 patients with 8 slices each."""
    rng = np.random.default_rng(11)
    patients, slices, truth = 60, 8, 0.8
    covered, covered_by_images, studies = 0, 0, 300
    for _ in range(studies):
        ability = rng.beta(4.0 * truth, 4.0 * (1.0 - truth), patients)
        right = rng.uniform(size=(patients, slices)) < ability[:, None]
        labels = np.zeros(patients * slices, dtype=np.int64)
        logits = np.zeros((patients * slices, 4))
        logits[np.arange(len(labels)), np.where(right.ravel(), 0, 1)] = 1.0
        table = PredictionTable(
            labels=labels,
            logits=logits,
            groups=np.repeat(np.arange(patients), slices).astype(str),
            slice_ids=np.arange(patients * slices).astype(str),
            is_patient=np.ones(len(labels), dtype=bool),
        )
        figure = figures(table, {}, resamples=400)["accuracy"]
        covered += figure.low <= truth <= figure.high
        naive = figures(replace(table, groups=table.slice_ids), {}, resamples=100)["accuracy"]
        covered_by_images += naive.low <= truth <= naive.high
    assert 0.91 <= covered / studies <= 0.985
    assert covered_by_images / studies < 0.85


def test_a_class_without_images_has_no_sensitivity() -> None:
    table = made_table(6)
    found = _measured(_taken(table, np.flatnonzero(table.labels != 3)))
    assert "sensitivity_pituitary" not in found
    assert "sensitivity_glioma" in found
    assert "specificity_pituitary" in found


def _all_right(table: PredictionTable) -> PredictionTable:
    return replace(table, logits=9.0 * np.eye(4)[table.labels])


def _exact(groups: int) -> float:
    """The lower end where all of so many draws are hits: what 0.025 of all samples would still show."""
    return float(0.025 ** (1 / groups))


def test_where_all_is_right_the_interval_is_the_exact_one_over_the_groups_that_bear_on_the_share() -> None:
    table = _all_right(made_table(3))
    found = _measured(table)
    count = {key.value: len(np.unique(table.groups[table.labels == key.position])) for key in CLASS_ORDER}
    assert sum(count.values()) == 40  # a group has one class here
    assert (found["accuracy"].value, found["accuracy"].high) == (1.0, 1.0)
    assert found["accuracy"].low == pytest.approx(_exact(40))
    for name, groups in count.items():
        assert found[f"sensitivity_{name}"].low == pytest.approx(_exact(groups))
        assert found[f"ppv_{name}"].low == pytest.approx(_exact(groups))
        assert found[f"specificity_{name}"].low == pytest.approx(_exact(40 - groups))
        assert found[f"auroc_{name}"].low == pytest.approx(_exact(min(groups, 40 - groups)))
    mean = np.mean([_exact(groups) for groups in count.values()])
    for name in ("balanced_accuracy", "macro_f1"):
        assert [found[name].value, found[name].low] == pytest.approx([1.0, mean])
    assert found["loss"].low <= found["loss"].value <= found["loss"].high < 0.01  # no share


def test_where_all_is_wrong_the_interval_is_the_exact_one_too() -> None:
    table = made_table(3)
    found = _measured(replace(table, logits=9.0 * np.eye(4)[(table.labels + 1) % 4]))
    assert (found["accuracy"].value, found["accuracy"].low) == (0.0, 0.0)
    assert found["accuracy"].high == pytest.approx(1 - _exact(40))
    assert found["balanced_accuracy"].high > found["accuracy"].high  # classes have fewer groups


def test_a_stratum_of_all_images_has_the_interval_of_the_headline() -> None:
    for table in (made_table(4), _all_right(made_table(4))):
        found = measure(table, Protocol.EXTERNAL, "").figures
        (stratum,) = measure_strata(table, {"source": np.full(len(table), "clinic")}).measured
        assert stratum.figures["accuracy"] == found["accuracy"]
        for name in set(stratum.figures) & set(found):
            assert stratum.figures[name] == found[name]


def test_a_mean_is_widened_only_where_it_is_said_to_be_a_share() -> None:
    weights, groups = np.ones(30), np.repeat(np.arange(10), 3).astype(str)
    hits = mean_figure(np.zeros(30), weights, groups, share=True, resamples=50)
    assert [hits.low, hits.high] == pytest.approx([0.0, 1 - _exact(10)])
    weights[groups == "0"] = 0.0  # a group without weight shows nothing
    assert mean_figure(np.zeros(30), weights, groups, share=True, resamples=50).high == pytest.approx(
        1 - _exact(9)
    )
    sizes = mean_figure(np.ones(30), weights, groups, resamples=50)
    assert (sizes.low, sizes.high) == (1.0, 1.0)
    some = np.arange(30) % 5 == 0
    both = [mean_figure(some, np.ones(30), groups, share=share, resamples=50) for share in (True, False)]
    assert both[0] == both[1]


def test_novelty_that_separates_everything_is_not_certain() -> None:
    found = auroc(np.zeros(20), np.ones(6), np.arange(20).astype(str), np.ones(20), resamples=50)
    assert [found.value, found.low] == pytest.approx([1.0, _exact(6)])


def test_the_document_says_how_intervals_were_made() -> None:
    found = document(measure(made_table(), Protocol.EXTERNAL, ""), model="m", images_by_class={})
    assert "bootstrap over groups" in found["interval"]["method"]
    assert "exact binomial" in found["interval"]["method"]
