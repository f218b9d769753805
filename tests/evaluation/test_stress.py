"""Ladders fall exactly where a made model falls, go on after an interruption, and hide no group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.cases import Cases, ask, cases_of, draw_balanced, share
from tumorscope.evaluation.intervals import share_figure
from tumorscope.evaluation.report import StressLadder
from tumorscope.evaluation.stress import LadderFile, stress
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom

SIZE = 64


def made_cases(per_class: int = 6) -> Cases:
    pixels, labels, groups = [], [], []
    for label, diagnosis in enumerate(CLASS_ORDER):
        for number in range(per_class):
            pixels.append(make_phantom(diagnosis, 100 * label + number // 2, 96, index=number % 2).pixels)
            labels.append(label)
            groups.append(f"{label}-{number // 2}")
    return Cases(
        labels=np.array(labels),
        groups=np.array(groups),
        slice_ids=np.array([f"s{k}" for k in range(len(labels))]),
        load=lambda position: pixels[position],
    )


CASES = made_cases()


def knows(rows: NDArray[np.bool_], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Right where ``rows``, wrong elsewhere."""
    labels = CASES.labels[positions]
    return np.eye(4)[np.where(rows, labels, (labels + 1) % 4)]


def test_a_model_that_knows_everything_never_falls() -> None:
    done: list[tuple[int, int]] = []
    ladders = stress(
        CASES,
        lambda images, positions: knows(np.ones(len(images), np.bool_), positions),
        SIZE,
        kinds=("noise", "crop"),
        progress=lambda now, total: done.append((now, total)),
    )
    assert [ladder.kind for ladder in ladders] == ["noise", "crop"]
    assert [ladder.family for ladder in ladders] == ["artefact", "crop"]
    for ladder in ladders:
        assert [step.severity for step in ladder.steps] == [0, 1, 2, 3, 4, 5]
        assert all(step.balanced_accuracy.value == 1.0 for step in ladder.steps)
        assert ladder.mean_relative_drop == 0.0
    assert done[-1] == (48, 48)
    assert [now for now, _ in done] == list(range(1, 49))


def test_a_model_that_an_upside_down_head_confuses_falls_at_exactly_these_steps() -> None:
    upright = np.stack([preprocess(CASES.load(position), SIZE) for position in range(len(CASES))])

    def answer(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        same = (images == upright[positions]).all(axis=(1, 2))
        mirrored = (images == upright[positions][:, :, ::-1]).all(axis=(1, 2))
        # Of a head that is neither, only every other class is known.
        return knows(same | mirrored | (CASES.labels[positions] % 2 == 0), positions)

    (ladder,) = stress(CASES, answer, SIZE, kinds=("turn",))
    assert [step.balanced_accuracy.value for step in ladder.steps] == [1, 1, 0.5, 0.5, 0.5, 0.5]
    assert ladder.mean_relative_drop == pytest.approx(0.4)
    assert ladder.steps[2].accuracy.low < 0.5 < ladder.steps[2].accuracy.high


def test_an_interrupted_evaluation_goes_on_with_what_is_stored(tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        asked.append(len(images))
        rng = np.random.default_rng(int(images.sum()) % 2**32)
        return rng.dirichlet(np.ones(4), len(images))

    kinds = ("gamma-darker", "jpeg", "turn")
    whole = stress(CASES, answer, SIZE, kinds=kinds)

    class Interrupted(Exception):
        pass

    path = tmp_path / "ladders.json"
    first = LadderFile(path, ("model", 1))

    def store_and_stop(ladder: StressLadder) -> None:
        first.store(ladder)
        if ladder.kind == "jpeg":
            raise Interrupted

    with pytest.raises(Interrupted):
        stress(CASES, answer, SIZE, kinds=kinds, store=store_and_stop)
    asked.clear()
    again = LadderFile(path, ("model", 1))
    assert [ladder.kind for ladder in again.finished] == ["gamma-darker", "jpeg"]
    assert stress(CASES, answer, SIZE, kinds=kinds, finished=again.finished, store=again.store) == whole
    assert sum(asked) == len(CASES) * (1 + 5)
    asked.clear()
    assert stress(CASES, answer, SIZE, kinds=kinds, finished=LadderFile(path, ("model", 1)).finished) == whole
    assert not asked
    assert LadderFile(path, ("another model", 1)).finished == ()
    path.write_text(path.read_text()[:-20])
    assert LadderFile(path, ("model", 1)).finished == ()


def test_the_part_is_balanced_over_classes_and_spread_over_groups() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [400, 60, 200, 30])
    # One group of each class holds most of it.
    groups = np.array([f"{label}:{0 if rng.random() < 0.7 else rng.integers(1, 15)}" for label in labels])
    slices = np.array([f"s{k // 2}" for k in range(len(labels))])
    cases = Cases(labels, groups, slices, lambda position: np.zeros((20, 20)))
    chosen = draw_balanced(cases, 40, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [10, 10, 10, 10]
    assert len(np.unique(slices[chosen])) == 40
    for label in (0, 2):
        assert len(np.unique(groups[chosen][labels[chosen] == label])) == 10
    assert (draw_balanced(cases, 40, seed=1) == chosen).all()
    assert (draw_balanced(cases, 40, seed=2) != chosen).any()
    assert len(draw_balanced(cases, None)) == len(np.unique(slices))
    tumours = draw_balanced(cases, 40, among=labels == 1)
    assert set(labels[tumours].tolist()) == {1}


def test_an_image_of_which_nothing_is_left_is_a_wrong_answer() -> None:
    said = ask(
        lambda images, positions: knows(np.ones(len(images), np.bool_), positions),
        [CASES.load(0), np.zeros((30, 30)), None],
        np.array([0, 1, 2]),
        SIZE,
    )
    assert np.isnan(said).all(axis=1).tolist() == [False, True, True]


def test_an_interval_hangs_on_groups_not_on_images() -> None:
    rows = np.array([0, 1, 2, 3])  # two of one group, two of another
    alike, apart = (share(CASES, rows, np.array(hits)) for hits in ([1, 0, 0, 1], [1, 1, 0, 0]))
    assert alike == share_figure(0.5, 2)  # nothing to resample: the exact interval of two draws
    assert alike.low > apart.low == 0.0
    assert (apart.value, apart.low, apart.high) == (0.5, 0.0, 1.0)


def test_mistakes_are_said() -> None:
    with pytest.raises(InvalidConfiguration, match="known are: bias-field"):
        stress(CASES, lambda images, _: np.full((len(images), 4), 0.25), SIZE, kinds=("fog",))
    with pytest.raises(InvalidConfiguration, match=r"shape \(1, 3\)"):
        stress(CASES, lambda images, _: np.full((len(images), 3), 0.3), SIZE, kinds=("noise",))
    with pytest.raises(InvalidConfiguration, match="at least 4"):
        draw_balanced(CASES, 3)
    with pytest.raises(InvalidConfiguration, match="no image to draw"):
        draw_balanced(CASES, 40, among=np.zeros(len(CASES), np.bool_))


def test_a_model_that_reads_mean_brightness_falls_with_gamma_on_real_slices(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri" / "manifest.csv")
    cases = cases_of(manifest)
    bright: dict[int, float] = {}

    def answer(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        means = images.reshape(len(images), -1).mean(axis=1)
        for position, mean in zip(positions.tolist(), means.tolist(), strict=True):
            bright.setdefault(position, mean)
        near = np.array([abs(bright[p] - m) < 12 for p, m in zip(positions.tolist(), means, strict=True)])
        labels = cases.labels[positions]
        return np.eye(4)[np.where(near, labels, (labels + 1) % 4)]

    ladders = stress(cases, answer, SIZE, kinds=("gamma-darker", "resolution-higher"), limit=24)
    values = [step.accuracy.value for step in ladders[0].steps]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2
    assert ladders[1].mean_relative_drop == 0.0
