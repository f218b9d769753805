"""What a training run's ``data.json`` says of its data.

Owns how that file is read and what a damaged one is called; what is made of it is its readers' business.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["said_of_data"]

T = TypeVar("T")


def said_of_data(run: Path, take: Callable[[Any], T], missing: T) -> T:
    """Take something out of a run's ``data.json``.

    Parameters
    ----------
    run
        Folder of the run.
    take
        Gets the parsed document; an error in it means that the document is damaged.
    missing
        What is given where the run's folder has no such file.

    Raises
    ------
    InvalidConfiguration
        If the file is damaged.
    """
    record = run / "data.json"
    if not record.is_file():
        return missing
    try:
        return take(json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidConfiguration(f"{record} is damaged; train again") from error
