"""A model card as Markdown and as a page: written from the bundle's card, never typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from evaluated_cases import full_parts, made_document
from page_elements import Elements

from browser import OpenPage
from tumorscope.core.card import Measured, ModelCard
from tumorscope.inference.bundle import read_card
from tumorscope.reporting.card_page import card_markdown, card_page
from tumorscope.reporting.writing import Paper, Section, Table, escaped, markdown

HOSTILE = "<script>alert(1)</script> | **bold** \u202e [x](y) `z` $m$"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard.model_validate_json(read_card(None))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return made_document(parts=full_parts().model_dump(mode="json"))


def _measured(document: dict[str, Any]) -> Measured:
    return Measured.model_validate({name: document[name] for name in Measured.model_fields})


def test_markdown_tells_what_the_card_holds(card: ModelCard) -> None:
    text = card_markdown(card)

    assert text.startswith(f"# {escaped(card.name)} {card.version}\n")
    assert escaped(card.intended_use) in text
    assert all(f"- {escaped(limit)}\n" in text for limit in card.limits)
    for measured in card.evaluation:
        assert f"## Figures, protocol {measured.protocol}" in text
        accuracy = measured.figures["accuracy"]
        assert f"| accuracy | {accuracy.value * 100:.1f}\N{NO-BREAK SPACE}% |" in text
    assert f"{card.data.images:,} images of {card.data.slices:,} slices" in text
    assert "Not measured here: calibration, prediction sets" in text
    assert card.data.image_sha256_prefixes[0] not in text


def test_a_document_adds_what_was_found(card: ModelCard, document: dict[str, Any]) -> None:
    text = card_markdown(card, document)

    assert "| Calibration | good | Probabilities are off by" in text
    assert "Not measured here" not in text
    assert "Not measured: how well the probabilities are calibrated." in card_markdown(card, made_document())


def test_one_evaluation_is_told_once(card: ModelCard, document: dict[str, Any]) -> None:
    same = card.model_copy(update={"evaluation": (_measured(document),)})

    assert card_markdown(same, document).count("## Figures, protocol patient-wise") == 1
    assert card_markdown(card, document).count("## Figures, protocol patient-wise") == 1 + len(
        card.evaluation
    )
    assert "Not measured: any figure." in card_markdown(card.model_copy(update={"evaluation": ()}))


def test_a_leak_is_stamped(card: ModelCard, document: dict[str, Any]) -> None:
    leaky = made_document(leaks={"patient": 2})
    of_card = card.model_copy(update={"evaluation": (_measured(leaky),)})

    for text in (card_markdown(of_card), card_markdown(card, leaky)):
        assert "> **Leaky split (patient-wise): these figures are too good" in text
        assert "**Leaky split: 2 patients on two sides of it.**" in text
    assert "Leaky" not in card_markdown(card, document)


def test_a_fold_model_says_that_it_is_one(card: ModelCard) -> None:
    fold = card.model_copy(update={"data": card.data.model_copy(update={"held_out_fold": 2})})

    assert "made to measure and not to be used: it has not seen fold 2" in card_markdown(fold)


def test_hostile_cards_stay_text(card: ModelCard) -> None:
    odd = card.model_copy(
        update={"name": HOSTILE, "limits": (HOSTILE, "- 1. # x"), "licences": {HOSTILE: HOSTILE}}
    )
    text, page = card_markdown(odd), card_page(odd)

    assert "<script" not in text + page.split("</style>")[1]
    assert "\u202e" not in text + page
    assert r"\*\*bold\*\*" in text
    assert r"\| " in text
    assert "script" not in {tag for tag, _ in Elements(page).found}


def test_markdown_tables_have_as_many_cells_in_each_row(card: ModelCard, document: dict[str, Any]) -> None:
    block: list[int] = []
    for line in [*card_markdown(card, document).splitlines(), ""]:
        if line.startswith("|"):
            block.append(len(re.findall(r"(?<!\\)\|", line)))
        elif block:
            assert len(set(block)) == 1
            block = []


def test_page_in_a_browser(open_page: OpenPage, card: ModelCard, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    file.write_text(card_page(card, made_document(leaks={"patient": 2})), "utf-8")
    visit = open_page(file, width=375)

    assert visit.page.locator("h1").inner_text() == f"{card.name} {card.version}"
    assert visit.page.locator(".stamp").is_visible()
    assert visit.overflow() <= 0
    visit.page.set_viewport_size({"width": 2560, "height": 900})
    assert visit.overflow() <= 0
    assert visit.console == []
    assert visit.requests == [file.as_uri()] or all(
        address == file.as_uri() or address.startswith("data:") for address in visit.requests
    )


def test_same_bytes_again(card: ModelCard, document: dict[str, Any]) -> None:
    assert card_markdown(card, document) == card_markdown(card, document)
    assert card_page(card, document) == card_page(card, document)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b", r"a\_b"),
        ("1. x", r"1\. x"),
        ("- x", r"\- x"),
        ("a\n\nb", "a b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("-5 %", "-5 %"),
    ],
)
def test_markdown_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_tables_align_numbers() -> None:
    table = Table("", ("a", "b"), (("x", "1"),), numbers=1)
    paper = Paper("t", "l", (Section("s", "S", (table,)),))

    assert markdown(paper) == "# t\n\nl\n\n## S\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n"
