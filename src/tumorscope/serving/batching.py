"""Slices of many requests in one run of the network.

Owns the queue in front of the one ONNX Runtime session and the thread that runs it. While a run goes on, what arrives
waits for the next; only where nothing waits does the first slice wait a moment for others. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.session import Session

__all__ = ["Batcher", "Row"]

Row = Mapping[str, NDArray[np.float32]]
"""The outputs of the graph for one image, by name."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    image: NDArray[np.uint8]
    answer: asyncio.Future[Row]


class Batcher:
    """Runs the session for whoever asks.

    Parameters
    ----------
    session
        The graph.
    most
        Slices in one run, at least 1.
    seconds
        How long the first slice of an idle time waits for others.
    ran
        Told the number of slices of each run.
    """

    def __init__(self, session: Session, most: int, seconds: float, ran: Callable[[int], None]) -> None:
        self._session, self._most, self._seconds, self._ran = session, most, seconds, ran
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "tumorscope-session")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take slices; needs a running event loop."""
        self._task = asyncio.create_task(self._loop())

    async def stop(self) -> None:
        """End; what still waits gets no answer."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown()

    def ask(self, image: NDArray[np.uint8]) -> asyncio.Future[Row]:
        """Put one image ``uint8 [S, S]`` into the queue; the future gives its row."""
        answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(_Waiting(image, answer))
        return answer

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self._waiting.get()]
            if self._waiting.empty() and self._seconds > 0:
                await asyncio.sleep(self._seconds)
            while len(group) < self._most and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            group = [one for one in group if not one.answer.cancelled()]
            if not group:
                continue
            try:
                images = np.stack([one.image for one in group])
                outputs = await loop.run_in_executor(self._thread, self._session.run, images, OUTPUTS)
            except Exception as error:
                # Whatever the session says, those who wait must hear of it, and the next group must be run.
                for one in group:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            self._ran(len(group))
            for number, one in enumerate(group):
                if not one.answer.done():
                    one.answer.set_result(
                        {name: output[number] for name, output in zip(OUTPUTS, outputs, strict=True)}
                    )
