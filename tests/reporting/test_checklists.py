"""Reporting checklists: every item once, filled from documents, honest about what is not known."""

from __future__ import annotations

import re
from typing import Any

import pytest
from audit_cases import large_audit
from evaluated_cases import full_parts, made_document

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.report import Parts
from tumorscope.inference.bundle import read_card
from tumorscope.reporting.checklist_claim import CLAIM
from tumorscope.reporting.checklist_items import Checklist, Known, State
from tumorscope.reporting.checklist_tripod import TRIPOD
from tumorscope.reporting.checklists import checklist_markdown, claim_markdown, tripod_markdown
from tumorscope.reporting.evaluated import read_document
from tumorscope.reporting.writing import escaped

_PARTS_OF_TRIPOD = {
    **dict.fromkeys(range(1, 28), ""),
    **{3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg"},
    **{18: "abcdef", 20: "abc", 23: "ab", 27: "abc"},
}


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard.model_validate_json(read_card(None))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return made_document(leaks={})


def _rows(text: str) -> dict[str, list[str]]:
    """Cells by item, of every row of every table."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if re.match(r"\| \d", line)]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert len({row[0] for row in cells}) == len(cells)
    return {row[0]: row[1:] for row in cells}


def test_claim_has_its_44_items_once(card: ModelCard) -> None:
    assert [item.number for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    assert list(_rows(claim_markdown(card))) == [item.number for item in CLAIM.items]


def test_tripod_has_its_52_items_once(card: ModelCard) -> None:
    expected = [f"{number}{part}" for number, parts in _PARTS_OF_TRIPOD.items() for part in parts or [""]]

    assert len(expected) == 52
    assert [item.number for item in TRIPOD.items] == expected
    assert list(_rows(tripod_markdown(card))) == expected


@pytest.mark.parametrize("checklist", [CLAIM, TRIPOD], ids=lambda each: str(each.name))
@pytest.mark.parametrize("known", ["card", "evaluation", "everything"])
def test_every_answer_says_where_it_comes_from(
    checklist: Checklist, known: str, card: ModelCard, document: dict[str, Any]
) -> None:
    everything = Known(
        card,
        None if known == "card" else read_document(document),
        full_parts() if known == "everything" else Parts(),
        large_audit()[0] if known == "everything" else None,
    )
    for item in checklist.items:
        answer = item.answer(everything)
        if answer.state in {State.FILLED, State.PARTLY}:
            assert answer.text, item.number
            assert answer.source, item.number
        assert bool(answer.left) == (answer.state in {State.PARTLY, State.AUTHORS}), item.number
        assert (answer.state is State.NOT_APPLICABLE) <= bool(answer.text), item.number


def test_numbers_are_those_of_the_evaluation(card: ModelCard, document: dict[str, Any]) -> None:
    claim = _rows(claim_markdown(card, document, full_parts(), large_audit()[0]))
    figures = document["figures"]
    accuracy, glioma = figures["accuracy"], figures["sensitivity_glioma"]

    assert f"accuracy {accuracy['value'] * 100:.1f}" in claim["37"][2]
    assert f"({accuracy['low'] * 100:.1f} to {accuracy['high'] * 100:.1f}" in claim["37"][2]
    assert f"sensitivity for glioma {glioma['value'] * 100:.1f}" in claim["38"][2]
    assert (
        f"{document['images']} images of {document['slices']} slices in {document['groups']} groups"
        in claim["35"][2]
    )
    assert "ECE 0.021 (0.015 to 0.026)" in claim["37"][2]
    assert "3 pictures carry contradictory labels; 71 labels were doubted" in claim["17"][2]
    assert claim["12"][1:] == [
        "filled",
        "1 unreadable image of those tested, listed and in no figure; 2 unreadable images of the data set. "
        "Nothing is imputed.",
        "evaluation.json, audit.json",
    ]
    assert "Found on two sides: nothing." in claim["20"][2]
    assert escaped(card.configuration_sha256) in claim["25"][2]


def test_what_was_not_measured_is_left_to_the_authors(card: ModelCard, document: dict[str, Any]) -> None:
    alone = _rows(claim_markdown(card))
    bare = _rows(claim_markdown(card, document))

    for number in ("28", "29", "30", "32", "37", "38", "39"):
        assert alone[number][1] == "to be filled by the authors"
        assert "Not measured: no evaluation was given" in alone[number][2]
    assert bare["37"][1] == "filled"
    assert "Not measured: how the answers hold when images get worse." in bare["30"][2]
    assert "Not measured: the protocol here is patient-wise." in bare["33"][2]
    assert bare["44"][1] == "to be filled by the authors"


def test_external_testing_is_filled_by_an_external_evaluation(card: ModelCard) -> None:
    external = made_document(protocol="external", protocol_meaning="Images from elsewhere.")
    rows = _rows(claim_markdown(card, external))

    assert "Images from elsewhere. Protocol external: accuracy" in rows["33"][2]
    assert "Not measured here: the protocol is external." in rows["32"][2]


def test_a_leak_is_in_every_answer_with_figures(card: ModelCard) -> None:
    text = claim_markdown(card, made_document(leaks={"patient": 2}), full_parts())
    rows = _rows(text)

    assert "> **Leaky split: 2 patients on two sides of it." in text
    assert "Found on two sides: 2 patients." in rows["20"][2]
    for number in ("30", "31", "32", "37", "38"):
        assert "LEAKY SPLIT" in rows[number][2]


def test_same_text_again_and_other_documents_are_refused(card: ModelCard, document: dict[str, Any]) -> None:
    assert claim_markdown(card, document) == claim_markdown(card, document)
    held = document | {"parts": full_parts().model_dump(mode="json")}
    assert tripod_markdown(card, held) == tripod_markdown(card, document, full_parts())
    with pytest.raises(InvalidConfiguration):
        checklist_markdown(CLAIM, card, {"schema": "other"})
