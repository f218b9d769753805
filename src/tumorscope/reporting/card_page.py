"""The model card as a person reads it, as Markdown and as a page; written from the card that lies in the bundle.

Owns which entries are shown, in which order and under which names; every number and every claim comes from the card,
and from the document of an evaluation where one is given. Fields follow Mitchell et al., "Model Cards for Model
Reporting", FAT* 2019. Says what was not measured, and shows no figure without its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tumorscope.core.card import Figure, Measured, Member, ModelCard
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import NOTICE
from tumorscope.core.version import __version__
from tumorscope.dataset.leaks import describe_leaks
from tumorscope.evaluation.protocol import Protocol
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.evaluated import Evaluated, read_document
from tumorscope.reporting.evaluation_verdicts import verdicts
from tumorscope.reporting.figure_words import FIGURE_NAMES, figure_text, split_name
from tumorscope.reporting.page import count, percent, render
from tumorscope.reporting.verdict_lines import missing, not_measured
from tumorscope.reporting.writing import (
    Block,
    Bullets,
    Commands,
    Facts,
    Paper,
    Paragraph,
    Section,
    Table,
    blocks_markdown,
    markdown,
)

__all__ = ["card_markdown", "card_page", "figures_markdown"]


def card_markdown(card: ModelCard, document: Mapping[str, Any] | None = None) -> str:
    """Write a bundle's model card as Markdown.

    Parameters
    ----------
    card
        As the bundle holds it.
    document
        ``evaluation.json`` of this model, with its parts where they were measured; ``None`` for the figures of the card
        alone.

    Raises
    ------
    InvalidConfiguration
        If the document is not one of an evaluation.
    """
    return markdown(_paper(card, document))


def figures_markdown(card: ModelCard) -> str:
    """Write the figures of a card alone, each evaluation with its protocol and counts; empty where there are none."""
    return "\n".join(
        f"**Protocol: {measured.protocol}.** {blocks_markdown(_measured(measured))}"
        for measured in card.evaluation
    )


def card_page(
    card: ModelCard, document: Mapping[str, Any] | None = None, *, version: str = __version__
) -> str:
    """Write the same as one HTML file, to be written as UTF-8.

    Raises
    ------
    InvalidConfiguration
        If the document is not one of an evaluation.
    MissingDependency
        If Jinja2 is not installed.
    """
    return render("paper.html", version=version, paper=_paper(card, document), eyebrow="Model card")


def _paper(card: ModelCard, document: Mapping[str, Any] | None) -> Paper:
    evaluated = None if document is None else read_document(document)
    leaky = [measured.protocol for measured in card.evaluation if measured.leaks]
    if evaluated is not None and evaluated.leaky and evaluated.protocol not in leaky:
        leaky.append(evaluated.protocol)
    stamp = f"Leaky split ({', '.join(leaky)}): these figures are too good to be quoted for new patients."
    return Paper(
        title=f"{card.name} {card.version}",
        lead=f"Tells {_classes(card)} apart on single brain MRI slices. {NOTICE}",
        stamp=stamp if leaky else "",
        sections=tuple(_sections(card, evaluated)),
        foot=(
            f"Generated from the card of the bundle, made {card.created}; not to be edited by hand.",
            NOTICE,
        ),
    )


def _sections(card: ModelCard, evaluated: Evaluated | None) -> Iterator[Section]:
    yield Section("use", "Intended use", (Paragraph(card.intended_use),))
    yield Section("limits", "Limits", (Bullets(card.limits),))
    yield Section("model", "Model", (_model(card),))
    yield Section("data", "Training data", tuple(_data(card)))
    # A card and a document often hold the same evaluation; then the document, which knows more, speaks.
    others = [one for one in card.evaluation if evaluated is None or not _same(one, evaluated)]
    for number, measured in enumerate(others):
        title = f"Figures, protocol {measured.protocol}"
        yield Section(f"figures-{number + 1}", title, tuple(_measured(measured)))
    if evaluated is None:
        if not card.evaluation:
            yield Section("evaluation", "Figures", (Paragraph("Not measured: any figure."),))
        yield Section("beyond", "Beyond the figures", (Paragraph(_NO_DOCUMENT),))
    else:
        yield Section("evaluation", f"Figures, protocol {evaluated.protocol}", tuple(_evaluated(evaluated)))
        yield Section("beyond", "Beyond the figures", tuple(_beyond(evaluated)))
    yield Section("thresholds", "Thresholds", tuple(_thresholds(card)))
    yield Section("licences", "Licences", (Facts(tuple(card.licences.items())),))
    yield Section("versions", "Versions", (Facts(tuple(card.versions.items())),))


def _same(measured: Measured, evaluated: Evaluated) -> bool:
    """Whether both tell of one evaluation; either may know figures that the other does not."""
    shared = measured.figures.keys() & evaluated.figures.keys()
    return (
        (measured.protocol, measured.images) == (evaluated.protocol, evaluated.images)
        and bool(shared)
        and all(measured.figures[name] == evaluated.figures[name] for name in shared)
    )


_NO_DOCUMENT = (
    "Not measured here: calibration, prediction sets, strata, stress, shortcuts, novelty and explanation. Give the "
    "document that 'tumorscope evaluate' writes."
)


def _model(card: ModelCard) -> Facts:
    return Facts(
        (
            ("Made", card.created),
            ("Architecture", f"{card.architecture}, recipe {card.recipe}"),
            ("Initial weights", card.initial_weights),
            *([("Weights", card.weight_type.kept)] if card.weight_type.kept else ()),
            (
                "Input",
                f"one gray slice of {card.input_size} x {card.input_size} pixels, {card.preprocessing}",
            ),
            ("Answers", _classes(card)),
            ("Heat-map", f"{card.heatmap_kind}, stride {card.heatmap_stride}"),
            ("Configuration", f"SHA-256 {card.configuration_sha256}"),
            *_made_of(card),
        )
    )


def _made_of(card: ModelCard) -> Iterator[tuple[str, str]]:
    """The members of an ensemble and what they cost, and other models that it was made from."""
    if card.ensemble is not None:
        made = card.ensemble
        yield "Members", f"{made.combination}: " + _members(made.members)
        yield "Cost", f"{made.graph_bytes / 2**20:.1f} MiB, {made.milliseconds:.1f} ms an image on one thread"
    for kind, members in card.forebears.items():
        yield kind, _members(members)


def _members(members: Sequence[Member]) -> str:
    return ", ".join(f"{member.name} (SHA-256 {member.sha256[:8]}...)" for member in members)


def _data(card: ModelCard) -> Iterator[Block]:
    data = card.data
    if data.held_out_fold is not None:
        yield Paragraph(
            f"A fold model, made to measure and not to be used: it has not seen fold {data.held_out_fold}.",
            strong=True,
        )
    yield Facts(
        (
            ("Images", f"{count(data.images)} images of {count(data.slices)} slices"),
            ("Groups", f"{count(data.groups)}, {count(data.patients)} of them known patients"),
            ("Sources", _listed(data.sources)),
            ("Protocol", data.protocol),
            (
                "Calibration",
                f"{count(data.calibration_images)} of these images, {count(data.calibration_groups)} groups, kept back",
            ),
            ("Leaks", _leaks_of_data(card)),
            ("Licence", data.licence),
            ("Manifest", f"SHA-256 {data.manifest_sha256}"),
        )
    )
    rows = tuple((_label(key), count(number)) for key, number in data.images_by_class.items())
    yield Table("Images of each class", ("class", "images"), rows, numbers=1)


def _leaks_of_data(card: ModelCard) -> str:
    leaks = card.data.leaks
    if leaks is None:
        return "not looked for"
    found = [f"{split}: {describe_leaks(counts)}" for split, counts in leaks.items() if counts]
    return "; ".join(found) or "none found"


def _measured(measured: Measured) -> Iterator[Block]:
    known = {protocol.value: protocol.meaning for protocol in Protocol}
    yield Paragraph(known.get(measured.protocol, f"Protocol {measured.protocol}."))
    if measured.leaks:
        yield Paragraph(f"Leaky split: {describe_leaks(measured.leaks)} on two sides of it.", strong=True)
    yield Paragraph(_size(measured.images, measured.slices, measured.groups, measured.patients))
    yield from _figures(measured.figures)
    yield _confusion(tuple(CLASS_ORDER), measured.confusion)
    yield Commands((("Made again by", measured.command),))


def _evaluated(evaluated: Evaluated) -> Iterator[Block]:
    yield Paragraph(evaluated.protocol_meaning)
    if evaluated.leaky:
        yield Paragraph(f"Leaky split: {evaluated.leaky} on two sides of it.", strong=True)
    yield Paragraph(_size(evaluated.images, evaluated.slices, evaluated.groups, evaluated.patients))
    yield from _figures(evaluated.figures)
    yield _confusion(evaluated.class_order, evaluated.confusion)
    if evaluated.notes:
        yield Bullets(evaluated.notes)
    yield Commands((("Made again by", evaluated.command),))


def _beyond(evaluated: Evaluated) -> Iterator[Block]:
    parts = evaluated.parts or Parts()
    checks = verdicts(evaluated, parts)
    words = {"good": "good", "notice": "notice", "problem": "problem", "not-run": "no verdict"}
    yield Table(
        "",
        ("part", "verdict", "what was found"),
        tuple((check.title, words[check.verdict.value], check.sentence) for check in checks),
    )
    rest = [key for key in missing(parts) if key in {"roc", "mistakes"}]
    for key in rest:
        yield Paragraph(not_measured(key))


def _size(images: int, slices: int, groups: int, patients: int) -> str:
    return (
        f"{count(images)} images of {count(slices)} slices (copies count once) in {count(groups)} groups, "
        f"{count(patients)} of them known patients. Intervals of 95 %, over groups."
    )


def _figures(figures: Mapping[str, Figure]) -> Iterator[Block]:
    whole = [(name, figure) for name, figure in figures.items() if split_name(name)[1] is None]
    yield Table(
        "All images",
        ("figure", "value", "95 % interval"),
        tuple((FIGURE_NAMES.get(name, name), *figure_text(name, figure)) for name, figure in whole),
        numbers=2,
    )
    kinds = dict.fromkeys(kind for kind, label in map(split_name, figures) if label is not None)
    rows = []
    for label in CLASS_ORDER:
        found = [(kind, figures.get(f"{kind}_{label.value}")) for kind in kinds]
        if any(figure is not None for _, figure in found):
            rows.append((label.label, *(_cell(kind, figure) for kind, figure in found)))
    if rows:
        names = tuple(FIGURE_NAMES.get(kind, kind) for kind in kinds)
        yield Table("By class", ("class", *names), tuple(rows), numbers=len(names))


def _cell(kind: str, figure: Figure | None) -> str:
    return "-" if figure is None else "{} ({})".format(*figure_text(kind, figure))


def _confusion(order: tuple[Diagnosis, ...], matrix: tuple[tuple[float, ...], ...]) -> Table:
    rows = tuple(
        (label.label, *(f"{cell:,.1f}".removesuffix(".0") for cell in row))
        for label, row in zip(order, matrix, strict=True)
    )
    return Table(
        "Confusion in slices: rows truth, columns answer",
        ("truth", *(label.label for label in order)),
        rows,
        numbers=len(order),
    )


def _thresholds(card: ModelCard) -> Iterator[Block]:
    thresholds = card.thresholds
    yield Table(
        "A class is in the prediction set from this probability on",
        ("coverage", *(_label(key) for key in card.class_order)),
        tuple(
            (
                percent(float(coverage), 0)
                + (" (default)" if coverage == thresholds.default_coverage else ""),
                *(f"{max(0.0, 1 - quantile):.4f}" for quantile in quantiles),
            )
            for coverage, quantiles in thresholds.conformal.items()
        ),
        numbers=len(card.class_order),
    )
    yield Paragraph(
        f"Rejected as unlike a brain MRI: novelty above {thresholds.novelty_limit:.3f}, which "
        f"{percent(thresholds.novelty_false_rejection)} of the calibration slices are."
    )


def _classes(card: ModelCard) -> str:
    return ", ".join(_label(key) for key in card.class_order)


def _label(key: str) -> str:
    return Diagnosis(key).label if key in set(Diagnosis) else key


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in counts.items())
