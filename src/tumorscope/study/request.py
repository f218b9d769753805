"""What a user asks of a study, checked before anything is read or trained.

Owns the words of the options: which recipes and protocols, the settings of all recipes and of one, and how many folds
of which are trained. Free of torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.protocol import Protocol
from tumorscope.recipes.registry import RECIPES, find_recipe
from tumorscope.study.document import Name
from tumorscope.study.words import DEFAULT_PROTOCOLS, DEFAULT_RECIPES

__all__ = ["NAMES", "PROTOCOLS", "StudyRequest", "folds_of", "names_of", "protocols_of", "settings_for"]

PROTOCOLS = tuple(Protocol(name) for name in DEFAULT_PROTOCOLS)
"""Those that a study knows, in the order they are shown in."""

NAMES: dict[Protocol, Name] = {
    Protocol.OFFICIAL: "official",
    Protocol.PATIENT_WISE: "patient-wise",
    Protocol.LEAK_FREE: "leak-free",
}
"""What each is called in a comparison."""


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """A study.

    Parameters
    ----------
    data
        Manifest or folder, as the user named it.
    out
        Folder of the study.
    recipes
        What to compare, in this order.
    protocols
        Out of :data:`PROTOCOLS`, in their order.
    folds_of
        Of some recipes, how many folds are trained; of the others all are.
    settings
        ``key=value`` for all recipes, ``RECIPE.key=value`` for one.
    taken
        Finished runs and bundles, as ``PATH`` or ``NAME=PATH``.
    train
        Whether what is missing is trained; otherwise only what is finished is compared.
    resume
        Whether to go on with what was interrupted.
    allow_leaks
        Whether folds may leak.
    skip_unreadable
        Whether images that cannot be read are left out.
    """

    data: Path
    out: Path
    recipes: tuple[str, ...] = DEFAULT_RECIPES
    protocols: tuple[Protocol, ...] = PROTOCOLS
    folds_of: Mapping[str, int] | None = None
    settings: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    train: bool = True
    resume: bool = False
    allow_leaks: bool = False
    skip_unreadable: bool = False

    def limit(self, recipe: str) -> int | None:
        """How many folds of a recipe are trained; ``None`` for all."""
        return (self.folds_of or {}).get(recipe)


def names_of(text: str) -> tuple[str, ...]:
    """Recipes named in a list such as ``light-cnn,vgg16``.

    Raises
    ------
    InvalidConfiguration
        If one is unknown or named twice.
    """
    names = _listed(text)
    if not names:
        raise InvalidConfiguration("no recipe is named; --recipes takes names such as light-cnn,vgg16")
    for name in names:
        find_recipe(name)
        if names.count(name) > 1:
            raise InvalidConfiguration(f"the recipe {name} is named twice; name each once")
    return names


def protocols_of(text: str) -> tuple[Protocol, ...]:
    """Protocols named in a list such as ``official,patient-wise``, in the order they are shown in.

    Raises
    ------
    InvalidConfiguration
        If one is not among :data:`PROTOCOLS`.
    """
    known = [protocol.value for protocol in PROTOCOLS]
    names = _listed(text)
    for name in names:
        if name not in known:
            raise InvalidConfiguration(
                f"a study has no protocol {name!r}; it has {', '.join(known)}{_nearest(name, known)}"
            )
    if not names:
        raise InvalidConfiguration(f"no protocol is named; --protocols takes some of {','.join(known)}")
    return tuple(protocol for protocol in PROTOCOLS if protocol.value in names)


def folds_of(texts: Sequence[str], recipes: Sequence[str]) -> dict[str, int]:
    """How many folds of which recipe, from texts such as ``vgg16=1,deep-cnn=2``.

    Raises
    ------
    InvalidConfiguration
        If a recipe is not compared, or a number is none.
    """
    found: dict[str, int] = {}
    for pair in [part for text in texts for part in _listed(text)]:
        name, _, number = pair.partition("=")
        if name not in recipes:
            raise InvalidConfiguration(
                f"--folds-of names {name!r}, which is not among --recipes ({', '.join(recipes)})"
            )
        if not number.isdecimal() or int(number) < 1:
            raise InvalidConfiguration(f"--folds-of is {pair!r}; write it as RECIPE=N, such as vgg16=1")
        found[name] = int(number)
    return found


def settings_for(recipe: str, settings: Iterable[str], recipes: Sequence[str]) -> tuple[str, ...]:
    """The settings of one recipe: those of all, then its own.

    Parameters
    ----------
    recipe
        Which.
    settings
        As the user gave them.
    recipes
        Those that are compared.

    Raises
    ------
    InvalidConfiguration
        If a setting is of a recipe that is not compared.
    """
    common, own = [], []
    for setting in settings:
        key, _, _ = setting.partition("=")
        named = [name for name in {*RECIPES, *recipes} if key.startswith(f"{name}.")]
        owner = max(named, key=len, default=None)
        if owner is None:
            common.append(setting)
        elif owner not in recipes:
            raise InvalidConfiguration(
                f"--set {setting} is of {owner}, which is not among --recipes ({', '.join(recipes)})"
            )
        elif owner == recipe:
            own.append(setting.removeprefix(f"{owner}."))
    return (*common, *own)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
