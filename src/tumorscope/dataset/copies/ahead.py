"""The next item made while the one before is in use.

Owns one thread that is one item ahead, so that the search proposes pairs on one core while it fits others on the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["made_ahead"]

Item = TypeVar("Item")


def made_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order, the next of them made in another thread; never more than one waits.

    An error of the iterator is raised where its item would have come.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(_one, items)
        while item := coming.result():
            coming = pool.submit(_one, items)
            yield item[0]


def _one(items: Iterator[Item]) -> tuple[Item] | None:
    """The next item, wrapped since it may be anything; ``None`` at the end."""
    try:
        return (next(items),)
    except StopIteration:
        return None
