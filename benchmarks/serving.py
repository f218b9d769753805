"""What the server costs over the library, how even its answers come, and what hostile uploads do to it.

One server runs as a child process; the same files are answered by the library in this process, in turn with it,
so that what else the machine does falls on both.

- *throughput*: 16 clients post one 512 x 512 PNG after the other; slices a second over those of
  ``Classifier.predict`` on a list of as many paths. The clients are raw sockets in one thread, but they and the
  server share the processors, which the library has for itself.
- *latency*: at half of that throughput, evenly spaced, the 99th percentile over the median.
- *hostile*: good images and broken or hostile files in turn; every good one must be answered right, nothing may be
  a 5xx, and the server's memory (with its readers) must come back.

``python benchmarks/serving.py --seconds 2 --hostile 40`` is a quick look; the defaults are the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from PIL import Image
from timing import machine

from tumorscope import load
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import Prediction
from tumorscope.inference.classifier import Classifier
from tumorscope.synthesis.phantom import make_phantom

CLIENTS = 16
SIDE = 512
LEAST_SHARE = 0.7
MOST_SPREAD = 4.0
MOST_GROWTH = 0.1


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        paths = _images(Path(name))
        classifier = load()
        with _server() as (port, process):
            good = [_request(path.read_bytes(), port) for path in paths]
            shares = []
            for turn in range(-1, options.rounds):
                ours = _library(classifier, paths, options.seconds)
                theirs = asyncio.run(_closed_loop(port, good, options.seconds))
                if turn >= 0:
                    shares.append((theirs.rate / ours, theirs.rate, ours))
            share, rate, ours = sorted(shares)[len(shares) // 2]
            even = asyncio.run(_open_loop(port, good, rate / 2, options.seconds * 3))
            expected = classifier.predict(paths[0])
            assert isinstance(expected, Prediction)
            hostile = asyncio.run(
                _hostile(port, good[0], expected.diagnosis.value, options.hostile, process.pid)
            )
    spread = even.percentile(99) / even.percentile(50)
    print(machine())
    print(f"library {ours:.1f} slices/s, server {rate:.1f} slices/s at {CLIENTS} clients")
    print(f"throughput: {share:.2f} of the library (target: at least {LEAST_SHARE})")
    print(
        f"latency at half load: median {even.percentile(50) * 1e3:.1f} ms, p99 {even.percentile(99) * 1e3:.1f} ms, "
        f"ratio {spread:.1f} (target: at most {MOST_SPREAD})"
    )
    print(hostile.told())
    return 0 if share >= LEAST_SHARE and spread <= MOST_SPREAD and hostile.well else 1


@dataclass
class Load:
    """What came back under load."""

    seconds: float = 0.0
    taken: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.taken) / self.seconds

    def percentile(self, share: float) -> float:
        """A percentile of the seconds that an answer took."""
        return float(np.percentile(self.taken, share))


@dataclass
class Hostile:
    """What hostile uploads did."""

    right: int
    wrong: int
    mistakes: int
    before: int
    after: int

    @property
    def growth(self) -> float:
        """Of the memory, as a share of what it was."""
        return self.after / self.before - 1

    @property
    def well(self) -> bool:
        """Whether all is as it should be."""
        return self.wrong == 0 and self.mistakes == 0 and self.growth <= MOST_GROWTH

    def told(self) -> str:
        """In one line."""
        return (
            f"hostile: {self.right} good ones right, {self.wrong} wrong, {self.mistakes} answers of 5xx; memory "
            f"{self.before >> 20} MiB before, {self.after >> 20} MiB after ({self.growth:+.0%}, target: within 10 %)"
        )


def _library(classifier: Classifier, paths: list[Path], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        classifier.predict(paths)
        done += len(paths)
    return done / (time.perf_counter() - start)


async def _closed_loop(port: int, requests: list[bytes], seconds: float) -> Load:
    """Every client asks again as soon as it is answered."""
    found, end = Load(), time.perf_counter() + seconds

    async def client(place: int) -> None:
        async with _Connection(port) as connection:
            number = place
            while (start := time.perf_counter()) < end:
                status, _ = await connection.ask(requests[number % len(requests)])
                assert status == 200, status
                found.taken.append(time.perf_counter() - start)
                number += CLIENTS

    start = time.perf_counter()
    await asyncio.gather(*map(client, range(CLIENTS)))
    found.seconds = time.perf_counter() - start
    return found


async def _open_loop(port: int, requests: list[bytes], rate: float, seconds: float) -> Load:
    """A request every so often, whether or not the one before is answered; time counts from when it was due."""
    found = Load(seconds)
    idle: asyncio.Queue[_Connection] = asyncio.Queue()

    async def one(due: float, request: bytes) -> None:
        connection = await idle.get()
        status, _ = await connection.ask(request)
        assert status == 200, status
        found.taken.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    connections = [await _Connection(port).__aenter__() for _ in range(64)]
    for connection in connections:
        idle.put_nowait(connection)
    start, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due, requests[number % len(requests)])))
    await asyncio.gather(*tasks)
    for connection in connections:
        await connection.__aexit__()
    return found


async def _hostile(port: int, good: bytes, diagnosis: str, count: int, pid: int) -> Hostile:
    chance = random.Random(1)
    bad = [_request(content, port) for content in _hostile_files(chance)]
    right = wrong = mistakes = 0

    async def client(numbers: Iterator[int]) -> None:
        nonlocal right, wrong, mistakes
        async with _Connection(port) as connection:
            for number in numbers:
                for request in (good, bad[number % len(bad)]):
                    status, body = await connection.ask(request)
                    mistakes += status >= 500
                    if request is good:
                        cases = json.loads(body)["cases"] if status == 200 else []
                        is_right = bool(cases) and cases[0]["slices"][0]["diagnosis"] == diagnosis
                        right, wrong = right + is_right, wrong + (not is_right)

    for _ in range(2):  # what a first round makes it keep is no growth
        await client(iter(range(len(bad))))
    await asyncio.sleep(3)
    before = _memory(pid)
    right = wrong = mistakes = 0
    numbers = iter(range(count))
    await asyncio.gather(*(client(numbers) for _ in range(4)))
    await asyncio.sleep(5)
    return Hostile(right, wrong, mistakes, before, _memory(pid))


def _hostile_files(chance: random.Random) -> list[bytes]:
    image = _encoded(make_phantom(Diagnosis.GLIOMA, chance.randrange(1000)).pixels)
    files = [
        b"",
        b"junk",
        image[:100],
        image[: len(image) // 2],
        bytes(128) + b"DICM" + chance.randbytes(4000),
    ]
    files += [
        chance.randbytes(3000),
        b"PK\x03\x04" + chance.randbytes(3000),
        b"\x1f\x8b\x08" + chance.randbytes(3000),
    ]
    for _ in range(32):
        damaged = bytearray(image)
        for _ in range(8):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        files.append(bytes(damaged))
    return files


class _Connection:
    """One HTTP connection, kept open."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> _Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read status and body."""
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await self._reader.readexactly(int(found[1])) if found else b""
        return int(head[9:12]), body


def _request(content: bytes, port: int) -> bytes:
    body = b"".join(
        (
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n',
            b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--b--\r\n",
        )
    )
    head = (
        f"POST /v1/predictions?keep=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def _server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "tumorscope", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        found = re.search(rb":(\d+) ", process.stdout.readline())
        assert found
        port = int(found[1])
        try:
            while not _is_ready(port):
                time.sleep(0.1)
            yield port, process
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/v1/health/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _memory(pid: int) -> int:
    """Proportional set size of a process and all below it, in bytes; Linux."""
    total, below = 0, [pid]
    while below:
        one = below.pop()
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        total += int(re.search(r"Pss:\s+(\d+)", rollup)[1]) * 1024  # type: ignore[index]
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            below += [int(number) for number in children.read_text().split()]
    return total


def _images(folder: Path) -> list[Path]:
    paths = []
    for number in range(32):
        path = folder / f"{number}.png"
        path.write_bytes(_encoded(make_phantom(list(Diagnosis)[number % 4], number, SIDE).pixels))
        paths.append(path)
    return paths


def _encoded(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="Time of one measurement of throughput.")
    parser.add_argument("--rounds", type=int, default=5, help="Measurements of library and server in turn.")
    parser.add_argument("--hostile", type=int, default=1000, help="Hostile uploads, and as many good ones.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
