"""The names of timm's architectures, without importing timm.

Owns the check of a name that a user types after ``timm:``. Importing timm imports torch, which takes seconds; its
entry points are marked in the source, so a mistyped name is found by reading. Knows nothing of networks.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["check_timm_name", "timm_names"]

_ENTRY = re.compile(r"^@register_model\ndef (\w+)\(", re.MULTILINE)


@cache
def timm_names() -> tuple[str, ...]:
    """Names of the architectures of the installed timm, sorted; empty where it is not installed."""
    spec = find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(spec.submodule_search_locations[0]) / "models"
    sources = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return tuple(sorted({name for source in sources for name in _ENTRY.findall(source)}))


def check_timm_name(name: str) -> None:
    """Make sure that timm has an architecture.

    Parameters
    ----------
    name
        Of the architecture, with the tag of its weights after a dot or without, such as ``resnet26.bt_in1k``.

    Raises
    ------
    InvalidConfiguration
        If it has none; the message names the nearest. Not raised where timm is not installed: nothing can be
        trained there, and a card that names the recipe can still be read.
    """
    known = timm_names()
    architecture = name.partition(".")[0]
    if architecture in known or (architecture and not known):
        return
    near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "write it as timm:NAME, such as timm:resnet26"
    raise InvalidConfiguration(f"timm has no architecture {architecture!r}; {hint}")
