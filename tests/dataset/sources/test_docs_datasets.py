"""``docs/datasets.md`` says what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.sources.catalogue import SOURCES, SourceName
from tumorscope.dataset.sources.study import PLAN
from tumorscope.dataset.sources.versions import VERSIONS

PAGE = Path(__file__).parents[3] / "docs" / "datasets.md"


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line, comments=True)[1:] for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_the_options_of_each_command_exist(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words[:2], "--help"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in words[2:] if word.startswith("--"))


def test_sources_and_counts() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for source in SOURCES.values():
        assert f"`{source.name.value}`" in text
        assert source.page in text
        assert f"| {source.images:,} |" in text
    for version in VERSIONS:
        row = f"| `{version.stamp}` | {version.training:,} / {version.testing:,} | `--release {version.release}`"
        assert row in text


def test_the_sums_of_the_merged_set() -> None:
    merged = [
        sum(SOURCES[name].counts[label] for name, labels in PLAN.items() if label in labels)
        for label in CLASS_ORDER
    ]
    published = [SOURCES[SourceName.KAGGLE].counts[label] for label in CLASS_ORDER]
    text = PAGE.read_text(encoding="utf-8")
    for title, counts in (("merged", merged), ("the 7,023 images", published)):
        assert f"| {title} | {' | '.join(f'{n:,}' for n in (*counts, sum(counts)))} |" in text
