"""Compressed frames to arrays, through a child process that may die.

Owns the life of the one child (:mod:`tumorscope.reading._decode_worker`): started at the first frame, kept
for the next, restarted when it dies, killed when it takes longer than :data:`TIMEOUT`. Knows codestreams, not
DICOM.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from tumorscope.reading.codestream import Codec

__all__ = ["TIMEOUT", "DecodingError", "decode_frame"]

TIMEOUT = 60.0
"""Seconds one frame may take; 100 million pixels of JPEG 2000 take about ten."""

_DTYPES = frozenset({"|u1", "|i1", "<u2", "<i2", "<u4", "<i4"})


class DecodingError(Exception):
    """The child gave no image; the text says why in words free of file content."""


def decode_frame(codec: Codec, frame: bytes, rows: int, columns: int, bits_allocated: int) -> NDArray[Any]:
    """Decode one gray frame.

    Parameters
    ----------
    codec
        How it is compressed.
    frame
        The codestream.
    rows, columns
        The size that the result must have.
    bits_allocated
        8, 16 or 32: the size of a cell, which an RLE codestream does not tell itself.

    Returns
    -------
    numpy.ndarray
        ``[rows, columns]``, integer, as the decoder gave it.

    Raises
    ------
    DecodingError
        If the decoder refused, died, ran out of memory or time, or gave another size.
    """
    request = {"codec": codec.value, "rows": rows, "columns": columns, "bits_allocated": bits_allocated}
    with _LOCK:
        answer, body = _worker().ask(request, frame, largest=rows * columns * 4)
    if "error" in answer:
        raise DecodingError(f"the {codec} decoder refused it ({answer['error']})")
    shape, dtype = tuple(answer["shape"]), answer["dtype"]
    if shape != (rows, columns) or dtype not in _DTYPES:
        raise DecodingError(f"the {codec} decoder gave another size or depth than the header claims")
    if len(body) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise DecodingError("the answer of the decoding process was cut off")
    return np.frombuffer(body, dtype).reshape(shape)


class _Worker:
    """One child process and its pipes."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        root = str(Path(__file__).parents[2])
        inherited = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": root + (os.pathsep + inherited if inherited else ""),
            "OPENBLAS_NUM_THREADS": "1",  # its per-thread buffers would count against the child's memory limit
        }
        # -P keeps the working directory, which may hold a foreign numpy.py, off the child's import path.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tumorscope.reading._decode_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def usable(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def ask(self, request: dict[str, Any], frame: bytes, largest: int) -> tuple[dict[str, Any], bytes]:
        """Send one frame and wait for the answer; the child is gone when this raises."""
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            self.process.kill()

        timer = threading.Timer(TIMEOUT, give_up)
        timer.daemon = True
        timer.start()
        try:
            text = json.dumps(request).encode()
            sink = cast(BinaryIO, self.process.stdin)
            sink.write(struct.pack("<IQ", len(text), len(frame)) + text)
            sink.write(frame)
            sink.flush()
            return self._answer(largest)
        except (OSError, EOFError, ValueError) as error:
            self.stop()
            why = f"took longer than {TIMEOUT:g} seconds" if timed_out.is_set() else "died"
            raise DecodingError(f"the {request['codec']} decoder {why} on it") from error
        finally:
            timer.cancel()

    def _answer(self, largest: int) -> tuple[dict[str, Any], bytes]:
        source = cast(BinaryIO, self.process.stdout)
        header_size, body_size = struct.unpack("<IQ", _exactly(source, 12))
        if header_size > 4096 or body_size > largest:
            raise ValueError
        header = json.loads(_exactly(source, header_size))
        return header, _exactly(source, body_size)

    def stop(self) -> None:
        """End the child and close the pipes; harmless in a fork of the owner, which must not touch them."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was buffered for a dead child
                    continue
        self.process.wait()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


_LOCK = threading.Lock()
_CURRENT: list[_Worker] = []
_ABANDONED: list[
    _Worker
] = []  # belong to the process this one was forked from; kept so that nothing closes them


def _worker() -> _Worker:
    """The living child of this process."""
    if _CURRENT and not _CURRENT[0].usable:
        old = _CURRENT.pop()
        old.stop()
        if old.owner != os.getpid():
            _ABANDONED.append(old)
    if not _CURRENT:
        _CURRENT.append(_Worker())
    return _CURRENT[0]


def _renew_lock() -> None:
    """A fork may happen while another thread holds the lock, which would then never be freed."""
    global _LOCK  # noqa: PLW0603 - the hook exists to replace it
    _LOCK = threading.Lock()


@atexit.register
def _stop_all() -> None:
    while _CURRENT:
        _CURRENT.pop().stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
