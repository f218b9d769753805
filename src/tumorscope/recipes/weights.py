"""How initial weights are named.

Owns the words that a user may give as ``weights``. Torch-free, so that a mistyped path is found before anything heavy
is imported; the loading itself is :mod:`tumorscope.models.weights`.
"""

from __future__ import annotations

from pathlib import Path

from tumorscope.core.errors import MissingInput

__all__ = ["WEIGHTS_SOURCES", "weights_file"]

WEIGHTS_SOURCES = ("auto", "hub", "package")


def weights_file(choice: str) -> Path | None:
    """The file that a choice names; ``None`` for one of :data:`WEIGHTS_SOURCES`.

    Raises
    ------
    MissingInput
        If it does not exist.
    """
    if choice in WEIGHTS_SOURCES:
        return None
    path = Path(choice)
    if not path.is_file():
        raise MissingInput(
            f"the weights file {path} does not exist; give a .safetensors file, "
            f"or one of {', '.join(WEIGHTS_SOURCES)}"
        )
    return path
