"""One request's files, from the disk to answers.

Owns the order of things: files to readers, slices to the network, answers to the store and to whoever listens. The
listener's speed does not matter, since answers wait in memory. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorscope.core.prediction import Prediction
from tumorscope.core.slice import Edges, Origin, Plane
from tumorscope.inference.bundle import BundleFacts
from tumorscope.inference.verdict import judge
from tumorscope.preprocess import HeadFrame
from tumorscope.serving.batching import Batcher, Row
from tumorscope.serving.cases import OpenCase
from tumorscope.serving.pixels import Gray
from tumorscope.serving.readers import Message, Readers, Unit
from tumorscope.serving.schemas import (
    CaseEvent,
    Done,
    Event,
    FailedFile,
    FailureEvent,
    Orientation,
    Rescale,
    SliceAnswer,
    SliceEvent,
    Window,
)
from tumorscope.serving.settings import MIB, Settings
from tumorscope.serving.store import KeptSet, KeptSlice, Store
from tumorscope.serving.uploads import Upload, planned, shown

__all__ = ["Answering", "Job"]


@dataclass(frozen=True, slots=True)
class Answering:
    """What every job needs."""

    settings: Settings
    facts: BundleFacts
    store: Store
    readers: Readers
    batcher: Batcher


class _Flow:
    """The messages of one unit, each slice already on its way to the network."""

    def __init__(self, job: Job, paths: Sequence[Path]) -> None:
        self._loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[tuple[Message, asyncio.Future[Row] | None]] = asyncio.Queue()
        self._job = job
        self.unit = Unit(paths, self._told)

    def _told(self, message: Message) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody listens
            self._loop.call_soon_threadsafe(self._take, message)

    def _take(self, message: Message) -> None:
        answer = None
        if "slice" in message.header and not self.unit.cancelled.is_set():
            if (told := self._job.too_much(len(message.body))) is not None:
                self.unit.cancelled.set()  # its reader stops
                message = Message({"failure": told, "code": "too-large"})
            else:
                side = message.header["side"]
                image = np.frombuffer(message.body, np.uint8, side * side).reshape(side, side)
                answer = self._job.parts.batcher.ask(image)
        self.queue.put_nowait((message, answer))


class Job:
    """All files of one request.

    Parameters
    ----------
    parts
        What every job needs.
    kept
        Where answers go.
    uploads
        The files.
    coverage
        A key of the bundle's coverages.
    """

    def __init__(self, parts: Answering, kept: KeptSet, uploads: Sequence[Upload], coverage: str) -> None:
        self.parts, self.kept, self._uploads, self._coverage = parts, kept, uploads, coverage
        self._events: list[Event] = []
        self._news = asyncio.Event()
        self._taken = 0
        self._taken_bytes = 0
        self._case: OpenCase | None = None
        self._full = False
        self._ended = False

    async def run(self) -> None:
        """Answer everything; ends with the event ``done``."""
        flows = [_Flow(self, paths) for paths in planned(self._uploads, self._fail)]
        ahead = self.parts.settings.readers
        try:
            async with asyncio.timeout(self.parts.settings.answer_seconds):
                for flow in flows[:ahead]:
                    self.parts.readers.submit(flow.unit)
                for number, flow in enumerate(flows):
                    await self._follow(flow)
                    if self._full:
                        break
                    if number + ahead < len(flows):
                        self.parts.readers.submit(flows[number + ahead].unit)
        except TimeoutError:
            told = f"the files took longer than {self.parts.settings.answer_seconds:g} seconds together; send fewer"
            self._fail(FailedFile(name="the remaining files", title=told, status=503))
            self._close_case()
        else:
            self._close_case()
        finally:
            for flow in flows:
                flow.unit.cancelled.set()
            self.kept.finished = True
            self._ended = True
            self._news.set()
        self._tell(Done(cases=len(self.kept.cases), failures=len(self.kept.failures)))

    async def events(self) -> AsyncIterator[Event]:
        """All events from the first on, until ``done``."""
        place = 0
        while True:
            while place < len(self._events):
                event = self._events[place]
                place += 1
                yield event
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    def too_much(self, size: int) -> str | None:
        """Count a slice that was read; the reason to stop where it is one too many."""
        settings = self.parts.settings
        self._taken += 1
        self._taken_bytes += size
        if self._taken > settings.frames:
            told = f"more than {settings.frames} slices in one request"
        elif self._taken_bytes > settings.set_bytes:
            told = f"more than {settings.set_bytes // MIB} MiB of pixels in one request"
        elif self.parts.store.crowded():
            told = "the server has no memory left for other slices now"
        else:
            return None
        self._full = True
        return f"{told}; what follows is not read, send it in another one"

    async def _follow(self, flow: _Flow) -> None:
        path = str(flow.unit.paths[0])
        while True:
            message, answer = await flow.queue.get()
            header = message.header
            if "end" in header:
                break
            if "source" in header:
                path = header["path"]
                self._begin(shown(path, self._uploads), header["series"])
            elif answer is not None:
                self._answer(message, await answer)
            elif "failure" in header:
                self._failed(header, path)
        self._close_case()

    def _begin(self, name: str, series: str | None) -> None:
        """A source comes next: a new case, unless it goes on with the series before."""
        if self._case is not None and series is not None and self._case.series == series:
            return
        self._close_case()
        self._case = OpenCase(f"c{len(self.kept.cases) + 1}", name, series)

    def _close_case(self) -> None:
        case, self._case = self._case, None
        if case is None or not case.slices:
            return
        answer = case.close()
        for one in answer.slices:
            kept = self.kept.slices[one.number]
            if one is not kept.answer:  # a case is shown through one window
                gray = replace(kept.gray, window=(one.window.center, one.window.width))
                self.kept.slices[one.number] = replace(kept, answer=one, gray=gray)
        self.kept.cases.append(answer)
        self._tell(CaseEvent(**dict(answer)))

    def _answer(self, message: Message, row: Row) -> None:
        case = self._case
        if case is None:
            return
        header = message.header
        height, width, depth = header["slice"]
        slope, intercept, centre, breadth = header["gray"]
        pixels = np.frombuffer(message.body, f"<u{depth}", offset=header["side"] ** 2).reshape(height, width)
        case.frames, case.stack = header["frames"], header["stack"]
        prediction = self._judged(header, row, case.name)
        number = len(self.kept.slices)
        here = f"/v1/predictions/{self.kept.id}"
        answer = SliceAnswer(
            number=number,
            index=len(case.slices),
            case=case.id,
            width=width,
            height=height,
            diagnosis=prediction.diagnosis,
            probabilities=prediction.by_class(),
            prediction_set=list(prediction.prediction_set),
            coverage=prediction.coverage,
            verdict=prediction.verdict,
            novelty=prediction.novelty,
            novelty_limit=self.parts.facts.novelty_limit,
            spacing=prediction.origin.spacing,
            orientation=Orientation(**header["edges"]) if header["edges"] else None,
            window=Window(center=centre, width=breadth),
            rescale=Rescale(slope=slope, intercept=intercept),
            pixels=f"{here}/slices/{number}",
            heatmap=f"{here}/heatmap.png?slice={number}&diagnosis={prediction.diagnosis.value}",
        )
        gray = Gray(pixels.copy(), slope, intercept, (centre, breadth), header["given"])
        head = HeadFrame(**header["head"])
        self.kept.add(KeptSlice(answer, prediction, gray, row["heatmap"].copy(), head))
        case.add(answer, prediction, given=gray.given)
        self._tell(SliceEvent(**dict(answer)))

    def _judged(self, header: dict[str, Any], row: Row, name: str) -> Prediction:
        facts = self.parts.facts
        novelty = float(row["novelty"])
        probabilities = row["probabilities"].copy()
        members, verdict = judge(probabilities, novelty, facts.conformal[self._coverage], facts.novelty_limit)
        spacing, edges, plane = header["spacing"], header["edges"], header["plane"]
        origin = Origin(
            path=name,
            frame=header["frame"],
            frames=header["frames"],
            plane=Plane(plane) if plane else None,
            spacing=tuple(spacing) if spacing else None,
            edges=Edges(**edges) if edges else None,
        )
        return Prediction(
            probabilities, members, float(self._coverage), verdict, novelty, facts.label, origin
        )

    def _failed(self, header: dict[str, Any], path: str) -> None:
        if self._case is not None:
            self._case.failed()
        name = shown(path, self._uploads)
        told: str = header["failure"]
        for upload in self._uploads:
            told = told.replace(str(upload.path), upload.name)
        title = told.removeprefix(f"{name}: ")
        self._fail(FailedFile(name=name, title=title, status=413 if header["code"] == "too-large" else 422))

    def _fail(self, failure: FailedFile) -> None:
        self.kept.failures.append(failure)
        self._tell(FailureEvent(**dict(failure)))

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()
