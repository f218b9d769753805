"""The page of a comparison in a real browser, and its plots as files."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from study_cases import MODELS, made_comparison

from browser import OpenPage
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.study.document import read_comparison
from tumorscope.study.page import comparison_page
from tumorscope.study.run import write_study

sys.path.insert(0, str(Path(__file__).parents[1] / "reporting"))
from page_elements import contrasts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("comparison")
    write_study(made_comparison(), path)
    return path


def test_opens_without_network_in_any_width(open_page: OpenPage, folder: Path) -> None:
    file = folder / "comparison.html"
    visit = open_page(file)
    visit.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    for width in (320, 375, 768, 1400, 2560):
        visit.page.set_viewport_size({"width": width, "height": 900})
        assert visit.overflow() <= 0
    assert visit.console == []
    assert [address for address in visit.requests if not address.startswith("data:")] == [file.as_uri()]
    text = visit.page.inner_text("body")
    for name in MODELS:
        assert name in text
    assert "theirs, not measured here" in text
    assert "Leaky split: 180 patients, 64 files" in text
    assert "resnet18 failed: official, patient-wise and leak-free" in text
    assert "not estimable: fewer than 10 groups of glioma, meningioma, pituitary" in text
    assert "1 of 4 folds" in text
    assert visit.page.locator("table.confusion").count() == 2 * len(MODELS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(open_page: OpenPage, folder: Path, scheme: str) -> None:
    ratios = contrasts(open_page(folder / "comparison.html", scheme=scheme).page)
    assert len(ratios) > 8
    assert {both: ratio for both, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_page_is_made_of_the_document_alone(folder: Path) -> None:
    comparison = read_comparison(folder)
    assert comparison == made_comparison()
    assert comparison_page(comparison) == (folder / "comparison.html").read_text(encoding="utf-8")


def test_plots_are_files_that_need_no_style_sheet(folder: Path) -> None:
    files = sorted(path.name for path in (folder / "plots").iterdir())
    assert files == sorted(
        [
            *("accuracy.svg", "accuracy-latency-official.svg", "accuracy-latency-patient-wise.svg"),
            *(f"curves-{name}.svg" for name in MODELS),
        ]
    )
    for file in files:
        text = (folder / "plots" / file).read_text(encoding="utf-8")
        assert "var(" not in text
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert f"plots/{file}" in (folder / "comparison.md").read_text(encoding="utf-8")


def test_what_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="tumorscope study"):
        read_comparison(tmp_path)
    (tmp_path / "comparison.json").write_text('{"schema": "tumorscope/study/2"}', encoding="utf-8")
    with pytest.raises(InvalidConfiguration, match="tumorscope/study/1"):
        read_comparison(tmp_path)
