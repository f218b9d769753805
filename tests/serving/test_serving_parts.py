"""Parts of the server by themselves: what is kept and for how long, names, batches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from serving_files import dicom, head, png

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Prediction, Verdict
from tumorscope.core.slice import Origin
from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.classifier import load
from tumorscope.preprocess import HeadFrame
from tumorscope.serving.batching import Batcher
from tumorscope.serving.cases import OpenCase
from tumorscope.serving.pixels import Gray
from tumorscope.serving.schemas import FailedFile, Rescale, SliceAnswer, Window
from tumorscope.serving.store import KeptSlice, Store
from tumorscope.serving.uploads import Upload, planned, printable_name, shown


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def slice_answer(
    number: int, glioma: float = 0.7, window: tuple[float, float] = (100.0, 200.0)
) -> SliceAnswer:
    rest = (1 - glioma) / 3
    return SliceAnswer(
        number=number,
        index=number,
        case="c1",
        width=10,
        height=10,
        diagnosis=Diagnosis.GLIOMA,
        probabilities={key: glioma if key is Diagnosis.GLIOMA else rest for key in CLASS_ORDER},
        prediction_set=[Diagnosis.GLIOMA],
        coverage=0.95,
        verdict=Verdict.ANSWERED,
        novelty=0.0,
        novelty_limit=1.0,
        spacing=None,
        orientation=None,
        window=Window(center=window[0], width=window[1]),
        rescale=Rescale(slope=1.0, intercept=0.0),
        pixels="p",
        heatmap="h",
    )


def prediction(glioma: float, frame: int, frames: int) -> Prediction:
    rest = (1 - glioma) / 3
    values = np.array([glioma, rest, rest, rest], np.float32)
    origin = Origin(path="a", frame=frame, frames=frames)
    return Prediction(values, (Diagnosis.GLIOMA,), 0.95, Verdict.ANSWERED, 0.0, "m 1", origin)


def kept_slice(size: int) -> KeptSlice:
    gray = Gray(np.zeros((size, size), np.uint8), 1.0, 0.0, (127.5, 255.0), True)
    evidence = np.zeros((4, 2, 2), np.float32)
    return KeptSlice(slice_answer(0), prediction(0.7, 0, 1), gray, evidence, HeadFrame(0, 0, 4, 4, 0, 1))


def test_sets_expire_by_the_clock_and_not_while_they_are_answered() -> None:
    clock = Clock()
    store = Store(10**9, clock)
    done, running = store.open(10), store.open(10)
    done.finished = True
    clock.now += 9.9
    assert store.find(done.id) is done
    clock.now += 0.2
    assert store.find(done.id) is None
    store.sweep()
    assert store.find(running.id) is running
    assert store.find("other") is None
    assert store.forget(running.id)
    assert not store.forget(running.id)
    assert len(store) == 0


def test_the_oldest_sets_go_when_memory_is_needed() -> None:
    store = Store(250_000, Clock())
    sets = []
    for _ in range(4):
        one = store.open(100)
        one.add(kept_slice(300))
        one.finished = True
        sets.append(one)
    store.sweep()
    assert [store.find(one.id) is not None for one in sets] == [False, False, True, True]
    assert not store.crowded()
    running = store.open(100)
    for _ in range(4):
        running.add(kept_slice(300))
    assert store.crowded(), "what is being answered is not thrown away"
    assert len(store) == 1


def test_a_case_is_shown_through_one_window() -> None:
    case = OpenCase("c1", "a.nii", None, frames=3, stack=True)
    for number, (centre, width) in enumerate([(50.0, 100.0), (60.0, 100.0), (500.0, 900.0)]):
        case.add(slice_answer(number, window=(centre, width)), prediction(0.7, number, 3), given=False)
    windows = [one.window for one in case.close().slices]
    assert windows == [Window(center=55.0, width=110.0)] * 3
    own = OpenCase("c1", "a.dcm", None, frames=2)
    for number in range(2):
        own.add(slice_answer(number, window=(number + 50.0, 10.0)), prediction(0.7, number, 2), given=True)
    assert [one.window.center for one in own.close().slices] == [50.0, 51.0]


def test_the_series_answer_points_at_places_in_the_list() -> None:
    case = OpenCase("c1", "a.nii", None, frames=20, stack=True)
    # Frames 4 to 6 are neighbours; frame 12 alone is surest, but has none.
    for number, (frame, glioma) in enumerate([(1, 0.4), (4, 0.8), (5, 0.8), (6, 0.8), (12, 0.99)]):
        case.add(slice_answer(number, glioma), prediction(glioma, frame, 20), given=True)
    answer = case.close()
    assert answer.kind == "volume"
    assert answer.series is not None
    assert answer.series.slices_used == (1, 3)
    assert answer.series.probabilities[Diagnosis.GLIOMA] == pytest.approx(0.8, abs=1e-6)


def test_names_are_given_back_without_what_would_command_a_terminal() -> None:
    assert printable_name("a/b.png") == "a/b.png"
    assert printable_name("a\r\n\x1b[2J\ud800.png") == "a\ufffd\ufffd\ufffd[2J\ufffd.png"
    assert printable_name(None) == printable_name("") == "file"
    assert len(printable_name("x" * 10000)) <= 512


def test_dicom_is_read_together_and_folders_are_tidied(tmp_path: Path) -> None:
    scan = dicom(head(top=4000))
    files = [
        ("s/1.dcm", scan),
        ("a.png", png()),
        ("s/.DS_Store", b"x"),
        ("s/readme.txt", b"text"),
        ("s/2.dcm", scan),
        ("loose.txt", b"text"),
        ("s/bad.png", b"junk"),
    ]
    uploads = []
    for number, (name, content) in enumerate(files):
        path = tmp_path / f"{number:06d}"
        path.write_bytes(content)
        uploads.append(Upload(name, path))
    failures: list[FailedFile] = []
    plan = [[int(path.name) for path in group] for group in planned(uploads, failures.append)]
    assert plan == [[0, 4], [1], [5], [6]]
    assert failures == []
    assert shown(str(uploads[4].path) + "!in/side", uploads) == "s/2.dcm!in/side"
    assert planned(uploads[3:4], failures.append) == []
    assert [failure.name for failure in failures] == ["s"]


def test_slices_of_many_askers_run_together(bundle_path: Path) -> None:
    session = load(bundle_path, threads=1).session
    sizes: list[int] = []
    chance = np.random.default_rng(0)
    images = chance.integers(0, 255, (20, 64, 64), np.uint8)

    async def ask() -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        batcher = Batcher(session, 8, 0.001, sizes.append)
        batcher.start()
        rows = await asyncio.gather(*(batcher.ask(image) for image in images))
        await batcher.stop()
        return [row["probabilities"] for row in rows]

    got = np.stack(asyncio.run(ask()))
    expected = session.run(images, OUTPUTS)[OUTPUTS.index("probabilities")]
    assert got == pytest.approx(expected, abs=1e-5)
    assert sum(sizes) == 20
    assert max(sizes) == 8
    assert len(sizes) <= 4


def test_a_run_that_fails_is_told_to_all_who_wait_and_the_next_goes_on(bundle_path: Path) -> None:
    session = load(bundle_path, threads=1).session

    async def ask() -> tuple[list[object], object]:
        batcher = Batcher(session, 4, 0.0, lambda _: None)
        batcher.start()
        wrong = [batcher.ask(np.zeros((9, 9), np.uint8)) for _ in range(3)]
        failed = await asyncio.gather(*wrong, return_exceptions=True)
        row = await batcher.ask(np.full((64, 64), 7, np.uint8))
        await batcher.stop()
        return list(failed), row["probabilities"].shape

    failed, shape = asyncio.run(ask())
    assert all(isinstance(error, Exception) for error in failed)
    assert shape == (4,)
