"""Deletion and insertion of models whose curves are known, the shuffled head, and a real bundle on phantoms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from bundle_factory import SIZE, class_image, make_model
from tumorscope.core.errors import InvalidBundle, InvalidConfiguration, InvalidManifest
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.explanation.checked import HeldOut, check_explanations
from tumorscope.explanation.faithfulness import Fill, area_under, curves, removed
from tumorscope.explanation.randomised import rank_correlation, with_shuffled_head
from tumorscope.inference.bundle import BundleBytes, read_bundle
from tumorscope.inference.classifier import load
from tumorscope.inference.session import Session
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import write_phantoms

SIDE = 64


def top_left(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A model that sums a region: the mean of the top left quadrant, from 0 to 1, is the probability of class 2."""
    share = images[:, : SIDE // 2, : SIDE // 2].mean(axis=(1, 2)) / 255
    return np.stack([np.zeros_like(share), 1 - share, share, np.zeros_like(share)], axis=1)


@pytest.fixture
def bright_corner() -> NDArray[np.uint8]:
    image = np.zeros((SIDE, SIDE), dtype=np.uint8)
    image[: SIDE // 2, : SIDE // 2] = 252
    return image  # its mean is 63


def test_the_curve_of_a_model_that_sums_a_region_is_exact(bright_corner: NDArray[np.uint8]) -> None:
    evidence = np.zeros((4, 4))
    evidence[:2, :2] = 1.0
    found = curves(bright_corner, evidence, 2, top_left, fill=Fill.MEAN, steps=16)
    before, after = 252 / 255, 63 / 255
    falling = np.concatenate([np.linspace(before, after, 5), np.full(12, after)])
    np.testing.assert_allclose(found.deletion, falling, atol=1e-12)
    np.testing.assert_allclose(found.insertion, falling[[4, 3, 2, 1, 0]].tolist() + [before] * 12, atol=1e-12)
    assert area_under(found.deletion) == pytest.approx(after + (before - after) / 8)
    assert area_under(found.insertion) == pytest.approx(before - (before - after) / 8)
    for curve in (found.random_deletion, found.random_insertion[::-1]):
        assert (curve[0], curve[-1]) == pytest.approx((before, after))
    assert area_under(found.random_deletion) > area_under(found.deletion)
    assert area_under(found.random_insertion) < area_under(found.insertion)


def test_a_map_that_points_away_is_worse_than_chance(bright_corner: NDArray[np.uint8]) -> None:
    evidence = np.ones((4, 4))
    evidence[:2, :2] = 0.0
    found = curves(bright_corner, evidence, 2, top_left, fill=Fill.MEAN, steps=16)
    assert area_under(found.deletion) > area_under(found.random_deletion)
    assert area_under(found.insertion) < area_under(found.random_insertion)


def test_a_random_order_is_half_way_on_average(bright_corner: NDArray[np.uint8]) -> None:
    areas = [
        area_under(
            curves(bright_corner, np.ones((4, 4)), 2, top_left, fill=Fill.MEAN, seed=seed).random_deletion
        )
        for seed in range(300)
    ]
    assert np.mean(areas) == pytest.approx((252 + 63) / 255 / 2, abs=0.02)


@pytest.mark.parametrize("grid", [(4, 4), (5, 7), (10, 10)])
@pytest.mark.parametrize("fill", Fill)
def test_both_ends_are_the_image_and_nothing_of_it(fill: Fill, grid: tuple[int, int]) -> None:
    image = preprocess(class_image(1), SIDE)
    seen: list[NDArray[np.uint8]] = []

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        seen.append(images)
        return top_left(images)

    rng = np.random.default_rng(0)
    curves(image, rng.normal(size=grid), 2, answer, fill=fill, steps=5)
    (images,) = seen
    assert images.shape == (4 * 6, SIDE, SIDE)
    without = removed(image, grid, fill)
    assert np.abs(without.astype(int) - image).mean() > 10
    for first, last, number in (
        (image, without, 0),
        (without, image, 1),
        (image, without, 2),
        (without, image, 3),
    ):
        np.testing.assert_array_equal(images[6 * number], first)
        np.testing.assert_array_equal(images[6 * number + 5], last)


def test_steps_must_be_positive(bright_corner: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidConfiguration, match="steps is 0"):
        curves(bright_corner, np.ones((4, 4)), 0, top_left, steps=0)


def test_rank_correlation_is_spearmans() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    maps, others = rng.normal(size=(2, 5, 6, 7)).round(1)  # with ties
    expected = [stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(maps, others, strict=True)]
    np.testing.assert_allclose(rank_correlation(maps, others), expected)
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps)), 1.0)
    np.testing.assert_allclose(rank_correlation(maps, -maps), -1.0)
    np.testing.assert_array_equal(rank_correlation(maps, np.ones_like(maps)), 0.0)


def initializers(content: bytes) -> dict[str, NDArray[np.float32]]:
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_model_from_string(content).graph.initializer
    }


@pytest.mark.parametrize("model", [None, "quadrants"])
def test_only_the_head_is_shuffled(model: str | None, bundle_path: Path) -> None:
    bundle = read_bundle(bundle_path if model else None)
    heads = {"quadrants"}
    if model is None:  # the heads of both networks; large weights are kept in 16 bits
        heads = {f"network.{part}.fine.weight" for part in ("guide", "reader")}
        heads |= {f"network.{part}.deep.weight/half" for part in ("guide", "reader")}
    before, after = initializers(bundle.content), initializers(with_shuffled_head(bundle, 1).content)
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == heads
    for name in heads:
        np.testing.assert_array_equal(np.sort(before[name], axis=None), np.sort(after[name], axis=None))
    assert with_shuffled_head(bundle, 1).content == with_shuffled_head(bundle, 1).content
    assert with_shuffled_head(bundle, 1).content != with_shuffled_head(bundle, 2).content


def test_weights_kept_as_numbers_and_behind_a_scale_are_found(bundle_path: Path) -> None:
    model = make_model()
    (head,) = (tensor for tensor in model.graph.initializer if tensor.name == "quadrants")
    values = numpy_helper.to_array(head).copy()
    head.float_data.extend(values.ravel().tolist())
    head.ClearField("raw_data")
    node = model.graph.node[3]
    assert node.input[1] == "quadrants"
    node.input[1] = "scaled"
    model.graph.node.insert(3, onnx.helper.make_node("Identity", ["quadrants"], ["scaled"]))
    shuffled = with_shuffled_head(BundleBytes(model.SerializeToString(), "made", shipped=False))
    after = initializers(shuffled.content)["quadrants"]
    assert not np.array_equal(after, values)
    np.testing.assert_array_equal(np.sort(after, axis=None), np.sort(values, axis=None))


def test_a_map_without_weights_of_classes_is_said_to_be_one() -> None:
    model = make_model()
    node = model.graph.node[3]
    node.input[1] = "features"
    with pytest.raises(InvalidBundle, match=re.escape("odd.onnx: no weights of 4 classes")):
        with_shuffled_head(BundleBytes(model.SerializeToString(), "odd.onnx", shipped=False))


def test_the_shuffled_bundle_runs_and_answers_otherwise(bundle_path: Path) -> None:
    bundle = read_bundle(bundle_path)
    images = np.stack([preprocess(class_image(k), SIZE) for k in range(4)])
    before = Session(bundle, threads=1).run(images, ("heatmap",))[0]
    after = Session(with_shuffled_head(bundle), threads=1).run(images, ("heatmap",))[0]
    assert before.shape == after.shape
    assert np.abs(before - after).max() > 0.1


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("phantoms")
    list(write_phantoms(folder, 24, size=96))
    return read_manifest(folder / "manifest.csv")


def test_a_real_bundle_on_phantoms(phantoms: Manifest) -> None:
    classifier = load(threads=2)
    shuffled = Session(with_shuffled_head(read_bundle()), threads=2)
    counted: list[tuple[int, int]] = []
    part, failures = check_explanations(
        [HeldOut(phantoms, classifier.facts.input_size, classifier.session.run, [shuffled.run])],
        curve_images=4,
        steps=5,
        progress=lambda done, total: counted.append((done, total)),
    )
    assert failures == ()
    everything, *others = part.pointing
    boxed = [row for row in phantoms if row.box is not None]
    assert (everything.key, everything.images) == ("all", len(boxed))
    assert everything.groups == len({row.group for row in boxed})
    keys = [other.key for other in others]
    assert keys == ["glioma", "meningioma", "pituitary", "small", "medium", "large"]
    assert sum(other.images for other in others[:3]) == len(boxed)
    assert 0 < everything.chance < 0.3
    assert everything.pointing.value <= everything.bound <= 1.0
    assert everything.energy.low <= everything.energy.value <= everything.energy.high
    assert part.deletion_auc is not None
    assert part.random_order_deletion_auc is not None
    assert 0 < part.deletion_auc.value < 1
    assert part.randomised_weights_correlation is not None
    assert abs(part.randomised_weights_correlation) < 0.9
    assert counted[-1][0] == counted[-1][1]
    again, _ = check_explanations(
        [HeldOut(phantoms, classifier.facts.input_size, classifier.session.run)], curve_images=0
    )
    assert again.pointing == part.pointing
    assert (again.deletion_auc, again.randomised_weights_correlation) == (None, None)


def test_an_unreadable_image_is_listed_and_no_box_at_all_is_an_error(
    tmp_path: Path, phantoms: Manifest, bundle_path: Path
) -> None:
    session = Session(read_bundle(bundle_path), threads=1)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    first = next(row for row in phantoms if row.box is not None)
    rows = (first, replace(first, path=broken, sha256="1" * 64))
    part, failures = check_explanations(
        [HeldOut(Manifest(rows, tmp_path), SIZE, session.run)], curve_images=0
    )
    assert part.pointing[0].images == 1
    assert part.grid == (4, 4)
    assert [path for path, _ in failures] == ["broken.png"]
    bare = Manifest((replace(first, box=None),), tmp_path)
    with pytest.raises(InvalidManifest, match="box_cx"):
        check_explanations([HeldOut(bare, SIZE, session.run)])


def test_a_file_that_is_there_twice_is_drawn_once(
    tmp_path: Path, phantoms: Manifest, bundle_path: Path
) -> None:
    session = Session(read_bundle(bundle_path), threads=1)
    first = next(row for row in phantoms if row.box is not None)
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.path.read_bytes())
    twice = Manifest((first, replace(first, path=copy, slice_id="another")), tmp_path)
    asked: list[int] = []

    def run(images: NDArray[np.uint8], names: Sequence[str]) -> list[NDArray[np.float32]]:
        asked.append(len(images))
        return session.run(images, names)

    part, _ = check_explanations([HeldOut(twice, SIZE, run)], curve_images=2, steps=1)
    assert part.pointing[0].images == 2
    assert asked == [2, 8], "one pass over both, and one set of four curves of two points"
