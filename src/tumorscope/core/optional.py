"""Import of optional extras, with an error that names the cure.

Owns the one place that turns a missing package into a :class:`MissingDependency`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from tumorscope.core.errors import MissingDependency

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import ``module`` or say which extra brings it.

    Parameters
    ----------
    module
        Dotted name, for example ``"torch"``.
    extra
        Name of the extra in ``pyproject.toml`` that installs it.
    purpose
        What the user was about to do, for the message.

    Raises
    ------
    MissingDependency
        When the module cannot be imported because it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        raise MissingDependency(
            f"{purpose} needs the package {error.name!r}, which is not installed; "
            f"install it with: pip install 'tumorscope[{extra}]', in a checkout: pip install '.[{extra}]'"
        ) from error
