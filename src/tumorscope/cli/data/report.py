"""Lines that several verbs below ``data`` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import typer

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Failure

__all__ = ["by_class", "left_out"]


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
