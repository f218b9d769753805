"""The decoding process: it may die, hang or lie, and the next frame is decoded all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import pytest

from reading_files import dicom_bytes, head_pixels, mr_dataset
from tumorscope.reading import decoder
from tumorscope.reading.codestream import Codec, FrameHeader, read_frame_header, rle_segments
from tumorscope.reading.decoder import DecodingError, decode_frame

PIXELS = head_pixels()
STREAM = bytes(jpeg_ls.encode_array(PIXELS))


def decode() -> None:
    np.testing.assert_array_equal(decode_frame(Codec.JPEG_LS, STREAM, 48, 40, 16), PIXELS)


def test_one_process_serves_many_frames() -> None:
    decode()
    first = decoder._worker().process.pid
    for _ in range(20):
        decode()
    assert decoder._worker().process.pid == first


def test_a_dead_process_is_replaced() -> None:
    decode()
    worker = decoder._worker()
    worker.process.kill()
    worker.process.wait()
    decode()
    assert decoder._worker().process.pid != worker.process.pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no SIGSTOP on Windows")
def test_a_process_that_dies_on_a_frame_costs_that_frame() -> None:
    decode()
    worker = decoder._worker()
    worker.process.send_signal(signal.SIGSTOP)
    threading.Timer(0.2, worker.process.kill).start()
    with pytest.raises(DecodingError, match="died"):
        decode()
    decode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no SIGSTOP on Windows")
def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    decode()
    monkeypatch.setattr(decoder, "TIMEOUT", 0.3)
    decoder._worker().process.send_signal(signal.SIGSTOP)
    with pytest.raises(DecodingError, match=r"longer than 0\.3 seconds"):
        decode()
    monkeypatch.undo()
    decode()


def test_a_wrong_size_is_not_an_image() -> None:
    with pytest.raises(DecodingError, match=r"another size|died"):
        decode_frame(Codec.JPEG_LS, STREAM, 40, 48, 16)
    with pytest.raises(DecodingError, match=r"another size|died"):
        decode_frame(Codec.JPEG_LS, STREAM, 4, 4, 16)
    decode()


@pytest.mark.parametrize("codec", list(Codec))
def test_garbage_is_refused(codec: Codec) -> None:
    for garbage in (b"", b"\xff" * 50, bytes(500), STREAM[:30]):
        with pytest.raises(DecodingError):
            decode_frame(codec, garbage, 48, 40, 16)
    decode()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces the limit")
def test_the_process_limits_its_memory() -> None:
    decode()
    limits = Path(f"/proc/{decoder._worker().process.pid}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert int(line.split()[3]) <= 3 * 1024**3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows")
def test_a_fork_gets_its_own_process(tmp_path: Path) -> None:
    """In a process of its own: forking the test runner would warn of its threads."""
    script = """
import os, pathlib, sys
from tumorscope.reading.decoder import _worker, decode_frame
from tumorscope.reading.codestream import Codec
stream = pathlib.Path(sys.argv[1]).read_bytes()
decode_frame(Codec.JPEG_LS, stream, 48, 40, 16)
mine = _worker().process.pid
child = os.fork()
decode_frame(Codec.JPEG_LS, stream, 48, 40, 16)
if child == 0:
    sys.exit(0 if _worker().process.pid != mine else 9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
decode_frame(Codec.JPEG_LS, stream, 48, 40, 16)
assert _worker().process.pid == mine
"""
    file = tmp_path / "frame.jls"
    file.write_bytes(STREAM)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(file)], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('foreign code ran')")
    (tmp_path / "json.py").write_text("raise SystemExit('foreign code ran')")
    dataset = mr_dataset(PIXELS)
    dataset.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    (tmp_path / "scan.dcm").write_bytes(dicom_bytes(dataset))
    script = "from tumorscope.reading.open import open_slices; print(len(list(open_slices('scan.dcm'))))"
    command = [sys.executable, "-P", "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"1", b"")


def test_headers_of_codestreams() -> None:
    expected = FrameHeader(columns=40, rows=48, components=1, precision=12)
    assert read_frame_header(Codec.JPEG_LS, STREAM) == expected
    jpeg = bytes(imagecodecs.jpeg8_encode(PIXELS, bitspersample=12))
    assert read_frame_header(Codec.JPEG, jpeg) == FrameHeader(40, 48, 1, 12)
    for codec in (Codec.JPEG, Codec.JPEG_LS, Codec.JPEG_2000):
        for broken in (
            b"",
            b"\xff\xd9",
            b"\xff\xd8\xff\xd9",
            jpeg[:20] + b"\xff\xd9",
            b"\xff\xd8" + bytes(9) + b"\xff\xd9",
        ):
            with pytest.raises(ValueError, match=r"marker|start|SIZ|header|family"):
                read_frame_header(codec, broken)


def test_headers_of_run_lengths() -> None:
    def header(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(4, "little") for number in numbers).ljust(64, b"\0") + bytes(100)

    assert rle_segments(header(2, 64, 100)) == 2
    for broken in (
        header(0, 64),
        header(16, 64),
        header(2, 64, 9999),
        header(2, 100, 64),
        header(1, 0),
        b"short",
    ):
        with pytest.raises(ValueError, match="RLE header"):
            rle_segments(broken)
