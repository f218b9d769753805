"""The comparison as Markdown.

Owns the order of its sections and the words between the tables; the tables are :mod:`tumorscope.study.tables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tumorscope.core.version import __version__
from tumorscope.reporting.page import count, spoken
from tumorscope.reporting.writing import Block, Bullets, Commands, Paper, Paragraph, Section, markdown
from tumorscope.study.document import Comparison, Name
from tumorscope.study.tables import (
    class_table,
    cost_table,
    figure_table,
    glance_table,
    leaks_of,
    not_run,
    reasons,
    rows_measured,
    test_table,
)

__all__ = ["COUNTED", "HOW_TO_READ", "comparison_markdown", "data_line"]

COUNTED = (
    "Multiply-adds are half of the FLOPs that torch's counter gives for one image of the exported network: "
    "convolutions, matrix products and attention, without activations and norms. The time of one image is that of the "
    "bundle in ONNX Runtime, warm, all outputs, without reading the file; it depends on the processor and on what else "
    "it does."
)

HOW_TO_READ = (
    "Copies of one slice count once. Intervals come from drawing whole groups (patients, or clusters of copies) again "
    "and again, since slices of one patient are alike.",
    "Under official the test shares patients and slices with the training: these figures compare with the literature "
    "and say nothing of a new patient. Under patient-wise every image was answered by a model that saw no image of its "
    "group.",
    "The p value over groups is the one to quote: McNemar's test with groups as units. The usual test takes slices of "
    "one patient for independent and is too sure of itself. 'Corrected' is Holm's correction for all pairs under a "
    "protocol. Two intervals may overlap where the paired difference is clear, since both models answer the same "
    "images.",
    "A difference between two rows is one between two trained networks with their settings, each with one seed. "
    "Training again with another seed would change all figures a little.",
)


def comparison_markdown(comparison: Comparison, plots: Sequence[str] = ()) -> str:
    """Write a comparison as Markdown.

    Parameters
    ----------
    comparison
        The whole.
    plots
        Paths of plots, relative to where the text will lie.
    """
    paper = Paper(
        title="Comparison of models",
        lead=data_line(comparison),
        sections=tuple(_sections(comparison)),
        foot=(f"Made by tumorscope {__version__}: {comparison.command}", comparison.notice),
    )
    text = markdown(paper)
    pictures = "\n\n".join(f"![{path.rpartition('/')[2].removesuffix('.svg')}]({path})" for path in plots)
    return f"{text}\n## Plots\n\n{pictures}\n" if plots else text


def data_line(comparison: Comparison) -> str:
    """What everything was measured on."""
    data = comparison.data
    official = f" The official split has {count(data.training)} images to learn from and {count(data.testing)} to test."
    return (
        f"{count(data.images)} images of {count(data.slices)} slices in {count(data.groups)} groups, "
        f"{count(data.patients)} of them known patients.{official if data.testing else ''}"
    )


def _sections(comparison: Comparison) -> Iterator[Section]:
    yield Section("glance", "At a glance", tuple(_glance(comparison)))
    for name in comparison.protocols:
        yield Section(name, f"Protocol {name}", tuple(_protocol(comparison, name)))
    yield Section("costs", "What they cost", (cost_table(comparison), Paragraph(COUNTED)))
    yield Section("tests", "Against each other", tuple(_tests(comparison)))
    yield Section("notes", "Notes", (Bullets((*comparison.notes, *HOW_TO_READ)),))
    yield Section("again", "Made again by", (Commands(tuple(_commands(comparison))),))


def _glance(comparison: Comparison) -> Iterator[Block]:
    yield glance_table(comparison)
    names = not_run(comparison)
    if names:
        yield Paragraph(f"Not run: {', '.join(names)}.")


def _protocol(comparison: Comparison, name: Name) -> Iterator[Block]:
    yield Paragraph(comparison.protocols[name])
    leaks = leaks_of(comparison, name)
    if leaks:
        yield Paragraph(f"Leaky split: {leaks} on two sides of it. Every figure is too good.", strong=True)
    if rows_measured(comparison, name):
        yield figure_table(comparison, name)
        yield class_table(comparison, name)
    without = tuple(f"{spoken(names)}: {reason}" for reason, names in reasons(comparison, name))
    if without:
        yield Bullets(without)


def _tests(comparison: Comparison) -> Iterator[Block]:
    for name in comparison.protocols:
        table = test_table(comparison, name)
        if table.rows:
            yield table
    if not comparison.tests:
        yield Paragraph("No two models were measured on the same images.")


def _commands(comparison: Comparison) -> Iterator[tuple[str, str]]:
    yield "everything", comparison.command
    for row in comparison.rows:
        for result in row.results:
            if result.measured is not None:
                yield f"{row.name}, {result.protocol}", result.measured.command
