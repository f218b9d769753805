"""The page of an audit in a real browser, and what it says."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from audit_cases import COUNTS, HOSTILE, Pixels, empty_audit, large_audit, pair, picture
from page_elements import Elements, contrasts, luminance

from browser import OpenPage
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import NOTICE
from tumorscope.dataset.audit.document import Audit, ShortcutFigures, Unreadable
from tumorscope.dataset.copies.pair import CopyKind, Orientation
from tumorscope.reporting.audit_page import audit_page


@pytest.fixture(scope="module")
def audit() -> Audit:
    return large_audit()[0]


@pytest.fixture(scope="module")
def html(audit: Audit) -> str:
    return audit_page(audit, picture)


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(html, "utf-8")
    return path


def test_opens_without_network_in_any_width(open_page: OpenPage, file: Path) -> None:
    visit = open_page(file)
    sizes = visit.page.evaluate("[...document.images].map(image => image.naturalWidth)")

    assert visit.page.locator("h1").inner_text() == "brain-tumor-mri"
    assert len(sizes) > 200
    assert set(sizes) == {128}
    for width in (320, 375, 768, 1280, 2560):
        visit.page.set_viewport_size({"width": width, "height": 900})
        assert visit.overflow() <= 0
    assert visit.console == []
    assert [address for address in visit.requests if not address.startswith("data:")] == [file.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(open_page: OpenPage, file: Path, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 in text and plots: WCAG 2.2, 1.4.3."""
    page = open_page(file, scheme=scheme).page
    ratios = contrasts(page)

    assert len(ratios) > 8
    assert {both: ratio for both, ratio in ratios.items() if ratio < 4.5} == {}
    paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert paper > 0.8 if scheme == "light" else paper < 0.05


def test_keyboard_reaches_the_content_and_opens_a_fold(open_page: OpenPage, file: Path) -> None:
    page = open_page(file).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"

    fold = page.locator("details.rest").first
    assert not fold.evaluate("fold => fold.open")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.evaluate("fold => fold.open")


def test_print_shows_everything_on_white_paper(open_page: OpenPage, file: Path) -> None:
    page = open_page(file, scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert luminance(paper) == 1
    assert not page.locator("nav.contents").is_visible()
    assert page.locator("details.rest li").first.is_visible()


def test_hostile_names_are_text(open_page: OpenPage, file: Path, html: str) -> None:
    page = open_page(file).page
    shown = HOSTILE.replace("\u202e", "\\u202e")

    assert page.locator("script").count() == 0
    assert page.locator("img[onerror]").count() == 0
    assert page.locator("bdi.path", has_text="alert").first.text_content() == shown
    assert page.locator("img[alt*=alert]").first.get_attribute("alt") == f"glioma: {shown}"
    assert "\u202e" not in html


def test_nothing_points_outside(html: str) -> None:
    for _, attributes in Elements(html).found:
        for name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert re.findall(r"https?://|//[a-z]+\.", html) == []
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []


def test_structure_for_screen_readers(html: str) -> None:
    elements = Elements(html).found
    identifiers = Counter(attributes["id"] for _, attributes in elements if "id" in attributes)
    anchors = {(attributes["href"] or "")[1:] for tag, attributes in elements if tag == "a"}
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]

    assert max(identifiers.values()) == 1
    assert anchors <= set(identifiers)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    for tag, attributes in elements:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        if attributes.get("tabindex") == "0":
            assert attributes.get("aria-label")


def test_says_what_was_found(open_page: OpenPage, file: Path, audit: Audit) -> None:
    page = open_page(file).page
    text = page.inner_text("body")

    for check in audit.checks:
        assert check.sentence in text
    rows = page.locator(".checks li").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == ["Problem"] * 6 + ["Notice"] * 3 + ["Not run", "Good"]
    assert page.locator("a", has_text="A check this page does not know").count() == 0
    for number in COUNTS.values():
        assert f"{number:,}" in text
    assert NOTICE in text
    assert audit.manifest_sha256 in text
    # How many there are beyond those of the page stands where the list ends, not beside what unfolds it.
    assert "more, see audit.json" not in page.inner_text("#copies")
    assert "and 1,255 more, see audit.json" in (page.text_content("#copies") or "")
    assert "84.1\N{NO-BREAK SPACE}% of the classes were guessed right" in text
    assert "the source it was traced to says otherwise: meningioma" in text


def test_pairs_come_most_serious_first(open_page: OpenPage, file: Path) -> None:
    page = open_page(file).page
    kinds = page.locator("details.gallery > summary h3").all_inner_texts()
    first, second = (page.locator("#copies-mirrored .card").nth(number).inner_text() for number in (0, 1))

    assert kinds == ["Mirrored copies", "Exact copies", "Near copies", "Turned copies"]
    assert "different class" in first
    assert "different group" in first
    assert "mirrored left to right" in first
    assert "score 0.961" in first
    assert "different class" not in second
    assert "across the official split" in second


@pytest.mark.parametrize("orientation", list(Orientation))
def test_every_orientation_has_words(orientation: Orientation) -> None:
    one = pair("a.png", "b.png", orientation.kind, orientation, 0.98)
    page = audit_page(empty_audit()[0].model_copy(update={"pairs": (one,)}), picture)

    assert orientation.value.replace("-", " ") in page or re.search(
        r"the same way round|turned|flipped", page
    )
    assert "score 0.980" in page


def test_asks_for_each_picture_once_and_for_no_more_than_it_shows(audit: Audit) -> None:
    asked: list[str] = []

    def counted(path: str) -> Pixels | None:
        asked.append(path)
        return picture(path)

    html = audit_page(audit, counted, pictures=10)

    assert max(Counter(asked).values()) == 1
    assert len(asked) <= 10 * 7
    assert html.count("<img ") <= 10 * 7


def test_large_and_odd_pictures_become_small(open_page: OpenPage, tmp_path: Path) -> None:
    shapes = {"wide.png": (40, 900), "tall.png": (700, 3), "dot.png": (1, 1)}
    pairs = tuple(
        pair(path, path + "2", CopyKind.EXACT, Orientation.SAME, 1.0, first_label=Diagnosis.NOTUMOR)
        for path in shapes
    )
    noise = np.random.default_rng(1)
    pixels = {path: noise.integers(0, 256, shape, dtype=np.uint8) for path, shape in shapes.items()}
    file = tmp_path / "page.html"
    html = audit_page(empty_audit()[0].model_copy(update={"pairs": pairs}), pixels.get)
    file.write_text(html, "utf-8")

    sizes = open_page(file).page.evaluate(
        "[...document.images].map(image => [image.naturalWidth, image.naturalHeight])"
    )
    assert sorted(sizes) == [[1, 1], [1, 128], [128, 6]]
    assert html.count("no picture") == 3


def test_an_audit_without_findings(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(audit_page(*empty_audit()), "utf-8")
    visit = open_page(file, width=375)

    assert visit.console == []
    assert visit.overflow() <= 0
    assert "No check of this kind was made." in visit.page.inner_text("#copies")
    assert "Not recognised as a public data set" in visit.page.inner_text("header")


def test_a_probe_at_chance_is_no_shortcut(audit: Audit) -> None:
    assert audit.shortcut is not None
    figures = {"accuracy": 0.29, "low": 0.26, "high": 0.32, "sensitivity": {}}
    assert audit.shortcut.importances
    assert "What gives the class away" in audit_page(audit, picture)
    scattered = audit.shortcut.model_copy(update={"importances": {"mean": 0.01}})
    page = audit_page(audit.model_copy(update={"shortcut": scattered}), picture)
    assert "<b>What gives the class away:</b> no single feature." in page
    weak = ShortcutFigures.model_validate(audit.shortcut.model_dump() | figures)
    page = audit_page(empty_audit()[0].model_copy(update={"shortcut": weak}), picture)

    assert "no better than chance: this probe found no shortcut" in page
    assert "of the way from chance" not in page
    assert "What gives the class away" not in page
    assert "Chance is the accuracy of always giving the most frequent class" in page


def test_one_pair_alone_is_shown_larger_than_one_of_many(
    open_page: OpenPage, tmp_path: Path, audit: Audit
) -> None:
    widths = []
    for pairs in (audit.pairs[:1], [one for one in audit.pairs if one.kind is audit.pairs[0].kind]):
        path = tmp_path / f"{len(pairs)}.html"
        path.write_text(
            audit_page(audit.model_copy(update={"pairs": tuple(pairs)}), picture), encoding="utf-8"
        )
        box = open_page(path).page.locator("#copies .card img").first.bounding_box()
        assert box is not None
        widths.append(box["width"])
    assert widths[0] > 1.5 * widths[1]


def test_a_telephone_shows_what_is_wrong_with_a_file(open_page: OpenPage, tmp_path: Path) -> None:
    files = (
        Unreadable(
            path="glioma/a.jpg", code="unreadable-image", message="glioma/a.jpg: the JPEG data are truncated"
        ),
        Unreadable(path="glioma/b.jpg", code="missing-input", message="no such file"),
    )
    file = tmp_path / "page.html"
    file.write_text(audit_page(empty_audit()[0].model_copy(update={"unreadable": files}), picture), "utf-8")
    page = open_page(file, width=375).page
    cells = page.locator("#unreadable td.message")
    assert cells.all_inner_texts() == ["the JPEG data are truncated", "no such file"]
    for cell in cells.all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 375


def test_class_names_keep_off_the_edge_of_a_card(open_page: OpenPage, tmp_path: Path) -> None:
    kinds = (CopyKind.EXACT, Orientation.SAME, 1.0)
    one = pair("a.png", "b.png", *kinds, first_label=Diagnosis.PITUITARY, second_label=Diagnosis.PITUITARY)
    file = tmp_path / "page.html"
    file.write_text(audit_page(empty_audit()[0].model_copy(update={"pairs": (one,)}), picture), "utf-8")
    gaps = open_page(file).page.evaluate(
        "[...document.querySelectorAll('.card .class')].map(name => "
        "name.closest('figure').getBoundingClientRect().right - name.getBoundingClientRect().right)"
    )
    assert len(gaps) == 2
    assert min(gaps) >= 8


def test_same_bytes_again_quickly_and_small(audit: Audit, html: str) -> None:
    start = time.process_time()
    again = audit_page(audit, picture)
    seconds = time.process_time() - start

    assert again == html
    assert len(html) < 4_000_000
    assert seconds < 1.5
