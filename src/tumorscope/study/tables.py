"""The tables of a comparison, for its page and for Markdown alike.

Owns what stands in which column. Figures never stand without their interval, and never without the protocol in the
table's caption; a leak is named there too.
"""

from __future__ import annotations

from collections.abc import Sequence

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.leaks import describe_leaks
from tumorscope.reporting.figure_words import figure_text
from tumorscope.reporting.page import count, percent
from tumorscope.reporting.writing import Table
from tumorscope.study.document import Comparison, ModelFacts, Name, PairedTest, Result, Row, TrainingTime
from tumorscope.study.wording import (
    NONE,
    duration,
    megabytes,
    milliseconds,
    operations,
    p_value,
    parameters,
)

__all__ = [
    "caption",
    "class_table",
    "cost_table",
    "figure_table",
    "glance_table",
    "leaks_of",
    "not_run",
    "reasons",
    "rows_measured",
    "test_table",
    "why_none",
]

_WHOLE = ("accuracy", "loss", "macro_f1", "balanced_accuracy", "macro_auroc")
_HEADS = ("accuracy", "loss (nats)", "macro-F1", "balanced accuracy", "AUROC, mean")
_THEIRS = "original study (theirs)"


def leaks_of(comparison: Comparison, protocol: Name) -> str:
    """What the figures of a protocol leak, in words; empty where nothing does."""
    found: dict[str, int] = {}
    for _, result in rows_measured(comparison, protocol):
        leaks = None if result.measured is None else result.measured.leaks
        for key, number in (leaks or {}).items():
            found[key] = max(number, found.get(key, 0))
    return describe_leaks(found) if found else ""


def caption(comparison: Comparison, protocol: Name, title: str) -> str:
    """A table's title with its protocol, and the leak beside it."""
    return f"{title}, protocol {protocol}{', leaky split' if leaks_of(comparison, protocol) else ''}"


def rows_measured(comparison: Comparison, protocol: Name) -> list[tuple[Row, Result]]:
    """Rows with figures under a protocol."""
    found = ((row, row.result(protocol)) for row in comparison.rows)
    return [(row, result) for row, result in found if result is not None and result.state == "measured"]


def why_none(result: Result | None) -> str:
    """What stands in place of figures."""
    if result is None or (result.state == "not run" and not result.reason):
        return "not run"
    return f"{result.state}: {result.reason}" if result.reason else result.state


def reasons(comparison: Comparison, protocol: Name) -> list[tuple[str, list[str]]]:
    """Why rows have no figures under a protocol, each reason once with the rows; not of recipes that nobody ran."""
    found: dict[str, list[str]] = {}
    for row in comparison.rows:
        result = row.result(protocol)
        if result is not None and result.state != "measured" and (row.ran or result.reason):
            found.setdefault(why_none(result), []).append(row.name)
    return list(found.items())


def not_run(comparison: Comparison) -> list[str]:
    """Recipes that nobody ran."""
    return [row.name for row in comparison.rows if not row.ran]


def glance_table(comparison: Comparison) -> Table:
    """Accuracy under every protocol, and the original study's."""
    protocols = list(comparison.protocols)
    heads = [f"{name}{' (leaky split)' if leaks_of(comparison, name) else ''}" for name in protocols]
    with_theirs = any(row.published for row in comparison.rows)
    rows: list[tuple[str, ...]] = []
    for row in comparison.rows:
        cells = [_accuracy(row.result(name)) for name in protocols]
        theirs = (
            (f"{percent(row.published.accuracy, 2)}, loss {row.published.loss:.2f}",)
            if row.published
            else (NONE,)
        )
        rows.append((row.name, *cells, *(theirs if with_theirs else ())))
    head = ("model", *heads, *((_THEIRS,) if with_theirs else ()))
    return Table("Accuracy, with 95 % intervals over groups", head, tuple(rows), numbers=len(head) - 1)


def figure_table(comparison: Comparison, protocol: Name) -> Table:
    """Figures of all classes together, and what they rest on."""
    rows: list[tuple[str, ...]] = []
    for row in comparison.rows:
        result = row.result(protocol)
        if result is None or not row.ran:
            continue
        if result.measured is None or result.state != "measured":
            rows.append((row.name, result.state, *("" for _ in _HEADS)))
            continue
        rest = f"{count(result.measured.images)} / {count(result.measured.slices)} / {count(result.measured.groups)}"
        name = f"{row.name} ({result.in_part} only)" if result.in_part else row.name
        rows.append((name, rest, *(_cell(figure, result) for figure in _WHOLE)))
        if protocol == "official" and row.published is not None:
            theirs = (percent(row.published.accuracy, 2), f"{row.published.loss:.2f}")
            blank = tuple("" for _ in _HEADS[2:])
            rows.append((f"{row.published.model} of the {_THEIRS}", "not measured here", *theirs, *blank))
    head = ("model", "images / slices / groups", *_HEADS)
    return Table(caption(comparison, protocol, "All classes"), head, tuple(rows), numbers=len(head) - 1)


def class_table(comparison: Comparison, protocol: Name) -> Table:
    """Sensitivity, specificity and AUROC of every class."""
    kinds = ("sensitivity", "specificity", "auroc")
    head = ("model", "class", *("sensitivity", "specificity", "AUROC"))
    rows = tuple(
        (row.name, key.label, *(_cell(f"{kind}_{key.value}", result) for kind in kinds))
        for row, result in rows_measured(comparison, protocol)
        for key in CLASS_ORDER
    )
    return Table(caption(comparison, protocol, "By class"), head, rows, numbers=3)


def cost_table(comparison: Comparison) -> Table:
    """What the models are and what they cost."""
    head = (
        *("model", "parameters", "multiply-adds (FLOPs / 2)", "bundle", "one image, median (10 to 90 %)"),
        *("training, official", "training, folds", "epochs", "pixels", "initial weights"),
    )
    rows = tuple((row.name, *_costs(row.model)) for row in comparison.rows if row.model is not None)
    return Table("Models, and one image at a time on the processor", head, rows, numbers=len(head) - 1)


def test_table(comparison: Comparison, protocol: Name) -> Table:
    """Every two models on the same images."""
    head = (
        *("second less first", "images / groups", "accuracy", "p, groups", "p, corrected"),
        *("p, McNemar", "macro-F1", "loss (nats)"),
    )
    rows = tuple(_test(test) for test in comparison.tests if test.protocol == protocol)
    return Table(caption(comparison, protocol, "Differences"), head, rows, numbers=len(head) - 1)


def _accuracy(result: Result | None) -> str:
    if result is None or result.measured is None or result.state != "measured":
        return "failed" if result is not None and result.state == "failed" else _state(result)
    return _cell("accuracy", result) + (f", {result.in_part} only" if result.in_part else "")


def _state(result: Result | None) -> str:
    return "not run" if result is None else result.state


def _cell(name: str, result: Result) -> str:
    figure = result.figure(name)
    return NONE if figure is None else "{} ({})".format(*figure_text(name, figure))


def _costs(model: ModelFacts) -> Sequence[str]:
    costs, latency = model.costs, model.latency
    return (
        parameters(None if costs is None else costs.parameters),
        operations(None if costs is None else costs.multiply_adds),
        megabytes(model.bundle_bytes),
        NONE
        if latency is None
        else f"{milliseconds(latency.median_ms)} ({latency.low_ms:.3g} to {latency.high_ms:.3g})",
        _time(model, "official"),
        _time(model, "folds"),
        NONE if model.epochs is None else str(model.epochs),
        str(model.image_size),
        model.initial_weights,
    )


def _time(model: ModelFacts, part: str) -> str:
    found: TrainingTime | None = next((time for time in model.training if time.part == part), None)
    if found is None:
        return NONE
    fits = f"{found.fits} fits, " if found.fits > 1 else ""
    threads = f", {found.threads} threads" if found.device == "cpu" else ""
    return f"{duration(found.seconds)} ({fits}{found.device}{threads})"


def _test(test: PairedTest) -> tuple[str, ...]:
    return (
        f"{test.second} less {test.first}",
        f"{count(test.images)} / {count(test.groups)}",
        _points(test.difference["accuracy"]),
        p_value(test.p_clustered),
        p_value(test.p_holm),
        p_value(test.p_mcnemar),
        _signed(test.difference["macro_f1"]),
        _signed(test.difference["loss"]),
    )


def _points(figure: Figure) -> str:
    """A difference of shares in percentage points."""
    return f"{figure.value * 100:+.1f} ({figure.low * 100:+.1f} to {figure.high * 100:+.1f}) points"


def _signed(figure: Figure) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"
