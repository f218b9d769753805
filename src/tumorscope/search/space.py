"""The space of a search: which settings vary, and over what.

Owns the file ``SPACE.yaml`` and its check against the configuration of a training run, before anything runs. Free of
torch and of Optuna.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.core.optional import require
from tumorscope.recipes.weights import weights_file
from tumorscope.training.config import configure

__all__ = ["LARGEST_GRID", "Choices", "Dimension", "Range", "Space", "Value", "as_setting", "read_space"]

Value = str | int | float | bool | None
"""What a setting can be given in a space."""

LARGEST_GRID = 100_000

_NOT_SEARCHED = {
    "recipe": "choose the recipe with --recipe",
    "seed": "the luckiest seed would win, not the best setting; fix it with --set seed=N",
    "threads": "it changes no answer; fix it with --set threads=N",
    "checkpoint_seconds": "it changes no answer; fix it with --set checkpoint_seconds=N",
    "calibration_fraction": "it changes no answer of a search; fix it with --set calibration_fraction=X",
}
_RANGE_WORDS = ("low", "high", "log", "step")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Parameters
    ----------
    key
        The setting, dotted.
    low, high
        Ends.
    log
        Whether the logarithm is drawn evenly.
    step
        Distance of neighbours; ``None`` for all.
    whole
        Whether the setting is a whole number.
    """

    key: str
    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def values(self) -> tuple[Value, ...] | None:
        """All values where they can be counted and are evenly spread."""
        step = self.step or (1 if self.whole else None)
        if step is None or self.log:
            return None
        count = round((self.high - self.low) / step) + 1
        if self.whole:
            return tuple(int(self.low + i * step) for i in range(count))
        # 0.1 + 2 * 0.1 is shown as a person would write it.
        return tuple(float(f"{self.low + i * step:.12g}") for i in range(count))


@dataclass(frozen=True, slots=True)
class Choices:
    """One of several values, without an order."""

    key: str
    values: tuple[Value, ...]


Dimension = Range | Choices


@dataclass(frozen=True, slots=True)
class Space:
    """What varies.

    Parameters
    ----------
    dimensions
        One a setting, in the order of the file.
    """

    dimensions: tuple[Dimension, ...]

    def record(self) -> dict[str, dict[str, Any]]:
        """The space as plain data, for a file."""
        plain: dict[str, dict[str, Any]] = {}
        for dimension in self.dimensions:
            if isinstance(dimension, Choices):
                plain[dimension.key] = {"choices": list(dimension.values)}
            else:
                number = int if dimension.whole else float
                plain[dimension.key] = {"low": number(dimension.low), "high": number(dimension.high)}
                if dimension.log:
                    plain[dimension.key]["log"] = True
                if dimension.step is not None:
                    plain[dimension.key]["step"] = number(dimension.step)
        return plain

    def highest(self, key: str, otherwise: int) -> int:
        """The largest whole number that a setting can be; ``otherwise`` where it does not vary."""
        for dimension in self.dimensions:
            if dimension.key == key:
                values = dimension.values if isinstance(dimension, Choices) else (int(dimension.high),)
                return max(value for value in values if isinstance(value, int))
        return otherwise

    def grid(self) -> tuple[dict[str, Value], ...]:
        """Every combination, the first setting varying slowest.

        Raises
        ------
        InvalidConfiguration
            If a range has no step, or there are more than :data:`LARGEST_GRID` combinations.
        """
        columns = []
        for dimension in self.dimensions:
            if dimension.values is None:
                raise InvalidConfiguration(
                    f"the grid cannot enumerate {dimension.key}, a {'logarithmic' if _is_log(dimension) else 'free'} "
                    "range; give it choices, or a step without log"
                )
            columns.append(dimension.values)
        count = math.prod(len(column) for column in columns)
        if count > LARGEST_GRID:
            raise InvalidConfiguration(
                f"the grid has {count:,} combinations; at most {LARGEST_GRID:,} are accepted; search by --sampler tpe"
            )
        keys = [dimension.key for dimension in self.dimensions]
        return tuple(dict(zip(keys, point, strict=True)) for point in itertools.product(*columns))


def as_setting(key: str, value: Value) -> str:
    """Write ``key=value`` as ``train --set`` reads it."""
    yaml = require("yaml", extra="search", purpose="writing a setting")
    text = str(yaml.safe_dump(value, width=math.inf, allow_unicode=True))
    return f"{key}={text.partition(chr(10))[0]}"


def read_space(path: Path, recipe: str, settings: Sequence[str] = ()) -> Space:
    """Read the space and check every end, step and choice against the configuration.

    Parameters
    ----------
    path
        A YAML file: setting keys to ``{low, high, log, step}`` or ``{choices: [...]}``.
    recipe
        What is trained.
    settings
        Fixed settings, ``key=value``.

    Raises
    ------
    MissingInput
        If there is no such file, or no file of weights that it names.
    InvalidConfiguration
        If it is no YAML, a key is unknown (the nearest is named), or a value is out of the setting's own range.
    """
    yaml = require("yaml", extra="search", purpose="reading the space of a search")
    if not path.is_file():
        raise MissingInput(f"the space {path} does not exist; give a YAML file, see docs/search.md")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidConfiguration(f"{path.name} is not a YAML file in UTF-8") from None
    if not isinstance(content, dict) or not content:
        raise InvalidConfiguration(
            f"{path.name} names no setting; write lines such as 'epochs: {{low: 4, high: 12}}'"
        )
    configure(recipe, settings)  # what is fixed is wrong by itself, not for the space
    fixed = {setting.partition("=")[0] for setting in settings}
    dimensions = []
    for key, words in content.items():
        if not isinstance(key, str):
            raise InvalidConfiguration(f"{path.name}: {key!r} is not the name of a setting")
        if key in _NOT_SEARCHED:
            raise InvalidConfiguration(f"{path.name}: {key} cannot be searched: {_NOT_SEARCHED[key]}")
        if key in fixed:
            raise InvalidConfiguration(
                f"{path.name}: {key} is searched and also fixed by --set; take one of them away"
            )
        try:
            dimensions.append(_dimension(key, words, recipe, settings))
        except InvalidConfiguration as error:
            raise InvalidConfiguration(f"{path.name}: {error}") from None
    return Space(tuple(dimensions))


def _dimension(key: str, words: Any, recipe: str, settings: Sequence[str]) -> Dimension:
    if not isinstance(words, dict):
        raise InvalidConfiguration(
            f"{key} is {words!r}; write {{low: A, high: B}} or {{choices: [A, B]}}, or fix it with --set"
        )
    for word in words:
        if word not in (*_RANGE_WORDS, "choices"):
            _check_word(key, word)
    if "choices" in words:
        if len(words) > 1:
            raise InvalidConfiguration(
                f"{key} has choices and {', '.join(set(words) - {'choices'})}; give one"
            )
        return _choices(key, words["choices"], recipe, settings)
    return _range(key, words, recipe, settings)


def _check_word(key: str, word: Any) -> None:
    near = difflib.get_close_matches(str(word), (*_RANGE_WORDS, "choices"), n=1)
    if near:
        raise InvalidConfiguration(f"{key} has the word {word!r}; did you mean {near[0]!r}?")
    raise InvalidConfiguration(
        f"{key} has the word {word!r}; known are low, high, log, step and choices "
        f"(a part of a setting is written {key}.{word})"
    )


def _choices(key: str, values: Any, recipe: str, settings: Sequence[str]) -> Choices:
    if not isinstance(values, list) or not values:
        raise InvalidConfiguration(f"the choices of {key} are {values!r}; a list of values is needed")
    for value in values:
        if not isinstance(value, Value):
            raise InvalidConfiguration(
                f"a choice of {key} is {value!r}; numbers, words, true, false and null are accepted"
            )
        configure(recipe, [*settings, as_setting(key, value)])
        if key == "weights":
            weights_file(str(value))
    if len({(type(value), value) for value in values}) < len(values):
        raise InvalidConfiguration(f"the choices of {key} name a value twice")
    return Choices(key, tuple(values))


def _range(key: str, words: Mapping[str, Any], recipe: str, settings: Sequence[str]) -> Range:
    for word in ("low", "high"):
        if word not in words:
            raise InvalidConfiguration(
                f"{key} has no {word}; write {{low: A, high: B}} or {{choices: [A, B]}}"
            )
    # PyYAML reads 1e-4 as text: the point is missing that YAML 1.1 wants.
    numbers = {word: _number(key, word, words[word]) for word in ("low", "high", "step") if word in words}
    low, high, step, log = numbers["low"], numbers["high"], numbers.get("step"), words.get("log", False)
    if not isinstance(log, bool):
        raise InvalidConfiguration(f"log of {key} is {log!r}; true or false is needed")
    if not low < high:
        raise InvalidConfiguration(f"{key} goes from {low} to {high}; low must be below high")
    if log and (low <= 0 or step is not None):
        what = f"the low {low}" if low <= 0 else f"the step {step}"
        raise InvalidConfiguration(f"{key} is logarithmic and has {what}; give a low above 0 and no step")
    if step is not None and (step <= 0 or abs((high - low) / step - round((high - low) / step)) > 1e-6):
        raise InvalidConfiguration(
            f"the step of {key} is {step}; from {low} to {high} a whole number of steps above 0 is needed"
        )
    whole = False
    neighbour = low + (step or 1)
    for value in (low, high, *([neighbour] if neighbour <= high and (step or isinstance(low, int)) else [])):
        config = configure(recipe, [*settings, as_setting(key, value)])
        read = reduce(getattr, key.split("."), config)
        whole = isinstance(read, int) and not isinstance(read, bool)
    return Range(key, low, high, log=log, step=step, whole=whole)


def _number(key: str, word: str, value: Any) -> float:
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise InvalidConfiguration(f"{word} of {key} is {value!r}; a number is needed, or use choices")
    return number


def _is_log(dimension: Dimension) -> bool:
    return isinstance(dimension, Range) and dimension.log
