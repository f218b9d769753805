"""The child process that decodes compressed DICOM frames. Run as a module, never imported by the package.

Owns the calls into the native decoders. A corrupted codestream can make them abort the process, take all
memory or panic; here that costs one child. Reads requests from standard input and writes answers to standard
output, both as length-prefixed JSON and raw bytes: no pickle, nothing executable crosses the pipe.

On Linux the child limits its own address space to :data:`MEMORY_LIMIT` and leaves no core file. Windows has
no such limit and macOS does not enforce it: there only the parent's checks of the header and its timeout
protect.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY_LIMIT", "main"]

MEMORY_LIMIT = 3 * 1024**3
"""Address space of the child in bytes: ten times what a frame of 100 million 16-bit pixels takes."""


def main() -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    answers = _take_standard_output()
    _limit_resources()
    while (request := _read(requests)) is not None:
        header, frame = request
        try:
            pixels = np.ascontiguousarray(_decode(header, frame))
            answer = {"shape": list(pixels.shape), "dtype": pixels.dtype.str}
            body = pixels.tobytes()
        except BaseException as error:
            # Boundary to native decoders: Rust ones raise PanicException, which is no Exception. The parent
            # gets the name of the class only; texts may quote the file.
            answer, body = {"error": type(error).__name__}, b""
        _write(answers, answer, body)


def _take_standard_output() -> BinaryIO:
    """Keep the pipe for answers and send what a library prints nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return answers


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for which, most in ((resource.RLIMIT_AS, MEMORY_LIMIT), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(which)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(which, (wanted, hard))
        except (ValueError, OSError):  # macOS refuses some limits
            continue


def _read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    prefix = stream.read(12)
    if len(prefix) < 12:
        return None
    header_size, body_size = struct.unpack("<IQ", prefix)
    header = json.loads(stream.read(header_size))
    return header, stream.read(body_size)


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    text = json.dumps(header).encode()
    stream.write(struct.pack("<IQ", len(text), len(body)) + text)
    stream.write(body)
    stream.flush()


def _decode(header: dict[str, Any], frame: bytes) -> NDArray[Any]:
    codec = header["codec"]
    if codec == "JPEG":
        import imagecodecs

        return np.asarray(imagecodecs.jpeg8_decode(frame))
    if codec == "JPEG-LS":
        import jpeg_ls

        values, described = jpeg_ls.decode_buffer(frame)
        dtype = np.dtype("u1" if described["bits_per_sample"] <= 8 else "<u2")
        return np.frombuffer(values, dtype).reshape(described["height"], described["width"])
    if codec == "JPEG 2000":
        import imagecodecs

        return np.asarray(imagecodecs.jpeg2k_decode(frame))
    if codec == "RLE":
        import imagecodecs

        cell = np.dtype(f"<u{header['bits_allocated'] // 8}")
        values = imagecodecs.dicomrle_decode(frame, dtype=cell)
        return np.frombuffer(values, cell).reshape(header["rows"], header["columns"])
    raise ValueError


if __name__ == "__main__":
    main()
