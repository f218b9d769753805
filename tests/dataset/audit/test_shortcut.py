"""The shortcut probe: near one where the class is in the file, near chance where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audit_folders import encoded, save
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.slice import Slice
from tumorscope.dataset.audit.appearance import FEATURES, appearance, sample
from tumorscope.dataset.audit.document import ShortcutFigures, Verdict
from tumorscope.dataset.audit.run import audit
from tumorscope.dataset.audit.shortcuts import named_features, shortcut_check
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.shortcut import LARGEST, probe
from tumorscope.synthesis.phantom import make_phantom

RNG = np.random.default_rng(7)


def probed(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    slices: NDArray[np.int64] | None = None,
) -> ShortcutFigures | None:
    names = [f"f{k}" for k in range(features.shape[1])]
    return probe(features, names, labels, groups, np.arange(len(labels)) if slices is None else slices)


def test_the_format_of_the_file_gives_the_class_away(tmp_path: Path) -> None:
    for label in CLASS_ORDER:
        form = {"glioma": "PNG", "meningioma": "JPEG", "notumor": "BMP", "pituitary": "WebP"}[label.value]
        for number in range(10):
            # All of one class of brain: only the file tells.
            pixels = make_phantom(CLASS_ORDER[2], 100 * label.position + number, 64).pixels
            save(tmp_path / "images" / label.value / f"{number}", encoded(pixels, form))
    found = audit(read_manifest(tmp_path / "images"), data="images")
    assert found.shortcut is not None
    assert found.shortcut.accuracy > 0.95
    assert "file format" in list(found.shortcut.importances)[:3]
    assert {row[0] for row in found.tables[-1].rows} == {"PNG", "JPEG", "BMP", "WebP"}
    (check,) = [check for check in found.checks if check.key == "shortcuts"]
    assert check.verdict is Verdict.PROBLEM
    strongest = next(iter(found.shortcut.importances))
    assert strongest in ("file format", "pixel mode", "file bytes per pixel")
    assert f"most of all by {strongest}" in check.sentence


def test_shuffled_labels_are_no_better_known_than_by_chance() -> None:
    labels = RNG.integers(0, 4, 600)
    figures = probed(RNG.normal(size=(600, 8)).astype(np.float32), labels, np.arange(600))
    assert figures is not None
    assert figures.low < figures.chance + 0.03
    assert abs(figures.accuracy - figures.chance) < 0.06
    assert figures.high - figures.low < 0.1


@pytest.mark.parametrize("count", [24, 200, 1000])
def test_features_that_say_nothing_are_never_named(count: int) -> None:
    labels = np.arange(count) % 4
    features = RNG.normal(size=(count, 12)).astype(np.float32)
    features[:, 0] = labels
    figures = probed(features, labels, np.arange(count))
    assert figures is not None
    assert list(named_features(figures)) == [next(iter(figures.importances))]
    assert "most of all by f0." in shortcut_check(figures).sentence
    weak = {name: min(loss, 0.019) for name, loss in figures.importances.items()}
    assert (
        ", by no single feature." in shortcut_check(figures.model_copy(update={"importances": weak})).sentence
    )


@pytest.mark.parametrize(
    ("counts", "chance"),
    [((15, 15, 15, 15), 0.25), ((6, 6, 5, 5), 6 / 22), ((30, 10, 10, 10), 0.5), ((0, 15, 15, 0), 0.5)],
)
def test_chance_is_the_share_of_the_most_frequent_class(counts: tuple[int, ...], chance: float) -> None:
    labels = np.repeat(np.arange(4), counts)
    figures = probed(RNG.normal(size=(len(labels), 3)).astype(np.float32), labels, np.arange(len(labels)))
    assert figures is not None
    assert figures.chance == pytest.approx(chance, abs=1e-4)


def test_a_group_is_never_on_both_sides() -> None:
    # Each group of six has a feature of its own and one random label: known only to who has seen the group.
    groups = np.repeat(np.arange(100), 6)
    labels = RNG.integers(0, 4, 100)[groups]
    features = (RNG.permutation(100)[groups] + RNG.normal(scale=0.01, size=600))[:, None].astype(np.float32)
    divided = probed(features, labels, np.arange(600))
    whole = probed(features, labels, groups)
    assert divided is not None
    assert whole is not None
    assert whole.groups == 100
    assert whole.accuracy < 0.45
    assert divided.accuracy > 0.9


def test_copies_count_once() -> None:
    labels = np.repeat(np.arange(4), 15)
    features = labels[:, None].astype(np.float32)
    twice = np.concatenate([np.arange(60), np.arange(60)])
    figures = probed(features[twice], labels[twice], twice, twice)
    assert figures is not None
    assert (figures.images, figures.groups, figures.accuracy) == (60, 60, 1.0)
    assert figures.sensitivity == dict.fromkeys([label.value for label in CLASS_ORDER], 1.0)


def test_the_interval_is_wider_where_groups_are_fewer() -> None:
    labels = np.tile(np.arange(4), 100)
    features = np.where(RNG.random(400) < 0.7, labels, RNG.integers(0, 4, 400))[:, None].astype(np.float32)
    alone = probed(features, labels, np.arange(400))
    tied = probed(features, labels, np.arange(400) // 4 // 10 * 4 + labels)
    assert alone is not None
    assert tied is not None
    assert tied.groups == 40
    assert alone.low < alone.accuracy < alone.high


@pytest.mark.parametrize("labels", [[0] * 30, [0] * 10 + [1] * 5, [0] * 30 + [1]])
def test_too_little_is_not_probed(labels: list[int]) -> None:
    features = np.zeros((len(labels), 2), dtype=np.float32)
    assert probed(features, np.array(labels), np.arange(len(labels))) is None
    assert shortcut_check(None).verdict is Verdict.NOT_RUN


def test_a_large_data_set_is_probed_in_part() -> None:
    count = 3 * LARGEST
    labels = np.arange(count) % 2
    figures = probed(labels[:, None].astype(np.float32), labels, np.arange(count) // 3)
    assert figures is not None
    assert figures.images == LARGEST
    assert figures.groups <= LARGEST // 3 + 1
    assert figures.accuracy == 1.0


def test_appearance_measures_what_its_names_say() -> None:
    pixels = np.zeros((64, 128), dtype=np.uint8)
    pixels[16:48, 32:96] = 200  # a quarter above, below, left and right
    pixels[0, :] = 255  # marks on the upper border
    facts = ImageFacts("", "", width=128, height=64, mode="L", format="PNG", file_bytes=4096)
    (row,) = appearance([facts], sample(Slice(pixels))[None])
    named = dict(zip(FEATURES, row.tolist(), strict=True))
    assert (named["width"], named["height"], named["aspect ratio"]) == (128, 64, 2)
    assert named["file bytes per pixel"] == 0.5
    assert (named["margin above"], named["margin below"]) == (0.0, 0.25)
    pixels[0, :] = 0
    (row,) = appearance([facts], sample(Slice(pixels))[None])
    named = dict(zip(FEATURES, row.tolist(), strict=True))
    assert named["margin above"] == pytest.approx(0.25, abs=0.02)
    assert named["margin left"] == pytest.approx(0.25, abs=0.02)
    assert named["border share of one value"] == 1.0
    assert named["border mean"] == named["border spread"] == named["median"] == 0
    assert named["share of black"] == pytest.approx(0.75, abs=0.02)
    assert (named["distinct grey values"], named["99th percentile"]) == (2, 200)
    assert named["mean"] == pytest.approx(pixels.mean(), rel=0.05)


def test_deep_pixels_are_measured_on_the_scale_of_their_range() -> None:
    shallow = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    deep = Slice(shallow.astype(np.float32), value_range=(0.0, 255.0))
    assert np.array_equal(sample(Slice(shallow)), sample(deep))
