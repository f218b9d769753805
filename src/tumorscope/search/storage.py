"""Where a study is kept: a journal file, or a database that several machines reach.

Owns the reading of ``--storage`` and the one way it is shown: a password never is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import InvalidConfiguration, MissingDependency
from tumorscope.core.files import check_writable
from tumorscope.core.optional import require

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal import JournalFileSymlinkLock

__all__ = ["JOURNAL", "Location", "locate", "opened", "storage_errors"]

JOURNAL = "study.journal"
_DATABASES = {"sqlite", "postgresql", "mysql", "mariadb"}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z0-9+]+)://(?:(?P<user>[^:@/]*)(?P<secret>:.*)?@)?(?P<rest>.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Location:
    """A storage.

    Parameters
    ----------
    shown
        What may be printed and written into files.
    url
        URL of a database, with its password; ``None`` for a journal.
    file
        The file of a journal or an SQLite database.
    """

    shown: str
    url: str | None = field(default=None, repr=False)
    file: Path | None = None


def locate(storage: str | None, out: Path) -> Location:
    """Read what a user gave.

    Parameters
    ----------
    storage
        ``None`` for a journal in ``out``; a path for a journal there; or the URL of a database, as SQLAlchemy reads it.
    out
        Folder of the search.

    Raises
    ------
    InvalidConfiguration
        If it is no storage that several workers can share.
    """
    if storage is None or "://" not in storage:
        file = out / JOURNAL if storage is None else Path(storage)
        check_writable(file)
        return Location(str(file), file=file)
    match = _URL.fullmatch(storage)
    scheme = match["scheme"].lower() if match else storage.partition("://")[0]
    if match is None or scheme.partition("+")[0] not in _DATABASES:
        raise InvalidConfiguration(
            f"the storage begins with {scheme}://; accepted are a file (a journal), sqlite:///FILE, "
            "postgresql://USER:PASSWORD@HOST/DATABASE and mysql://..."
        )
    shown = _without_secrets(storage, match)
    if not scheme.startswith("sqlite"):
        return Location(shown, storage)
    place = re.split(r"[?#]", match["rest"])[0]
    if not place.removeprefix("/") or ":memory:" in place:
        raise InvalidConfiguration(
            "the storage is an SQLite database in memory, which no other worker sees; give sqlite:///FILE"
        )
    file = Path(place.removeprefix("/"))
    check_writable(file)
    return Location(shown, storage, file)


def _without_secrets(url: str, match: re.Match[str]) -> str:
    """The URL without password and query, which can hold one too; little of it where it can be read in two ways."""
    scheme = match["scheme"].lower()
    before, at, _ = url.partition("@")
    if url.count("@") > 1 or (at and re.search(r"[?#]", before)):
        return f"{scheme}://***"
    user = "" if match["user"] is None else match["user"] + (":***@" if match["secret"] else "@")
    return f"{scheme}://{user}{re.split(r'[?#]', match['rest'])[0]}"


@contextmanager
def storage_errors(location: Location) -> Iterator[None]:
    """Turn what a storage complains of into one line without its URL."""
    optuna = require("optuna", extra="search", purpose="a search")
    sqlalchemy = require("sqlalchemy.exc", extra="search", purpose="a search")
    try:
        yield
    except (sqlalchemy.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        raise InvalidConfiguration(
            f"the storage {location.shown} cannot be used ({type(cause).__name__}); check that it is there, that the "
            "user and password are right, and that it may be written to"
        ) from None


def opened(location: Location) -> BaseStorage:
    """Open the storage, making it where it does not exist.

    Raises
    ------
    InvalidConfiguration
        If it cannot be reached or is something else.
    MissingDependency
        If the database needs a driver that is not installed.
    """
    storages = require("optuna.storages", extra="search", purpose="a search")
    if location.file is not None:
        location.file.parent.mkdir(parents=True, exist_ok=True)
    if location.url is None:
        journal = require("optuna.storages.journal", extra="search", purpose="a search")
        try:
            _mend(location.file, journal.JournalFileSymlinkLock)
            return storages.JournalStorage(journal.JournalFileBackend(str(location.file)))  # type: ignore[no-any-return]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidConfiguration(
                f"{location.shown} is not the journal of a search; name another"
            ) from error
    with storage_errors(location):
        try:
            return _database(location, storages.RDBStorage)
        except ValueError:  # of the URL: its port is no number
            raise InvalidConfiguration(
                f"the storage {location.shown} is not the URL of a database; "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE is one, special letters percent-encoded"
            ) from None


def _mend(file: Path | None, make_lock: Callable[[str], JournalFileSymlinkLock]) -> None:
    """Cut off the line that a full disk or a loss of power left unfinished; what is written after it would be lost.

    Raises
    ------
    ValueError
        If the file is not a journal; it is left as it is.
    """
    if file is None or not file.is_file() or not file.stat().st_size:
        return
    with file.open("rb") as stream:
        if "op_code" not in json.loads(stream.readline()):
            raise ValueError
    lock = make_lock(str(file))
    lock.acquire()  # a line that another worker is writing is not unfinished
    try:
        with file.open("rb+") as stream:
            content = stream.read()
            if not content.endswith(b"\n"):
                stream.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _database(location: Location, make: Callable[..., BaseStorage]) -> BaseStorage:
    """Connect. Of workers that start at once all may try to make the tables of a file: the later ones try again."""
    from sqlalchemy.exc import IntegrityError, OperationalError

    options = {"connect_args": {"timeout": 60}} if location.file is not None else {"pool_pre_ping": True}
    attempts = 10 if location.file is not None else 1
    for attempt in range(1, attempts + 1):
        try:
            return make(url=location.url, engine_kwargs=options)
        except ImportError:
            scheme = location.shown.partition("://")[0]
            raise MissingDependency(
                f"the storage {location.shown} needs the Python driver of {scheme}, which is not installed; install it "
                "(for example psycopg for postgresql+psycopg://, pymysql for mysql+pymysql://)"
            ) from None
        except (IntegrityError, OperationalError):
            if attempt == attempts:
                raise
            time.sleep(0.2 * attempt)
    raise AssertionError("unreachable")
