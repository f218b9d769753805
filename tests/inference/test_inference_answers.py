"""What the classifier answers, for every kind of input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import active_count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bundle_factory import BIAS, CELLS, NOVELTY_LIMIT, class_image, head_image
from tumorscope import load
from tumorscope.core.errors import InvalidConfiguration, MissingInput, UnreadableImage, UnsupportedImage
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Prediction, SeriesPrediction, Verdict
from tumorscope.core.slice import Origin, Slice
from tumorscope.inference.batch import Input, Prepared, batches, prepare
from tumorscope.inference.classifier import Classifier
from tumorscope.inference.geometry import lay_over
from tumorscope.inference.record import Failure
from tumorscope.inference.series import best_window
from tumorscope.inference.verdict import judge
from tumorscope.preprocess import find_head, preprocess


@pytest.fixture(scope="module")
def classifier(bundle_path: Path) -> Classifier:
    return load(bundle_path, threads=1)


def test_every_class_can_be_the_answer(classifier: Classifier) -> None:
    for k, key in enumerate(CLASS_ORDER):
        answer = classifier.predict(class_image(k))
        assert answer.diagnosis is key
        assert answer.prediction_set == (key,)
        assert answer.verdict is Verdict.ANSWERED
        assert answer.confidence > 0.9
        assert answer.probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert answer.heatmap is None
        assert answer.model == "quadrants 1.0.0"
        assert answer.origin.path is None


def test_one_path_one_array_one_slice_say_the_same(
    classifier: Classifier, class_png: Callable[[int], Path]
) -> None:
    path = class_png(1)
    from_path = classifier.predict(path)
    assert isinstance(from_path, Prediction)
    assert from_path.origin.path == str(path)
    for same in (
        classifier.predict(class_image(1)),
        classifier.predict(Slice(class_image(1), Origin(path="made"))),
        classifier.predict(class_image(1).astype(np.uint16) * 16),
        classifier.predict(class_image(1).astype(np.float64) / 255),
    ):
        np.testing.assert_allclose(same.probabilities, from_path.probabilities, atol=0.01)
        assert same.diagnosis is from_path.diagnosis


def test_a_list_keeps_its_order_and_loses_nothing_to_a_failure(
    classifier: Classifier, class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    inputs: list[Any] = [
        class_png(3),
        tmp_path / "nothing.png",
        class_image(0),
        np.zeros((64, 64), dtype=np.uint8),
        text,
        7,
        class_png(2),
    ]
    for size in (1, 2, 3, 50):
        answers = classifier.predict(inputs, batch_size=size)
        shown = [a.kind if isinstance(a, Failure) else a.diagnosis for a in answers]
        assert shown == [
            Diagnosis.PITUITARY,
            MissingInput,
            Diagnosis.GLIOMA,
            UnsupportedImage,
            UnreadableImage,
            UnsupportedImage,
            Diagnosis.NOTUMOR,
        ]
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        assert failures[0].path == str(tmp_path / "nothing.png")
        assert failures[0].code == "missing-input"
        assert all("\n" not in failure.message for failure in failures)


def test_a_single_input_that_fails_raises(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        classifier.predict(tmp_path / "nothing.png")
    with pytest.raises(UnsupportedImage, match="16 x 16"):
        classifier.predict(np.ones((1, 1), dtype=np.uint8))
    with pytest.raises(UnsupportedImage, match="two-dimensional"):
        classifier.predict(np.ones((64, 64, 3), dtype=np.uint8))
    with pytest.raises(UnsupportedImage, match="NaN"):
        classifier.predict(np.full((64, 64), np.nan))


def test_wrong_options_are_refused_before_any_work(classifier: Classifier) -> None:
    with pytest.raises(InvalidConfiguration, match="batch_size is 0"):
        classifier.predict_iter([], batch_size=0)
    with pytest.raises(InvalidConfiguration, match="coverage"):
        classifier.predict_iter([], coverage=0.5)


def test_a_folder_gives_a_list(classifier: Classifier, tmp_path: Path) -> None:
    for k in range(4):
        Image.fromarray(class_image(k)).save(tmp_path / f"{k}.png")
    answers = classifier.predict(tmp_path)
    assert isinstance(answers, list)
    assert [a.diagnosis for a in answers if isinstance(a, Prediction)] == list(CLASS_ORDER)


def test_answers_do_not_depend_on_the_batch_size_or_the_neighbours(classifier: Classifier) -> None:
    rng = np.random.default_rng(1)
    images = [
        rng.integers(1, 255, (int(h), int(w))).astype(np.uint8) for h, w in rng.integers(20, 90, (21, 2))
    ]
    alone = np.stack([classifier.predict(image).probabilities for image in images])
    for size in (1, 2, 5, 8, 64):
        together = classifier.predict(images, batch_size=size)
        rows = [answer for answer in together if isinstance(answer, Prediction)]
        np.testing.assert_allclose(np.stack([row.probabilities for row in rows]), alone, atol=1e-6)
    again = classifier.predict(images, batch_size=8)
    once_more = classifier.predict(images, batch_size=8)
    for first, second in zip(again, once_more, strict=True):
        assert isinstance(first, Prediction)
        assert isinstance(second, Prediction)
        np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_streaming_reads_no_further_than_one_batch_ahead(classifier: Classifier) -> None:
    taken = 0

    def endless() -> Iterator[Input]:
        nonlocal taken
        while True:
            taken += 1
            yield class_image(taken % 4)

    before = active_count()
    stream = classifier.predict_iter(endless(), batch_size=4)
    for _ in range(6):
        next(stream)
    assert taken <= 12, "one batch answered, one being answered, one made ready"
    del stream
    assert active_count() == before


def test_one_batch_starts_no_thread() -> None:
    before = active_count()
    for group in batches(prepare([class_image(0)], 64), 8):
        assert len(group) == 1
        assert active_count() == before


def test_prepared_items_lead_back_to_their_slice() -> None:
    image = Slice(class_image(0))
    (item,) = prepare([image], 64)
    assert isinstance(item, Prepared)
    assert item.source is image
    np.testing.assert_array_equal(item.image, preprocess(image, 64))


@pytest.mark.parametrize(
    ("probabilities", "novelty", "members", "verdict"),
    [
        ((0.8, 0.1, 0.05, 0.05), 1.0, "g", "answered"),
        (
            (0.45, 0.45, 0.05, 0.05),
            1.0,
            "g",
            "uncertain",
        ),  # nothing reaches its quantile: the top class is forced
        ((0.5, 0.5, 0.0, 0.0), 1.0, "gm", "uncertain"),
        ((0.8, 0.1, 0.05, 0.05), 1.6, "g", "rejected"),
        ((0.8, 0.1, 0.05, 0.05), float("nan"), "g", "rejected"),
    ],
)
def test_the_verdict(probabilities: tuple[float, ...], novelty: float, members: str, verdict: str) -> None:
    row = np.array(probabilities, dtype=np.float32)
    got, said = judge(row, novelty, (0.5,) * 4, 1.5)
    assert "".join(key.value[0] for key in got) == members
    assert said.value == verdict


def test_a_set_without_the_top_class_gains_it_and_is_uncertain() -> None:
    row = np.array((0.55, 0.45, 0.0, 0.0), dtype=np.float32)
    members, verdict = judge(row, 0.0, (0.4, 0.6, 0.4, 0.4), 1.0)
    assert members == (Diagnosis.GLIOMA, Diagnosis.MENINGIOMA)
    assert verdict is Verdict.UNCERTAIN


def test_a_wider_coverage_never_gives_a_smaller_set(classifier: Classifier) -> None:
    image = head_image((150, 140, 60, 60))
    narrow, wide = (classifier.predict(image, coverage=c) for c in (0.9, "0.95"))
    assert set(narrow.prediction_set) <= set(wide.prediction_set)
    assert (narrow.coverage, wide.coverage) == (0.9, 0.95)


def test_a_slice_unlike_the_training_data_is_rejected(classifier: Classifier) -> None:
    bright = np.full((96, 96), 240, dtype=np.uint8)
    bright[:4] = 100
    answer = classifier.predict(bright)
    assert answer.verdict is Verdict.REJECTED
    assert answer.novelty > NOVELTY_LIMIT
    assert classifier.predict(class_image(0)).novelty < NOVELTY_LIMIT


def test_heat_maps_come_at_the_resolution_of_the_slice(classifier: Classifier) -> None:
    image = class_image(1, side=100)
    answer = classifier.predict(image, heatmap=True)
    heatmap = answer.heatmap
    assert heatmap is not None
    assert heatmap.shape == (4, *image.shape)
    assert heatmap.dtype == np.float32
    row, column = np.unravel_index(heatmap[1].argmax(), image.shape)
    assert image[row, column] == 240, "the strongest evidence lies in the bright quadrant"
    assert not heatmap[:, image == 0].any(), "nothing outside the head, which the network did not see"
    np.testing.assert_array_equal(
        answer.probabilities, classifier.predict(image).probabilities, "asking for a map changes no answer"
    )


def test_maps_keep_their_place_and_their_mean_on_the_way_back() -> None:
    image: NDArray[np.uint8] = np.zeros((200, 150), dtype=np.uint8)
    image[40:140, 20:120] = 100
    image[40:140:2, 20:120] = 90
    frame = find_head(image)
    maps = np.arange(2 * CELLS * CELLS, dtype=np.float32).reshape(2, CELLS, CELLS)
    whole = lay_over(maps, frame, (200, 150))
    assert whole.shape == (2, 200, 150)
    inside = whole[:, 40:140, 20:120]
    np.testing.assert_allclose(inside.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=0.01)
    np.testing.assert_allclose(inside[:, 12, 12], maps[:, 0, 0], atol=0.2)
    np.testing.assert_allclose(inside[:, -13, 12], maps[:, -1, 0], atol=0.2)
    np.testing.assert_array_equal(whole.sum(axis=(1, 2)), inside.sum(axis=(1, 2)))


def test_the_graphs_evidence_and_bias_make_the_logit(classifier: Classifier) -> None:
    images = np.stack([preprocess(class_image(k), 64) for k in range(4)])
    heatmap, logits = classifier.session.run(images, ["heatmap", "logits"])
    np.testing.assert_allclose(heatmap.sum(axis=(2, 3)) + np.array(BIAS), logits, atol=1e-4)


def rows(*tumour: float) -> NDArray[np.float32]:
    """Glioma with these probabilities, no tumour with the rest."""
    return np.array([(p, 0, 1 - p, 0) for p in tumour], dtype=np.float32)


def test_the_best_window_is_the_three_neighbours_with_most_tumour() -> None:
    mean, window = best_window(rows(0.1, 0.9, 0.2, 0.7, 0.8, 0.6, 0.1))
    assert window == (3, 5)
    np.testing.assert_allclose(mean, (0.7, 0, 0.3, 0), atol=1e-6)


def test_a_window_mixes_no_classes() -> None:
    mixed = np.array(
        [(0.9, 0, 0.1, 0), (0, 0.9, 0.1, 0), (0, 0, 0.1, 0.9), (0.5, 0, 0.5, 0), (0.5, 0, 0.5, 0)],
        dtype=np.float32,
    )
    _, window = best_window(mixed)
    assert window == (2, 4), "0.33 glioma beats 0.3 of each"


def test_neighbours_have_no_gap_between_them() -> None:
    _, window = best_window(rows(0.9, 0.9, 0.9, 0.5, 0.5, 0.5), [0, 1, 3, 4, 5, 6])
    assert window == (3, 5)
    _, window = best_window(rows(0.9, 0.8), [0, 4])
    assert window == (0, 0)
    _, window = best_window(rows(0.1, 0.2))
    assert window == (0, 1)


def series_of(key: str, ks: list[int], path: str = "head.nii.gz") -> list[Slice]:
    return [
        Slice(class_image(k), Origin(path=path, frame=i, frames=len(ks), series=key))
        for i, k in enumerate(ks)
    ]


def test_every_series_gets_one_line_after_its_slices(classifier: Classifier) -> None:
    stream: list[Input] = [
        *series_of("a", [2, 2, 0, 0, 0, 2], "a.nii"),
        class_image(1),
        *series_of("b", [2, 2, 2], "b.nii"),
        *series_of("c", [2], "c.nii"),
    ]
    answers = list(classifier.predict_iter(stream, batch_size=4, series=True))
    kinds = ["S" if isinstance(a, SeriesPrediction) else "p" for a in answers]
    assert "".join(kinds) == "ppppppSppppSp"
    first, second = (a for a in answers if isinstance(a, SeriesPrediction))
    assert (first.diagnosis, first.window, first.slices, first.path) == (Diagnosis.GLIOMA, (2, 4), 6, "a.nii")
    assert (second.diagnosis, second.series, second.path) == (Diagnosis.NOTUMOR, "b", "b.nii")
    without = classifier.predict_iter(stream)
    assert not any(isinstance(answer, SeriesPrediction) for answer in without)


def test_a_failed_slice_breaks_no_series_but_is_nobodys_neighbour(classifier: Classifier) -> None:
    slices: list[Input] = [
        Slice(class_image(k), Origin(path=f"study/{i}.dcm", series="key"))
        for i, k in enumerate((0, 0, 0, 1, 1, 1))
    ]
    slices[1] = Slice(np.zeros((50, 50), dtype=np.uint8), Origin(path="study/1.dcm", series="key"))
    *answers, line = classifier.predict_iter(slices, series=True)
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False, False, False, False]
    assert isinstance(line, SeriesPrediction)
    assert (line.window, line.slices, line.path) == ((3, 5), 5, "study")
    assert line.diagnosis is Diagnosis.MENINGIOMA
