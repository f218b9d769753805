"""``tumorscope train --show-augmentation``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tumorscope.training.config import TrainingConfig

__all__ = ["show_augmentation"]


def show_augmentation(file: Path, data: Path | None, config: TrainingConfig) -> None:
    """Draw what the augmentation of a configuration makes of some images of the data, and nothing else."""
    import io

    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.files import atomic_write, check_writable
    from tumorscope.core.optional import require

    if file.suffix.lower() != ".png":
        raise InvalidConfiguration(f"--show-augmentation is {str(file)!r}; the name of a .png file is needed")
    check_writable(file)
    require("torch", extra="train", purpose="showing the augmentation")
    from tumorscope.augmentation.examples import take_examples
    from tumorscope.augmentation.sheet import draw_sheet

    examples = take_examples(data, config.image_size, seed=config.seed)
    sheet = draw_sheet(examples, config.augmentation, config.seed)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    atomic_write(file, stream.getvalue())
    shown = "; ".join(title for title, _ in examples)
    typer.echo(f"augmentation of {shown}: {file}")
