"""Where the server listens and how much it takes.

Owns :class:`Settings`, every limit with its default. Knows no framework.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MIB", "PROCESSORS", "Settings"]

MIB = 1024**2
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""How many this process may use."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; the defaults suit one department's machine.

    Parameters
    ----------
    model
        A bundle; the shipped one for ``None``.
    host, port
        Where to listen; port 0 for any that is free.
    token
        What clients must present, ``None`` where nobody is asked.
    certificate, key
        PEM files for TLS.
    insecure
        Whether to listen to other machines without token and TLS.
    threads
        Threads of the network; half of the processors for ``None``, since the other half decodes.
    readers
        Processes that decode files.
    reader_memory
        Address space of each, in bytes.
    file_seconds
        Time a file, or one slice of a large one, may take to be decoded.
    header_seconds, upload_seconds, answer_seconds
        Time the header of a request may take to arrive, its body, and its answers to be made.
    body_bytes
        Largest request body.
    files, frames, slice_pixels
        Most files of one request, most slices, and most pixels of a slice.
    queue
        Requests for predictions that are taken at one time; the next one is sent away for a while.
    batch, batch_seconds
        Most slices in one run of the network, and how long the first of them waits for others.
    keep_seconds, longest_keep_seconds
        How long a set of cases is kept, unless a client chooses otherwise, and the most it may choose.
    set_bytes, kept_bytes
        Most memory of one set of cases and of all of them; the oldest go first.
    """

    model: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False
    threads: int | None = None
    readers: int = min(8, PROCESSORS)
    reader_memory: int = 3072 * MIB
    file_seconds: float = 60.0
    header_seconds: float = 30.0
    upload_seconds: float = 300.0
    answer_seconds: float = 600.0
    body_bytes: int = 512 * MIB
    files: int = 2000
    frames: int = 4000
    slice_pixels: int = 25_000_000
    queue: int = 64
    batch: int = 16
    batch_seconds: float = 0.002
    keep_seconds: int = 900
    longest_keep_seconds: int = 24 * 3600
    set_bytes: int = 1024 * MIB
    kept_bytes: int = 2048 * MIB
