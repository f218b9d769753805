"""The page of an evaluation in a real browser, and what it says."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from audit_cases import HOSTILE, Pixels
from evaluated_cases import HOSTILE_SOURCE, evidence, full_parts, made_document, picture
from page_elements import Elements, contrasts, luminance

from browser import OpenPage
from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.prediction import NOTICE
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.evaluation_page import evaluation_page
from tumorscope.reporting.verdict_lines import NOT_MEASURED

LEAKS = {"patient": 3, "file": 12}
SURE = Figure(value=1.0, low=0.7351, high=1.0)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return made_document(leaks={})


@pytest.fixture(scope="module")
def html(document: dict[str, Any]) -> str:
    return evaluation_page(document, full_parts(), picture, evidence=evidence)


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, "utf-8")
    return path


def _written(folder: Path, document: dict[str, Any], parts: Parts | None) -> Path:
    path = folder / "report.html"
    path.write_text(evaluation_page(document, parts, picture), "utf-8")
    return path


def test_opens_without_network_in_any_width(open_page: OpenPage, file: Path) -> None:
    visit = open_page(file)
    visit.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    sizes = visit.page.evaluate("[...document.images].map(image => image.naturalWidth)")

    assert visit.page.locator("h1").inner_text() == "efficientnet-lite0"
    assert Counter(sizes) == {128: 48}  # 24 errors, each with its heat-map
    for width in (320, 375, 768, 1280, 2560):
        visit.page.set_viewport_size({"width": width, "height": 900})
        assert visit.overflow() <= 0
    assert visit.console == []
    assert [address for address in visit.requests if not address.startswith("data:")] == [file.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(open_page: OpenPage, tmp_path: Path, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 in text and plots: WCAG 2.2, 1.4.3."""
    page = open_page(_written(tmp_path, made_document(leaks=LEAKS), full_parts()), scheme=scheme).page
    ratios = contrasts(page)

    assert len(ratios) > 12
    assert {both: ratio for both, ratio in ratios.items() if ratio < 4.5} == {}
    paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert paper > 0.8 if scheme == "light" else paper < 0.05


def test_print_is_white_and_keeps_the_stamp(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(_written(tmp_path, made_document(leaks=LEAKS), full_parts()), scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")

    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 1
    assert page.locator(".stamp").is_visible()
    assert page.locator("details.rest li").first.is_visible()


def test_numbers_are_those_of_the_document(open_page: OpenPage, file: Path, document: dict[str, Any]) -> None:
    page = open_page(file).page
    shown = page.evaluate(
        "[...document.querySelectorAll('#figures data')].map(each => [Number(each.value), each.textContent])"
    )
    expected = Counter(figure["value"] for figure in document["figures"].values())
    # Sensitivities stand in the dot plot and in the table by class.
    expected.update(
        figure["value"] for name, figure in document["figures"].items() if name.startswith("sensitivity")
    )

    assert Counter(value for value, _ in shown) == expected
    for value, text in shown:
        digits = float(text.removesuffix(f"{NBSP}%"))
        assert digits == pytest.approx(value * (100 if "%" in text else 1), abs=0.05 if "%" in text else 5e-4)
    accuracy = document["figures"]["accuracy"]
    interval = f"{accuracy['low'] * 100:.1f} to {accuracy['high'] * 100:.1f}{NBSP}%"
    assert page.locator("header data").get_attribute("value") == str(accuracy["value"])
    assert f"95{NBSP}% interval {interval}" in page.inner_text("header")
    facts = page.locator(".facts dd").all_inner_texts()
    assert facts == [f"{document[name]:,}" for name in ("images", "slices", "groups", "patients")]
    cells = page.locator(".confusion td.cell .interval").all_inner_texts()
    assert [float(cell.replace(",", "")) for cell in cells] == [
        pytest.approx(cell, abs=0.05) for row in document["confusion"] for cell in row
    ]


def test_numbers_are_those_of_the_parts(html: str) -> None:
    parts = full_parts()
    shown = {float(attributes["value"] or "nan") for tag, attributes in Elements(html).found if tag == "data"}
    assert parts.calibration is not None
    assert parts.novelty is not None
    assert parts.explanation is not None
    assert parts.shortcut is not None
    expected = {part.value for stratum in parts.strata for part in stratum.figures.values()}
    expected |= {parts.calibration.ece.value, parts.calibration.ece_raw.value, parts.calibration.brier.value}
    expected |= {part.value for part in parts.calibration.loss_by_method.values()}
    expected |= {part.covered.value for level in parts.coverage for part in level.classes.values()}
    expected |= {level.mean_size.value for level in parts.coverage}
    expected |= {part.value for kinds in parts.novelty.auroc.values() for part in kinds.values()}
    expected |= set(parts.novelty.rejected.values())
    expected |= {ladder.mean_relative_drop for ladder in parts.stress}
    expected |= {parts.shortcut.brain_masked.value, parts.shortcut.outline_only.value}
    expected |= {part.pointing.value for part in parts.explanation.pointing}
    expected |= {part.bound for part in parts.explanation.pointing} | {0.07, 0.55}
    expected |= {mistake.probability for mistake in parts.mistakes[:24]}

    assert expected <= shown


def test_a_leak_is_stamped_on_everything(open_page: OpenPage, tmp_path: Path, html: str) -> None:
    page = open_page(_written(tmp_path, made_document(leaks=LEAKS), full_parts()), height=600).page

    assert "leaky split" not in html.lower()
    assert page.title().startswith("LEAKY SPLIT: ")
    assert page.locator(".stamp").bounding_box() is not None
    page.evaluate("window.scrollTo(0, 5000)")
    box = page.locator(".stamp").bounding_box()
    assert box is not None
    assert box["y"] == 0  # it stays in sight
    assert "3 patients, 12 files on two sides" in page.inner_text("header")
    captions = page.locator("caption, figcaption").all_inner_texts()
    assert all("leaky split" in text for text in captions if "Files" not in text)
    assert page.locator(".checks li").first.inner_text().startswith("Problem\nLeaks")


def test_figures_never_lose_their_protocol(open_page: OpenPage, file: Path) -> None:
    page = open_page(file).page
    captions = page.locator("caption, figcaption").all_inner_texts()

    assert len(captions) > 12
    assert all("protocol patient-wise" in text for text in captions if "Files" not in text)


def test_curves_say_their_areas(open_page: OpenPage, file: Path, document: dict[str, Any]) -> None:
    page = open_page(file, width=375).page
    plots = page.locator("#roc svg.plot")

    assert plots.count() == 2
    for place, kind in enumerate(("auroc", "ap")):
        areas = [f"{document['figures'][f'{kind}_{key}']['value']:.3f}" for key in document["class_order"]]
        assert re.findall(r"\b[01]\.\d{3}\b", plots.nth(place).get_attribute("aria-label") or "") == areas
        drawn = plots.nth(place).text_content() or ""
        assert all(area in drawn for area in areas)


def test_says_what_was_not_measured(open_page: OpenPage, tmp_path: Path) -> None:
    bare = made_document() | {"leaks": None}
    visit = open_page(_written(tmp_path, bare, None), width=375)
    page = visit.page

    for key, words in NOT_MEASURED.items():
        assert f"Not measured: {words}." in page.inner_text(f"#{key}")
        assert page.locator(f"#{key} table, #{key} svg.plot, #{key} img").count() == 0
    assert "Not measured: whether the split leaks. Nobody looked." in page.inner_text("#notes")
    assert visit.console == []
    assert visit.overflow() <= 0


def test_says_that_pictures_or_heat_maps_are_missing() -> None:
    parts = full_parts()

    def first(path: str) -> Pixels | None:
        return picture(path) if path == parts.mistakes[1].path else None

    assert "Not measured: heat-maps of these errors." in evaluation_page(made_document(), parts, picture)
    page = evaluation_page(made_document(), parts, first, evidence=first)
    assert page.count("no picture") == page.count("no heat-map") == 23


def test_errors_without_pictures_are_named_and_those_without_names_left_out(
    open_page: OpenPage, tmp_path: Path
) -> None:
    parts = full_parts()

    def none(_: str) -> Pixels | None:
        return None

    named = evaluation_page(made_document(), parts, none, evidence=none)
    assert "no picture" not in named
    assert parts.mistakes[1].path.split("/")[-1] in named
    nameless = tuple(mistake.model_copy(update={"path": ""}) for mistake in parts.mistakes)
    path = tmp_path / "report.html"
    path.write_text(
        evaluation_page(made_document(), parts.model_copy(update={"mistakes": nameless}), none), "utf-8"
    )
    page = open_page(path).page
    assert page.locator("#mistakes li, #mistakes .film, #mistakes .more").count() == 0
    assert "neither pictures nor names" in page.inner_text("#mistakes")
    assert page.locator("nav a[href='#mistakes'] .number").count() == 0


def test_slices_of_one_table_have_the_same_digits(open_page: OpenPage, tmp_path: Path) -> None:
    mixed = made_document(confusion=[[912.5, 48, 9.0, 214.2], [0, 1, 2, 3], [0, 0, 1, 0], [1, 1, 1, 1]])
    page = open_page(_written(tmp_path, mixed, Parts())).page
    cells = page.locator(".confusion td.cell .interval").all_inner_texts()
    assert cells[:6] == ["912.5", "48.0", "9.0", "214.2", "0.0", "1.0"]
    whole = made_document(confusion=[[1912, 48, 9, 214], [0, 1, 2, 3], [0, 0, 1, 0], [1, 1, 1, 1]])
    page = open_page(_written(tmp_path, whole, Parts())).page
    assert page.locator(".confusion td.cell .interval").all_inner_texts()[:3] == ["1,912", "48", "9"]


def test_wide_tables_fit_a_desk(open_page: OpenPage, tmp_path: Path) -> None:
    """Six scores, kinds of one long word and shares of 100 %, at 1280 pixels."""
    parts = full_parts()
    assert parts.novelty is not None
    (by_kind, *_) = parts.novelty.auroc.values()
    kinds = dict(zip(("checkerboard", "smooth-noise", "not-brain-mri"), by_kind.values(), strict=False))
    scores = ("look-residual", "energy", "react", "nearest-neighbour", "mahalanobis", "embedding-residual")
    rejected = {"brain": 0.018} | dict.fromkeys(kinds, 1.0)
    novelty = parts.novelty.model_copy(
        update={"score": scores[0], "auroc": dict.fromkeys(scores, kinds), "rejected": rejected}
    )
    first = parts.strata[0]
    sure = first.model_copy(update={"key": "sartaj-or-br35h", "figures": dict.fromkeys(first.figures, SURE)})
    parts = parts.model_copy(update={"novelty": novelty, "strata": (sure, *parts.strata[2:])})
    page = open_page(_written(tmp_path, made_document(), parts)).page
    wider = page.evaluate(
        "[...document.querySelectorAll('#strata .scroll, #novelty .scroll')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert len(wider) == 6
    assert max(wider) <= 0
    lines = page.evaluate(
        """() => { const name = [...document.querySelectorAll('#novelty bdi')]
          .find(e => e.textContent === 'checkerboard'); return name.getClientRects().length; }"""
    )
    assert lines == 1
    tops = page.locator("#strata .below").first.evaluate(
        "e => [...e.children].map(c => { const b = c.getBoundingClientRect(); return b.top + b.height / 2; })"
    )
    assert max(tops) - min(tops) < 1


def test_a_path_is_told_once() -> None:
    failures = [
        {"path": "broken.png", "error": {"code": "unreadable-image", "message": "unl/broken.png: no PNG"}},
        {"path": "n.png", "error": {"code": "unreadable-image", "message": "broken.png: another"}},
    ]
    page = evaluation_page(made_document(failures=failures), Parts(), picture)
    assert "unl/broken.png" not in page
    assert "<bdi>no PNG</bdi>" in page
    assert "<bdi>broken.png: another</bdi>" in page


def test_no_errors_is_not_a_missing_part() -> None:
    perfect = made_document(confusion=[[9.0 * (row == column) for column in range(4)] for row in range(4)])

    assert "No slice was answered wrongly." in evaluation_page(perfect, Parts(), picture)


def test_parts_may_lie_in_the_document() -> None:
    whole = made_document(parts=full_parts().model_dump(mode="json"))

    assert evaluation_page(whole, None, picture) == evaluation_page(made_document(), full_parts(), picture)


def test_hostile_names_are_text(open_page: OpenPage, file: Path, html: str) -> None:
    page = open_page(file).page
    shown = HOSTILE.replace("\u202e", "\\u202e")

    assert page.locator("script").count() == 0
    assert page.locator("[onclick], [onerror]").count() == 0
    assert page.locator("#mistakes bdi.path").first.text_content() == shown
    assert page.locator("#strata bdi").nth(1).text_content() == HOSTILE_SOURCE.replace("\u202e", "\\u202e")
    assert "<i>others</i>" in page.inner_text("#notes")
    assert "\u202e" not in html


def test_nothing_points_outside(html: str) -> None:
    for _, attributes in Elements(html).found:
        for name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert re.findall(r"https?://|//[a-z]+\.", html) == []
    assert re.findall(r"url\((?!#)", html) == []
    assert "default-src 'none'" in html


def test_structure_for_screen_readers(html: str) -> None:
    elements = Elements(html).found
    identifiers = Counter(attributes["id"] for _, attributes in elements if "id" in attributes)
    anchors = {(attributes["href"] or "")[1:] for tag, attributes in elements if tag == "a"}
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]

    assert max(identifiers.values()) == 1
    assert anchors <= set(identifiers)
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    for tag, attributes in elements:
        if tag == "svg" and attributes.get("class") != "dots":  # its cell is hidden
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        if attributes.get("tabindex") == "0":
            assert attributes.get("aria-label")


def test_same_bytes_again(document: dict[str, Any], html: str) -> None:
    assert evaluation_page(document, full_parts(), picture, evidence=evidence) == html
    assert NOTICE in html
    assert document["command"] in html


def test_refuses_other_documents() -> None:
    with pytest.raises(InvalidConfiguration, match="has the schema 'tumorscope/audit/1'"):
        evaluation_page({"schema": "tumorscope/audit/1"}, None, picture)
    with pytest.raises(InvalidConfiguration, match=r"damaged at figures\.accuracy\.low"):
        evaluation_page(made_document(figures={"accuracy": {"value": 1.0, "high": 1.0}}), None, picture)
