"""The worst errors as the page of an evaluation shows them, each with its picture where there is one.

Owns which are shown. Knows neither where pixels come from nor how anything looks.
"""

from __future__ import annotations

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.evaluation.report import Mistake
from tumorscope.reporting.evaluation_cards import MistakeCard, MistakeView
from tumorscope.reporting.gallery import Picture, Shown, Thumbnails, first_of

__all__ = [
    "mistake_view",
]

_SIDE = 224


def mistake_view(
    mistakes: tuple[Mistake, ...], picture: Picture, evidence: Picture | None, pictures: int
) -> MistakeView:
    """The first of the mistakes, each with its picture and heat-map where there are any."""
    shown = first_of(mistakes, pictures)
    plain = Thumbnails(picture, side=_SIDE)
    mapped = None if evidence is None else Thumbnails(evidence, side=_SIDE)
    cards = tuple(
        MistakeCard(
            mistake.path,
            _class_of(mistake.label),
            _class_of(mistake.answer),
            mistake.probability,
            mistake.label_probability,
            plain.uri(mistake.path),
            None if mapped is None else mapped.uri(mistake.path),
        )
        for mistake in shown.items
    )
    with_pictures = any(card.picture for card in cards)
    return MistakeView(Shown(cards, shown.more), with_pictures, with_pictures and mapped is not None)


def _class_of(key: str) -> Diagnosis:
    if key not in set(Diagnosis):
        raise InvalidConfiguration(
            f"a mistake names the class {key!r}; {', '.join(label.value for label in CLASS_ORDER)} are known"
        )
    return Diagnosis(key)
