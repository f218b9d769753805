"""A configuration in a YAML file, as ``tumorscope search`` writes it and a run's ``config.yaml`` is.

Owns the way from the file to ``key=value`` settings, which :func:`tumorscope.training.config.configure` checks, and the
reading of a run's own record of its settings. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.core.optional import require
from tumorscope.training.config import TrainingConfig

__all__ = ["ConfigFile", "read_config_file", "read_recorded"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a file says.

    Parameters
    ----------
    recipe
        The recipe, where the file or the user names one.
    settings
        Everything else as ``key=value``, parts of a setting dotted.
    """

    recipe: str | None
    settings: tuple[str, ...]


def read_recorded(path: Path) -> TrainingConfig:
    """Read what a run recorded of its settings.

    Parameters
    ----------
    path
        ``config.yaml`` of the run, which is there.

    Raises
    ------
    InvalidConfiguration
        If it is not a configuration of this version.
    """
    yaml = require("yaml", extra="train", purpose="reading the settings of a run")
    try:
        return TrainingConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValueError, yaml.YAMLError) as error:
        raise InvalidConfiguration(f"{path} is not a training configuration of this version") from error


def read_config_file(path: Path, recipe: str | None = None) -> ConfigFile:
    """Read the file; what its keys and values may be is not checked here.

    Parameters
    ----------
    path
        The file.
    recipe
        One that was asked for beside the file.

    Raises
    ------
    MissingInput
        If there is no such file.
    InvalidConfiguration
        If it is not a YAML mapping of settings, or names another recipe than was asked for.
    """
    yaml = require("yaml", extra="train", purpose="reading a training configuration")
    if not path.is_file():
        raise MissingInput(f"the configuration {path} does not exist; give a YAML file of settings")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidConfiguration(f"{path.name} is not a YAML file in UTF-8") from None
    if content is not None and not isinstance(content, dict):
        raise InvalidConfiguration(
            f"{path.name} holds {type(content).__name__}; lines such as 'epochs: 8' are needed"
        )
    values = dict(content or {})
    named = values.pop("recipe", None)
    if named is not None and not isinstance(named, str):
        raise InvalidConfiguration(f"{path.name}: recipe is {named!r}; the name of a recipe is needed")
    if named and recipe and named != recipe:
        raise InvalidConfiguration(
            f"{path.name} is for the recipe {named!r}, and --recipe says {recipe!r}; leave one of them out"
        )
    return ConfigFile(
        named or recipe,
        tuple(
            f"{key}={yaml.safe_dump(value, default_flow_style=True, width=math.inf).partition(chr(10))[0]}"
            for key, value in _flat(values)
        ),
    )


def _flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
