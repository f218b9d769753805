"""The child process that opens what clients sent. Run as a module, never imported by the package.

Owns the way from files to prepared slices behind a limit of memory: a hostile file costs this process, and the server
starts another. Requests come over standard input and answers go to standard output, both as length-prefixed JSON and
raw bytes: no pickle, nothing executable crosses the pipe. Knows no HTTP and no network.

A request names files; for every source in them come its slices and failures, then ``{"end": true}``. ``start`` passes
over the sources that an earlier process has answered, or died of.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from dataclasses import asdict
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from tumorscope.core.errors import UnreadableImage
from tumorscope.inference.batch import Prepared, prepare
from tumorscope.inference.record import Failure
from tumorscope.reading.discover import Source, discover
from tumorscope.serving.pixels import gray_of

__all__ = ["main"]


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to hear, which lets work end first
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not look like an answer
    _limit_memory(int(sys.argv[1]))
    _warm_up()
    _send(answers, {"ready": True})
    while len(prefix := requests.read(4)) == 4:
        request = json.loads(requests.read(struct.unpack("<I", prefix)[0]))
        _answer(request, answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    sources = list(discover(request["paths"]))
    for number, source in islice(enumerate(sources), request["start"], None):
        _send(answers, {"source": number, "path": source.path, "series": source.series})
        try:
            _read(source, request, answers)
        except Exception as error:
            # Boundary: whatever a file makes of a reader costs that file and not the process.
            told = f"{source.path}: it could not be read ({type(error).__name__})"
            _send(answers, {"failure": told, "code": UnreadableImage.code})
    _send(answers, {"end": True})


def _read(source: Source, request: dict[str, Any], answers: BinaryIO) -> None:
    for item in prepare([source], request["size"]):
        if isinstance(item, Failure):
            _send(answers, {"failure": item.message, "code": item.code})
            continue
        height, width = item.source.shape
        most = request["slice_pixels"]
        if height * width > most:
            told = f"{source.path}: the slice has {width} x {height} pixels; at most {most:,} are taken"
            _send(answers, {"failure": told, "code": "too-large"})
            return
        _send_slice(item, answers)


def _send_slice(item: Prepared, answers: BinaryIO) -> None:
    image, origin = item.source, item.source.origin
    gray = gray_of(image, item.frame)
    header = {
        "slice": [*image.shape, gray.pixels.dtype.itemsize],
        "side": item.image.shape[0],
        "head": asdict(item.frame),
        "gray": [gray.slope, gray.intercept, *gray.window],
        "given": gray.given,
        "frame": origin.frame,
        "frames": origin.frames,
        "stack": origin.series is not None,
        "plane": origin.plane,
        "spacing": origin.spacing,
        "edges": asdict(origin.edges) if origin.edges else None,
    }
    little = gray.pixels.dtype.newbyteorder("<")
    _send(
        answers,
        header,
        np.ascontiguousarray(item.image).tobytes(),
        np.ascontiguousarray(gray.pixels, little).tobytes(),
    )


def _send(answers: BinaryIO, header: dict[str, Any], *bodies: bytes) -> None:
    text = json.dumps(header).encode()
    answers.write(struct.pack("<IQ", len(text), sum(map(len, bodies))) + text)
    for body in bodies:
        answers.write(body)
    answers.flush()


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    for which, wanted in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(which)
        try:
            resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
        except (ValueError, OSError):  # macOS refuses some limits
            continue


def _warm_up() -> None:
    """Import the formats' libraries before the first file asks for them."""
    import highdicom
    import nibabel
    import pydicom

    _ = (highdicom, nibabel, pydicom)


if __name__ == "__main__":
    main()
