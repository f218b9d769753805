"""Answers that are kept survive a process that is killed, and only what belongs together is taken up again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle_factory import class_image
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.kept_answers import KeptAnswers, kept_beside
from tumorscope.evaluation.scoring import score

KEY = ("model", "images", 4)
FIRST = {0: np.array([0.1, 1 / 3, -2.0, 1e-17]), 1: np.array([4.0, 3.0, 2.0, 1.0])}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    for k, key in enumerate(CLASS_ORDER):
        (tmp_path / "images" / key.value).mkdir(parents=True)
        for number in range(3):
            image = Image.fromarray(class_image(k, side=70 + 2 * number))
            image.save(tmp_path / "images" / key.value / f"{number}.png")
    (tmp_path / "images" / "notumor" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return read_manifest(tmp_path / "images")


def test_answers_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    KeptAnswers(path, KEY).store(FIRST)
    again = KeptAnswers(path, KEY)
    again.store({5: np.zeros(4, dtype=np.float32)})
    known = KeptAnswers(path, KEY).known
    assert sorted(known) == [0, 1, 5]
    assert all(known[position].tobytes() == FIRST[position].tobytes() for position in FIRST)


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_line_is_dropped_and_not_continued(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "kept.jsonl"
    kept = KeptAnswers(path, KEY)
    kept.store(FIRST)
    kept.store({2: FIRST[0], 3: FIRST[1]})
    path.write_bytes(path.read_bytes()[:-cut])
    torn = KeptAnswers(path, KEY)
    # The last byte is only the end of the line: nothing is lost with it.
    assert sorted(torn.known) == ([0, 1, 2, 3] if cut == 1 else [0, 1])
    torn.store({7: FIRST[0]})
    assert 7 in KeptAnswers(path, KEY).known


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]\n",
        b'{"schema": "tumorscope/kept-answers/0", "key": ""}\n{"0": [1, 2, 3, 4]}\n',
    ],
)
def test_what_is_no_such_file_is_the_same_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(content)
    kept = KeptAnswers(path, KEY)
    assert not kept.known
    kept.store(FIRST)
    assert sorted(KeptAnswers(path, KEY).known) == [0, 1]


def test_answers_of_another_model_or_other_images_are_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    KeptAnswers(path, KEY).store(FIRST)
    assert not KeptAnswers(path, ("another model", *KEY[1:])).known
    assert sorted(KeptAnswers(path, KEY).known) == [0, 1]  # looking does no harm


@pytest.mark.parametrize("row", ["[1, 2, 3]", "[1, 2, 3, NaN]", '"x"', "null"])
def test_a_line_that_holds_no_answers_is_dropped(tmp_path: Path, row: str) -> None:
    path = tmp_path / "kept.jsonl"
    KeptAnswers(path, KEY).store(FIRST)
    with path.open("a") as stream:
        stream.write(f'{{"4": {row}}}\n')
    assert sorted(KeptAnswers(path, KEY).known) == [0, 1]


def test_images_that_were_answered_are_not_asked_about_again(manifest: Manifest, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.stack([images.mean(axis=(1, 2)), *np.arange(3)[:, None] + images[:, :3, 3].T]).T

    whole = score(manifest, 64, answer, batch_size=4)
    assert asked == [4, 3, 4]  # one of the twelve cannot be read
    asked.clear()
    path = kept_beside(tmp_path / "out" / "evaluation.json")

    class Stopped(Exception):
        pass

    def stop(done: int, _total: int) -> None:
        if done == 8:
            raise Stopped

    with pytest.raises(Stopped):
        score(manifest, 64, answer, batch_size=4, kept=KeptAnswers(path, KEY), progress=stop)
    assert asked == [4, 3]
    asked.clear()
    again = score(manifest, 64, answer, batch_size=4, kept=KeptAnswers(path, KEY))
    assert asked == [4]
    assert again.table.logits.tobytes() == whole.table.logits.tobytes()
    assert list(again.table.paths) == list(whole.table.paths)
    assert [(name, str(error)) for name, error in again.failures] == [
        (name, str(error)) for name, error in whole.failures
    ]
    assert len(whole.failures) == 1
