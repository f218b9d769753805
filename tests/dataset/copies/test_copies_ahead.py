"""Items that are made one ahead are the same items."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tumorscope.dataset.copies.ahead import made_ahead


def test_order_and_items_stay_also_those_that_look_like_an_end() -> None:
    items = [0, None, "", 3]
    assert list(made_ahead(iter(items))) == items
    assert list(made_ahead(iter(()))) == []


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    found = made_ahead(failing())
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)


def test_no_more_than_one_item_waits() -> None:
    begun: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    found = made_ahead(counted())
    next(found)
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(begun) <= 2
