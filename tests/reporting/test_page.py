"""What every page is made of: escaping, words, plots, thumbnails."""

from __future__ import annotations

import re

import pytest

from tumorscope.reporting.gallery import Shown, first_of, within
from tumorscope.reporting.page import breakable, percent, printable, spoken
from tumorscope.reporting.plots import Rate, histogram, rates


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tr-gl_0010.jpg", "Tr-gl_0010.jpg"),
        ("Tumör 脑.png", "Tumör 脑.png"),
        ("a\x1b[31m\x00", "a\\x1b[31m\\x00"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("latin-1 \udce9.png", "latin-1 \\udce9.png"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode("utf-8")


def test_paths_break_behind_folders_and_stay_text() -> None:
    assert breakable("a/<b>/c.png") == "a/<wbr>&lt;b&gt;/<wbr>c.png"


def test_words() -> None:
    assert [spoken([]), spoken(["a"]), spoken(["a", "b"]), spoken("abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert percent(0.12345) == "12.3\N{NO-BREAK SPACE}%"


def test_the_first_of_many() -> None:
    assert first_of([1, 2, 3], 2) == Shown((1, 2), 1)
    assert first_of([1], 2) == Shown((1,), 0)
    assert within([3, 3, 3], int, 6) == Shown((3, 3), 1)
    assert within([9, 1], int, 6) == Shown((9,), 1)
    assert within([], int, 6) == Shown((), 0)


def test_plots_are_the_same_again_and_follow_the_page() -> None:
    lines = [Rate("all <images>", 0.8, 0.7, 0.9), Rate("glioma", 0.6)]
    first = rates(lines, chance=0.3, name="one", description='so "good"')
    second = histogram(
        {"near": [0.9, 0.95], "mirrored": [0.99]}, label="score", name="two", description="two"
    )

    assert first == rates(lines, chance=0.3, name="one", description='so "good"')
    assert 'aria-label="so &quot;good&quot;"' in first
    assert "all &lt;images&gt;" in first
    names = re.findall(r'\bid="([^"]+)"', first + second)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', first + second)) <= set(names)
    for plot in (first, second):
        assert "var(--shade-1)" in plot
        assert "#0a0b" not in plot
        assert not re.search("http|<style|<metadata|font-family|20[0-9][0-9]-", plot)


def test_one_value_makes_a_histogram() -> None:
    assert "<svg" in histogram({"near": [1.0]}, label="score", name="one", description="one")
