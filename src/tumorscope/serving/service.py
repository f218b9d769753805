"""What lives as long as the server: session, reader processes, kept cases, the count of work under way.

Owns start and end of these and the admission of work. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tumorscope.inference.classifier import Classifier
from tumorscope.serving.batching import Batcher
from tumorscope.serving.jobs import Answering
from tumorscope.serving.metrics import Metrics
from tumorscope.serving.problems import ProblemError
from tumorscope.serving.readers import Readers
from tumorscope.serving.settings import Settings
from tumorscope.serving.store import KeptSet, Store

__all__ = ["Service"]

_SWEEP_SECONDS = 2.0


class Service:
    """Everything behind the routes.

    Parameters
    ----------
    settings
        Of the server.
    classifier
        The bundle, loaded.
    """

    def __init__(self, settings: Settings, classifier: Classifier) -> None:
        self.settings, self.classifier = settings, classifier
        self.store = Store(settings.kept_bytes)
        self.metrics = Metrics(self)
        self.stopping = False
        self.active = 0
        self.parts: Answering

    async def start(self) -> None:
        """Start processes and threads."""
        settings, facts = self.settings, self.classifier.facts
        readers = Readers(
            settings.readers,
            memory=settings.reader_memory,
            seconds=settings.file_seconds,
            size=facts.input_size,
            slice_pixels=settings.slice_pixels,
        )
        batcher = Batcher(
            self.classifier.session, settings.batch, settings.batch_seconds, self.metrics.batch.observe
        )
        batcher.start()
        self.parts = Answering(settings, facts, self.store, readers, batcher)
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """End them; whatever was taken has been answered by now."""
        self.stopping = True
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        await asyncio.get_running_loop().run_in_executor(None, self.parts.readers.stop)
        await self.parts.batcher.stop()

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        return not self.stopping and self.parts.readers.ready

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Take one request for answers, or send it away for a while.

        Raises
        ------
        ProblemError
            429 where the queue is full, 503 where the server is about to stop.
        """
        if self.stopping:
            raise ProblemError(503, "The server is stopping; ask again later.", {"Retry-After": "10"})
        if self.active >= self.settings.queue:
            raise ProblemError(
                429,
                f"{self.active} requests are being answered, as many as this server takes; ask again later.",
                {"Retry-After": "2"},
            )
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    def kept(self, name: str) -> KeptSet:
        """A set of cases by its name.

        Raises
        ------
        ProblemError
            404 where there is none, or no longer.
        """
        found = self.store.find(name)
        if found is None:
            raise ProblemError(404, "There is no such set of cases; it may have expired or been closed.")
        return found

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.store.sweep()
