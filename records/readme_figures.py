"""Write the README's figures anew from the bundle that ships: ``python records/readme_figures.py``.

They stand between two comments in the README; a test fails when they are not what this writes.
"""

from __future__ import annotations

from pathlib import Path

from tumorscope.core.card import ModelCard
from tumorscope.inference.bundle import read_card
from tumorscope.reporting.card_page import figures_markdown

README = Path(__file__).parents[1] / "README.md"
START = "<!-- figures of the shipped bundle, written by records/readme_figures.py -->\n"
END = "<!-- end of figures -->\n"


def figures() -> str:
    """What belongs between the two comments."""
    return figures_markdown(ModelCard.model_validate_json(read_card()))


def main() -> None:
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    README.write_text(before + START + figures() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
