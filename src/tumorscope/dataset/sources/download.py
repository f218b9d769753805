"""One file over HTTP, whole or not at all, and as little of it twice as possible.

Owns retries, resuming and the checksum. A download grows under ``NAME.part``, with what the server said of the file
in ``NAME.part.json`` beside it, and takes its name when size and checksum are right. Knows no data set.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request

from tumorscope.core.errors import DownloadFailed
from tumorscope.core.files import atomic_write, check_writable
from tumorscope.dataset.sources.catalogue import KnownFile
from tumorscope.dataset.sources.web import default_headers, host, open_url, reason, unreachable

__all__ = ["PART_SUFFIX", "Progress", "download"]

Progress = Callable[[int, int], None]
PART_SUFFIX = ".part"

_ATTEMPTS = 6  # in a row without a single new byte
_LONGEST_PAUSE = 30.0
_CHUNK = 1 << 20
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_WHOLE, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416


@dataclass(frozen=True, slots=True)
class _Remote:
    """What a server said of a file: bytes in all, and what changes when the file does."""

    size: int | None = None
    etag: str | None = None
    modified: str | None = None

    @property
    def validator(self) -> str | None:
        """Value of ``If-Range``; a weak tag may not stand there (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Interrupted(Exception):
    """The connection ended early; another attempt may go on."""


def download(
    file: KnownFile,
    folder: Path,
    *,
    advice: str,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file, going on where an earlier download stopped.

    Parameters
    ----------
    file
        What to download; its size and MD5 are checked where they are known. A file that lies there already is
        taken if they are right.
    folder
        Where to put it.
    advice
        What else a user can do, for the message when it fails.
    progress
        Called with (bytes there, bytes in all).
    pause
        Waits the given seconds before another attempt.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    DownloadFailed
        If the host cannot be reached or refuses, the connection breaks again and again, or the checksum is wrong
        (what was downloaded is deleted then).
    InvalidConfiguration
        If the folder cannot be written to.
    """
    target = folder / file.name
    check_writable(target)
    if target.is_file() and _is_right(target, file):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    _Download(file, target.with_name(target.name + PART_SUFFIX), advice, progress, pause).run()
    part = target.with_name(target.name + PART_SUFFIX)
    if not _is_right(part, file):
        _forget(part)
        raise DownloadFailed(
            f"the download of {file.name} does not have the published size and checksum; it was deleted. "
            f"Try again later; {advice}"
        )
    part.replace(target)
    _forget(part)
    return target


class _Download:
    """The attempts at one file."""

    def __init__(
        self,
        file: KnownFile,
        part: Path,
        advice: str,
        progress: Progress | None,
        pause: Callable[[float], None],
    ) -> None:
        self._file = file
        self._part = part
        self._notes = part.with_name(part.name + ".json")
        self._advice = advice
        self._progress = progress
        self._pause = pause
        self._answered = False

    def run(self) -> None:
        failures, furthest = 0, self._there()
        while True:
            try:
                self._attempt()
            except _Interrupted as error:
                failures = 0 if self._there() > furthest else failures + 1
                furthest = max(furthest, self._there())
                if failures >= _ATTEMPTS:
                    raise DownloadFailed(
                        f"the download of {self._file.name} broke off {failures} times in a row "
                        f"({error}); what is there is kept, so that the same command goes on; {self._advice}"
                    ) from error
                self._pause(min(2.0**failures, _LONGEST_PAUSE))
            else:
                return

    def _attempt(self) -> None:
        there, remote = self._there(), self._remote()
        headers = default_headers()
        if there:
            headers["Range"] = f"bytes={there}-"
            if remote.validator:
                headers["If-Range"] = remote.validator
        try:
            with open_url(Request(self._file.url, headers=headers)) as answer:
                self._answered = True
                self._receive(answer, there, remote)
        except HTTPError as error:
            self._answered = True
            error.close()
            self._refused(error, there)
        except (_Interrupted, DownloadFailed):
            raise
        except (OSError, HTTPException, ValueError) as error:
            if not self._answered:  # no network, or no such host: waiting will not help
                raise unreachable(self._file.url, error, self._advice) from error
            raise _Interrupted(reason(error)) from error

    def _refused(self, error: HTTPError, there: int) -> None:
        if error.code == _NOT_SATISFIABLE and there:
            if there != self._remote().size:
                _forget(self._part)
                raise _Interrupted("the file on the server became shorter") from error
            return  # everything is there already; the checksum will tell
        if error.code in _TRY_AGAIN:
            raise _Interrupted(f"the server answered {error.code}") from error
        raise DownloadFailed(
            f"{host(self._file.url)} answered {error.code} {error.reason} for {self._file.name}; {self._advice}"
        ) from error

    def _receive(self, answer: HTTPResponse, there: int, known: _Remote) -> None:
        if answer.status not in (_WHOLE, _PARTIAL):
            raise DownloadFailed(
                f"{host(self._file.url)} answered {answer.status} instead of {self._file.name}, as hosts do that "
                f"want to see a browser; {self._advice}"
            )
        goes_on = answer.status == _PARTIAL
        start, size = _content_range(answer) if goes_on else (0, _length(answer))
        remote = _Remote(size, answer.headers["ETag"], answer.headers["Last-Modified"])
        if goes_on and (start != there or (known.size, known.etag) != (remote.size, remote.etag)):
            _forget(self._part)
            raise _Interrupted("the file on the server changed")
        if not goes_on:  # all of it: a first answer, a server without ranges, or a file that changed
            self._part.unlink(missing_ok=True)
            there = 0
        atomic_write(self._notes, json.dumps(asdict(remote)))
        expected = size if size is not None else self._file.size
        with self._part.open("ab") as stream:
            there = self._copy(answer, stream, there, expected)
        if expected is not None and there < expected:
            raise _Interrupted(f"the connection ended after {there:,} of {expected:,} bytes")

    def _copy(self, answer: HTTPResponse, stream: IO[bytes], there: int, expected: int | None) -> int:
        while chunk := answer.read1(_CHUNK):
            there += len(chunk)
            if expected is not None and there > expected:
                _forget(self._part)
                raise _Interrupted("the server sent more than it announced")
            self._write(stream, chunk)
            if self._progress is not None:
                self._progress(there, expected or there)
        return there

    def _write(self, stream: IO[bytes], chunk: bytes) -> None:
        try:
            stream.write(chunk)
            stream.flush()
        except OSError as error:
            raise DownloadFailed(
                f"{self._part} cannot be written ({error.strerror}); make room and run the same command again"
            ) from error

    def _there(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _remote(self) -> _Remote:
        """What the server said when the part was begun; a part without it is begun anew."""
        try:
            return _Remote(**json.loads(self._notes.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return _Remote()


def _content_range(answer: HTTPResponse) -> tuple[int, int | None]:
    """First byte and full size from ``Content-Range: bytes 10-99/100``; -1 where it is not understood."""
    unit, _, rest = (answer.headers["Content-Range"] or "").partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit.lower() != "bytes" or not first.isdecimal():
        return -1, None
    return int(first), int(total) if total.isdecimal() else None


def _length(answer: HTTPResponse) -> int | None:
    text = answer.headers["Content-Length"] or ""
    return int(text) if text.isdecimal() else None


def _is_right(path: Path, file: KnownFile) -> bool:
    if file.size is not None and path.stat().st_size != file.size:
        return False
    if file.md5 is None:
        return True
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest() == file.md5.lower()


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)
