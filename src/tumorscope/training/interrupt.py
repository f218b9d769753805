"""Ctrl-C ends a fit between two batches.

Owns the handling of SIGINT while Lightning runs. Left alone, an interruption that falls into a destructor is lost,
and one that is not makes Lightning end the process with status 1 and ignore every later one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.callbacks import Callback

__all__ = ["Interruption", "interruptible"]


class Interruption(Callback):
    """Remembers the first Ctrl-C until a batch is done; the second one acts at once."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self, *_: Any) -> None:
        """Handle the signal."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def act(self) -> None:
        """Raise KeyboardInterrupt if it was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    def on_train_batch_end(self, *_: Any) -> None:
        """Between two steps."""
        self.act()

    def on_validation_batch_end(self, *_: Any) -> None:
        """Between two batches that are only watched."""
        self.act()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Give the callback to hand to the trainer; outside the main thread nothing changes.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, as from any other Python code.
    """
    interruption = Interruption()
    before = signal.getsignal(signal.SIGINT)
    # A process that was started deaf to Ctrl-C (a background job) stays so.
    listens = callable(before) and threading.current_thread() is threading.main_thread()
    if listens:
        signal.signal(signal.SIGINT, interruption.ask)
    try:
        yield interruption
        interruption.act()
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from error
    finally:
        if listens:
            signal.signal(signal.SIGINT, before)
