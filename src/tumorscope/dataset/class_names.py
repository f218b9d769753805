"""The names that data sets give the four classes.

Owns the spellings that need no explanation and the mapping that a user gives for all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis

__all__ = ["LEFT_OUT", "MAP_OTHERS", "ClassNames"]

LEFT_OUT = "skip"
"""What a user maps a name to, so that its images are left out."""

MAP_OTHERS = "for others add --map-label NAME=CLASS (to 'tumorscope data index', where a command lacks it)"
"""What to do about a name that stands for no class."""

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Which class a folder or a label stands for.

    The keys of the four classes are known in any case, with spaces, hyphens and underscores or without, and with
    or without "tumor" or "tumour" at the end (``no_tumor``, ``Pituitary tumour``).

    Parameters
    ----------
    mapping
        Further names, in lower case, to a class, or to ``None`` for images to be left out.
    met
        Names that :meth:`diagnosis` was asked for, as the data sets write them; it notes them, so that a mapping
        that met nothing can be told.
    """

    mapping: Mapping[str, Diagnosis | None] = field(default_factory=dict)
    met: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def parse(cls, settings: Iterable[str]) -> ClassNames:
        """Read ``NAME=CLASS`` or ``NAME=skip`` as given on the command line.

        Raises
        ------
        InvalidConfiguration
            If one is written otherwise, names no class, or contradicts another.
        """
        mapping: dict[str, Diagnosis | None] = {}
        for setting in settings:
            name, equals, target = setting.partition("=")
            target = target.strip().lower()
            if not equals or not name.strip() or target not in (*CLASS_ORDER, LEFT_OUT):
                raise InvalidConfiguration(
                    f"the label mapping {setting!r} is not understood; write NAME=CLASS, where CLASS is one of "
                    f"{', '.join(CLASS_ORDER)} or {LEFT_OUT}"
                )
            key, label = name.strip().lower(), None if target == LEFT_OUT else Diagnosis(target)
            if mapping.setdefault(key, label) != label:
                raise InvalidConfiguration(
                    f"the label {name.strip()!r} is mapped to {_target(mapping[key])} and to {target}; map it once"
                )
        return cls(mapping)

    def unmet(self) -> tuple[str, ...]:
        """Names of the mapping that no data set had so far, sorted."""
        return tuple(sorted(self.mapping.keys() - {name.lower() for name in self.met}))

    def knows(self, name: str) -> bool:
        """Whether the name stands for a class or for images to be left out."""
        return name.strip().lower() in self.mapping or _plain(name) is not None

    def refuse_unknown(self, labels: Iterable[tuple[str, str]]) -> None:
        """Name every label that is unknown, before the first of them is met.

        Parameters
        ----------
        labels
            Where each is and what it is.

        Raises
        ------
        InvalidManifest
            If two or more are unknown; one alone is named by :meth:`diagnosis`.
        """
        found = [(where, name.strip()) for where, name in labels if not self.knows(name)]
        unknown = sorted({name for _, name in found})
        if len(unknown) > 1:
            listed = [repr(name[:60]) for name in unknown]
            more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
            raise InvalidManifest(
                f"{found[0][0]} and others: labels {', '.join(listed[:_SHOWN])}{more} are unknown; labels are "
                f"{', '.join(CLASS_ORDER)}; {MAP_OTHERS}"
            )

    def diagnosis(self, name: str, where: str) -> Diagnosis | None:
        """The class that a name stands for; ``None`` where its images are to be left out.

        Parameters
        ----------
        name
            As a data set writes it.
        where
            What to call the place in the message.

        Raises
        ------
        InvalidManifest
            If the name is unknown.
        """
        self.met.add(name.strip())
        key = name.strip().lower()
        if key in self.mapping:
            return self.mapping[key]
        label = _plain(name)
        if label is None:
            raise InvalidManifest(
                f"{where}: label {name[:60]!r} is unknown; labels are {', '.join(CLASS_ORDER)}; {MAP_OTHERS}"
            )
        return label


def _target(label: Diagnosis | None) -> str:
    return LEFT_OUT if label is None else label.value


def _plain(name: str) -> Diagnosis | None:
    letters = "".join(name.lower().replace("tumour", "tumor").split())
    letters = letters.replace("_", "").replace("-", "")
    for candidate in (letters, letters.removesuffix("tumor")):
        if candidate in tuple(CLASS_ORDER):
            return Diagnosis(candidate)
    return None
