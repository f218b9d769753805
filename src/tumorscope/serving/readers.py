"""Processes that open files, each of which may die.

Owns their life: started ahead of work, kept for the next file, killed when they hang or are no longer wanted, and
replaced. A process that dies costs the one source it was reading; the next one goes on behind it. Knows no HTTP.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

__all__ = ["Message", "Readers", "Unit"]

_START_SECONDS = 300.0
_PIPE_BYTES = (
    1024**2
)  # what an unprivileged process may have; a slice fits, and neither side waits for the other
_LONGEST_HEADER = 1024**2
_LONGEST_BODY = 1024**3


@dataclass(frozen=True, slots=True)
class Message:
    """What a process says: a header, and the bytes that belong to it."""

    header: dict[str, Any]
    body: bytes = b""


@dataclass(slots=True)
class Unit:
    """Files that are opened one after the other by one process.

    Parameters
    ----------
    paths
        The files.
    tell
        Called in another thread for each message; the last one has ``end``.
    cancelled
        Set it, and nothing more of the unit is read.
    """

    paths: Sequence[Path]
    tell: Callable[[Message], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Readers:
    """A fixed number of processes, and a thread for each.

    Parameters
    ----------
    count
        How many.
    memory
        Address space of each, in bytes.
    seconds
        Time one message may take; then the process is killed.
    size
        Side of the network's input in pixels.
    slice_pixels
        Most pixels of a slice.
    """

    def __init__(self, count: int, *, memory: int, seconds: float, size: int, slice_pixels: int) -> None:
        self._memory, self._seconds = memory, seconds
        self._request = {"size": size, "slice_pixels": slice_pixels}
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._ready = [threading.Event() for _ in range(count)]
        self._processes: dict[int, _Process] = {}
        self._stopping = threading.Event()
        self.restarts = 0
        self._threads = [
            threading.Thread(
                target=self._serve, args=(place,), name=f"tumorscope-reader-{place}", daemon=True
            )
            for place in range(count)
        ]
        for thread in self._threads:
            thread.start()
        threading.Thread(target=self._watch, name="tumorscope-reader-watch", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether at least one process waits for work or does it."""
        return any(event.is_set() for event in self._ready)

    def submit(self, unit: Unit) -> None:
        """Have a unit read; units are begun in the order in which they come."""
        self._units.put(unit)

    def stop(self) -> None:
        """End all processes; what they were reading breaks off."""
        self._stopping.set()
        for _ in self._threads:
            self._units.put(None)
        for process in list(self._processes.values()):
            process.kill()
        for thread in self._threads:
            thread.join(10)
        for process in self._processes.values():
            process.close()

    def _serve(self, place: int) -> None:
        self._renew(place)
        while (unit := self._units.get()) is not None and not self._stopping.is_set():
            try:
                self._read(place, unit)
            finally:
                unit.tell(Message({"end": True}))

    def _read(self, place: int, unit: Unit) -> None:
        start, current = 0, ""
        while not unit.cancelled.is_set() and not self._stopping.is_set():
            process = self._processes.get(place)
            if process is None or not process.alive:
                process = self._renew(place)
            try:
                process.send(
                    self._request | {"paths": [os.fspath(path) for path in unit.paths], "start": start}
                )
                while "end" not in (message := process.receive(self._seconds)).header:
                    if unit.cancelled.is_set():
                        process.kill()
                        return
                    if "source" in message.header:
                        start, current = message.header["source"] + 1, message.header["path"]
                    unit.tell(message)
            except (OSError, EOFError, ValueError):
                process.kill()
                if self._stopping.is_set() or unit.cancelled.is_set():
                    return
                self.restarts += 1
                why = (
                    f"took longer than {self._seconds:g} seconds to read"
                    if process.late
                    else "needed more memory than is allowed, or broke its reader"
                )
                named = current or os.fspath(unit.paths[0])
                unit.tell(Message({"failure": f"{named}: this file {why}", "code": "unreadable-image"}))
                if not current:
                    return
                current = ""
            else:
                return

    def _renew(self, place: int) -> _Process:
        """A living process; waits until it is ready."""
        self._ready[place].clear()
        if (old := self._processes.get(place)) is not None:
            old.close()
        process = self._processes[place] = _Process(self._memory)
        with suppress(OSError, EOFError, ValueError):
            process.receive(_START_SECONDS)
            self._ready[place].set()
        return process

    def _watch(self) -> None:
        while not self._stopping.wait(0.25):
            now = time.monotonic()
            for process in list(self._processes.values()):
                if process.deadline is not None and now > process.deadline:
                    process.late = True
                    process.kill()


class _Process:
    """One child process and its pipes."""

    def __init__(self, memory: int) -> None:
        root = str(Path(__file__).parents[2])
        inherited = os.environ.get("PYTHONPATH")
        environment = {key: value for key, value in os.environ.items() if key != "TUMORSCOPE_TOKEN"} | {
            "PYTHONPATH": root + (os.pathsep + inherited if inherited else ""),
            "OPENBLAS_NUM_THREADS": "1",  # its per-thread buffers would count against the memory limit
            "OMP_NUM_THREADS": "1",
        }
        alone: dict[str, Any] = {} if os.name == "nt" else {"process_group": 0}
        # -P keeps the working directory, which may hold a foreign numpy.py, off the child's import path.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tumorscope.serving._reading_worker", str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            **alone,
        )
        if sys.platform == "linux" and self.process.stdout is not None:
            import fcntl

            with suppress(OSError):  # a system may allow less
                fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.deadline: float | None = None
        self.late = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, request: dict[str, Any]) -> None:
        text = json.dumps(request).encode()
        sink = cast(BinaryIO, self.process.stdin)
        sink.write(struct.pack("<I", len(text)) + text)
        sink.flush()

    def receive(self, seconds: float) -> Message:
        self.deadline = time.monotonic() + seconds
        try:
            source = cast(BinaryIO, self.process.stdout)
            header_size, body_size = struct.unpack("<IQ", _exactly(source, 12))
            if header_size > _LONGEST_HEADER or body_size > _LONGEST_BODY:
                raise ValueError
            return Message(json.loads(_exactly(source, header_size)), _exactly(source, body_size))
        finally:
            self.deadline = None

    def kill(self) -> None:
        """End it and the processes that it has started."""
        if self.process.poll() is None:
            with suppress(OSError):
                if os.name == "nt":
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it and close its pipes; for the thread that reads from them."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
