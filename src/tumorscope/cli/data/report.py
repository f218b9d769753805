"""Lines that several verbs below ``data`` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import typer

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Failure

__all__ = ["by_class", "empty_classes", "left_out", "remarks"]


def by_class(manifest: Manifest) -> str:
    """Images of each class, empty classes too."""
    counts = Counter(row.label for row in manifest)
    return ", ".join(f"{key.value} {counts[key]:,}" for key in CLASS_ORDER)


def left_out(failures: Iterable[Failure]) -> None:
    """Say on standard error which images were left out and why, one a line."""
    for failure in failures:
        text = str(failure.error)
        shown = text if str(failure.path) in text else f"{failure.path}: {text}"
        typer.echo(f"left out: {shown}", err=True)


def empty_classes(manifest: Manifest) -> None:
    """Say on standard error which classes have no images."""
    empty = [key.value for key in CLASS_ORDER if not any(row.label is key for row in manifest)]
    if empty:
        typer.echo(f"note: there is no image of {', '.join(empty)}", err=True)


def remarks(manifest: Manifest) -> None:
    """Say on standard error what is odd about the labels: classes without images, groups with several classes."""
    empty_classes(manifest)
    labels: dict[str, set[str]] = {}
    for row in manifest:
        labels.setdefault(row.group, set()).add(row.label.value)
    mixed = [group for group, found in labels.items() if len(found) > 1]
    if mixed:
        example = next(row for row in manifest if row.group == mixed[0])
        typer.echo(
            f"note: {len(mixed):,} groups hold images of several classes "
            f"({' and '.join(sorted(labels[mixed[0]]))}, for example with {manifest.display_path(example)}); "
            "'tumorscope data audit' lists them",
            err=True,
        )
