"""Write the figures in README and docs anew from what they rest on: ``python records/figures.py``.

Each piece stands between two comments of a text; a test fails where one is not what this writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tumorscope.core.card import ModelCard
from tumorscope.inference.bundle import read_card
from tumorscope.reporting.card_page import figures_markdown
from tumorscope.reporting.writing import blocks_markdown
from tumorscope.study.document import Comparison, read_comparison
from tumorscope.study.tables import cost_table, figure_table, glance_table

ROOT = Path(__file__).parents[1]
END = "<!-- end of figures -->\n"


@dataclass(frozen=True)
class Piece:
    """Figures in a text."""

    file: Path
    of: str
    write: Callable[[], str]

    @property
    def start(self) -> str:
        """The comment that stands before them."""
        return f"<!-- figures of {self.of}, written by records/figures.py -->\n"

    def written(self) -> str:
        """What stands there now.

        Raises
        ------
        ValueError
            If one of the two comments is missing.
        """
        return self._parts()[1]

    def renew(self) -> None:
        """Write them anew."""
        before, _, after = self._parts()
        self.file.write_text(before + self.start + self.write() + END + after, encoding="utf-8")

    def _parts(self) -> tuple[str, str, str]:
        before, start, rest = self.file.read_text(encoding="utf-8").partition(self.start)
        written, end, after = rest.partition(END)
        if not (start and end):
            raise ValueError(f"{self.file.name} has no place for the figures of {self.of}")
        return before, written, after


def of_the_bundle() -> str:
    """What the shipped bundle says of itself."""
    return figures_markdown(ModelCard.model_validate_json(read_card()))


def at_a_glance() -> str:
    """Accuracy of the study's models under every protocol."""
    return blocks_markdown([glance_table(_study())])


def of_the_study() -> str:
    """All figures that were measured, and what the models cost."""
    study = _study()
    tables = [figure_table(study, name) for name in study.protocols]
    return blocks_markdown([*(table for table in tables if table.rows), cost_table(study)])


def _study() -> Comparison:
    return read_comparison(ROOT / "records" / "study")


PIECES = (
    Piece(ROOT / "README.md", "the shipped bundle", of_the_bundle),
    Piece(ROOT / "README.md", "the study's models", at_a_glance),
    Piece(ROOT / "docs" / "study.md", "the study's models", of_the_study),
)


def main() -> None:
    for piece in PIECES:
        piece.renew()


if __name__ == "__main__":
    main()
