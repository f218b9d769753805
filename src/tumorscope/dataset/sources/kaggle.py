"""Data sets of Kaggle, by the library kagglehub: from its cache where they are complete there, else by download.

Owns the one place that touches kagglehub. Its cache lies where ``KAGGLEHUB_CACHE`` says
(``datasets/OWNER/NAME/versions/N`` with the marker ``N.complete`` beside ``versions``). Asked for a numbered version
that is complete there, kagglehub opens no connection.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tumorscope.core.errors import DownloadFailed
from tumorscope.core.optional import require

__all__ = ["kaggle_folder"]


def kaggle_folder(handle: str, release: int, *, advice: str, show: bool = False) -> Path:
    """Give the folder of a data set in kagglehub's cache, downloaded first where it is not there.

    Parameters
    ----------
    handle
        ``owner/name``.
    release
        Number of the version on Kaggle.
    advice
        What else a user can do, for the message when it fails.
    show
        Whether kagglehub may draw its own progress bar on standard error.

    Raises
    ------
    DownloadFailed
        If it is not in the cache and cannot be downloaded.
    MissingDependency
        If kagglehub is not installed.
    """
    with _quiet(show):
        kagglehub = require("kagglehub", extra="data", purpose="fetching from Kaggle")
        clients = require("kagglehub.clients", extra="data", purpose="fetching from Kaggle")
        # It would compare its version with what the server says and print advice to standard output.
        vars(clients)["already_printed_version_warning"] = True
        try:
            return Path(kagglehub.dataset_download(f"{handle}/versions/{release}"))
        except Exception as error:
            # Boundary to kagglehub and the clients below it, whose errors have no common base but Exception.
            raise DownloadFailed(
                f"version {release} of {handle} is not in the cache of kagglehub and could not be downloaded "
                f"({_reason(error)}); {advice}"
            ) from error


@contextmanager
def _quiet(show: bool) -> Iterator[None]:
    """Keep kagglehub's lines off standard output, and its bar off standard error unless asked for."""
    logger = logging.getLogger("kagglehub")
    level, before = logger.level, os.environ.get("TQDM_DISABLE")
    if not show:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported, which kagglehub does
    try:
        logger.setLevel(logging.ERROR)
        yield
    finally:
        logger.setLevel(level)
        if before is None:
            os.environ.pop("TQDM_DISABLE", None)
        else:
            os.environ["TQDM_DISABLE"] = before


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    return {
        "ConnectionError": "no connection",
        "ConnectTimeout": "no answer in time",
        "DataCorruptionError": "the checksum is wrong; what was downloaded was deleted",
    }.get(type(error).__name__, type(error).__name__)
