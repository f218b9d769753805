"""The search for copies as a whole: on phantoms that anybody has, and on real images where they are there."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.copies.orientation import ORIENTATIONS, turn
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.copies.search import find_copies
from tumorscope.dataset.copies.thumbnail import thumbnail
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import make_phantom

Pixels = NDArray[Any]


@pytest.fixture(scope="module")
def people() -> list[NDArray[np.uint8]]:
    """One slice each of forty made-up people."""
    chosen: dict[str, NDArray[np.uint8]] = {}
    for number in range(200):
        for diagnosis in Diagnosis:
            if len(chosen) < 40:
                phantom = make_phantom(diagnosis, number, 160)
                chosen.setdefault(phantom.subject, phantom.pixels)
    return list(chosen.values())


def _search(images: list[Pixels]) -> list[CopyPair]:
    made = np.stack([thumbnail(image) for image in images])
    return find_copies(made, [f"{image.shape} {image.tobytes().hex()}" for image in images])


def _resized(pixels: Pixels, factor: float) -> Pixels:
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _compressed(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def _toned(pixels: Pixels) -> Pixels:
    return ((pixels / 255.0) ** 0.8 * 180 + 20).astype(np.uint8)


def _cropped(pixels: Pixels) -> Pixels:
    height, width = pixels.shape
    return pixels[round(0.03 * height) : round(0.94 * height), round(0.06 * width) : round(0.98 * width)]


def _everything(pixels: Pixels) -> Pixels:
    return _compressed(_resized(_toned(_cropped(np.rot90(pixels[:, ::-1]))), 1.4))


CHANGES: dict[str, tuple[Callable[[Pixels], Pixels], Orientation]] = {
    "compressed": (_compressed, Orientation.SAME),
    "halved": (lambda pixels: _resized(pixels, 0.5), Orientation.SAME),
    "doubled": (lambda pixels: _resized(pixels, 2.0), Orientation.SAME),
    "toned": (_toned, Orientation.SAME),
    "cropped": (_cropped, Orientation.SAME),
    **{
        orientation.value: (partial(turn, orientation=orientation), orientation)
        for orientation in ORIENTATIONS[1:]
    },
    "everything": (_everything, Orientation.TRANSPOSED),
}


def test_different_people_are_no_copies(people: list[NDArray[np.uint8]]) -> None:
    assert len(people) == 40
    assert _search(list(people)) == []


@pytest.mark.parametrize("name", CHANGES)
def test_changed_copies_are_found_with_kind_and_orientation(
    people: list[NDArray[np.uint8]], name: str
) -> None:
    change, orientation = CHANGES[name]
    pairs = _search([*people, *(np.ascontiguousarray(change(pixels)) for pixels in people)])
    right = [pair for pair in pairs if pair.second == pair.first + len(people)]
    assert len(pairs) == len(right)  # nothing else
    assert len(right) >= 39
    assert {pair.orientation for pair in right} == {orientation}
    assert {pair.kind for pair in right} == {orientation.kind}
    assert all(0.9 <= pair.score <= 1 for pair in right)


def test_the_first_turned_as_told_looks_like_the_second(people: list[NDArray[np.uint8]]) -> None:
    images = [turn(pixels, ORIENTATIONS[place % 8]) for place, pixels in enumerate(people[:16])]
    images += [_toned(turn(pixels, ORIENTATIONS[place * 3 % 8])) for place, pixels in enumerate(people[:16])]
    images = images[::-1]
    pairs = _search([np.ascontiguousarray(image) for image in images])
    assert len(pairs) == 16
    for pair in pairs:
        turned = turn(images[pair.first], pair.orientation)
        assert np.corrcoef(turned.ravel(), images[pair.second].ravel())[0, 1] > 0.95


def test_none_one_and_two_images(people: list[NDArray[np.uint8]]) -> None:
    made = np.stack([thumbnail(people[0]), thumbnail(_toned(people[0])), thumbnail(people[1])])
    assert find_copies(made[:0], []) == []
    assert find_copies(made[:1], ["a"]) == []
    assert find_copies(made[[0, 2]], ["a", "b"]) == []
    (pair,) = find_copies(made[:2], ["a", "b"])
    assert (pair.first, pair.second, pair.kind) == (0, 1, CopyKind.NEAR)
    assert find_copies(made[[0, 0]], ["a", "a"]) == [CopyPair(0, 1, CopyKind.EXACT, Orientation.SAME, 1.0)]


def test_images_that_are_all_alike_are_all_paired(people: list[NDArray[np.uint8]]) -> None:
    made = np.stack([thumbnail(people[0])] * 30)
    pairs = find_copies(made, [str(number) for number in range(30)])
    assert [(pair.first, pair.second) for pair in pairs] == [
        (one, other) for one in range(30) for other in range(one + 1, 30)
    ]
    assert {pair.orientation for pair in pairs} == {Orientation.SAME}


@pytest.mark.parametrize("value", [0, 90, 255])
def test_blank_images_are_no_near_copies(people: list[NDArray[np.uint8]], value: int) -> None:
    blank = [np.full((50 + number, 60), value, np.uint8) for number in range(12)]
    assert _search([*blank, *people[:5]]) == []


def test_exact_copies_share_the_near_copies_of_each_other(people: list[NDArray[np.uint8]]) -> None:
    mirrored = np.ascontiguousarray(people[0][:, ::-1])
    pairs = _search([people[0], mirrored, people[1], people[0], mirrored])
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [
        (0, 1, CopyKind.MIRRORED),
        (0, 3, CopyKind.EXACT),
        (0, 4, CopyKind.MIRRORED),
        (1, 3, CopyKind.MIRRORED),
        (1, 4, CopyKind.EXACT),
        (3, 4, CopyKind.MIRRORED),
    ]


def test_the_result_does_not_depend_on_threads_and_comes_sorted(
    people: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [*people, *(_everything(pixels) for pixels in people), *(pixels[:, ::-1] for pixels in people)]
    images = [np.ascontiguousarray(image) for image in images]
    monkeypatch.setattr("tumorscope.dataset.copies.fitting._CHUNK", 16)
    answers = []
    for threads in (1, 2, 7):
        monkeypatch.setattr("os.cpu_count", partial(int, threads))
        answers.append(_search(images))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] == sorted(answers[0], key=lambda pair: (pair.first, pair.second))
    assert len(answers[0]) >= 117


def test_thumbnails_may_be_mapped_from_a_file(people: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    images = [*people, *map(_toned, people), people[0]]
    made = np.stack([thumbnail(image) for image in images])
    np.save(tmp_path / "made.npy", made)
    names = [str(number) for number in range(len(images) - 1)] + ["0"]
    mapped = np.load(tmp_path / "made.npy", mmap_mode="r")
    assert find_copies(mapped, names) == find_copies(made, names)


def test_progress_rises_to_the_number_of_images(
    people: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tumorscope.dataset.copies.candidates._CHUNK", 7)
    made = np.stack([thumbnail(pixels) for pixels in people])
    told: list[tuple[int, int]] = []
    find_copies(made, [str(number) for number in range(40)], progress=lambda *step: told.append(step))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {40}
    assert told[-1] == (40, 40)
    assert len(told) > 4


def test_copies_of_real_images_are_found_and_patients_kept_apart(real_data: Path) -> None:
    rows = [row for row in read_manifest(real_data / "brain-tumor-mri") if row.patient]
    first = {row.patient or "": row for row in reversed(rows)}
    chosen = [first[name] for name in sorted(first)][:60]
    images: list[Pixels] = []
    for row in chosen:
        with Image.open(row.path) as image:
            images.append(np.asarray(image.convert("L")))
    count = len(images)
    pairs = _search([*images, *(_everything(pixels) for pixels in images)])
    assert all(pair.second == pair.first + count for pair in pairs)
    assert {pair.orientation for pair in pairs} == {Orientation.TRANSPOSED}
    assert len(pairs) >= count - 1
