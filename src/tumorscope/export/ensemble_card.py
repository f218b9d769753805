"""The card of an ensemble, gathered from those of its members and from answers to images that they had not seen.

Owns what of several cards is said in one. Knows neither graphs nor files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from numpy.typing import NDArray

from tumorscope.core.card import DataProvenance, Ensemble, Measured, Member, ModelCard, Thresholds
from tumorscope.core.version import __version__
from tumorscope.core.weight_type import WeightType
from tumorscope.evaluation.novelty import FALSE_REJECTION, false_rejection_limit
from tumorscope.evaluation.novelty_scores import BUNDLE_SCORE
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.scoring import PREFIX
from tumorscope.export.calibrate import Calibrated
from tumorscope.export.card import DEFAULT_COVERAGE, FOLD_LIMIT, conformal_quantiles
from tumorscope.export.members import EnsembleMember

__all__ = ["Basis", "ensemble_card"]

_OTHER_DATA = (
    "Its members learnt from different data sets; the counts of its card are those of the largest, and it has seen "
    "what any of them has."
)


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What the constants of an ensemble rest on.

    Parameters
    ----------
    table
        Answers for images that the models that gave them had not learnt from.
    novelty
        ``float [M]``, the ensemble's novelty of these images, in its own unit.
    calibrated
        What was chosen and fitted on the table.
    words
        Where these answers came from.
    measured
        Figures of the ensemble, where it has any.
    limits
        What a reader must know of them.
    held_out_fold
        Of a fold's ensemble, the fold that no member has seen.
    """

    table: PredictionTable
    novelty: NDArray[Any]
    calibrated: Calibrated
    words: str
    measured: tuple[Measured, ...] = ()
    limits: tuple[str, ...] = ()
    held_out_fold: int | None = None


def ensemble_card(
    name: str,
    members: Sequence[EnsembleMember],
    basis: Basis,
    *,
    heatmap_stride: int,
    weight_type: WeightType,
    graph_bytes: int,
    milliseconds: float,
) -> ModelCard:
    """Gather the card.

    Parameters
    ----------
    name
        Of the ensemble.
    members
        Which agree in what they must agree in.
    basis
        What its constants rest on.
    heatmap_stride, weight_type, graph_bytes, milliseconds
        Of the merged graph.
    """
    cards = [member.card for member in members]
    first = cards[0]
    hashes = [card.configuration_sha256 for card in cards]
    configurations = {card.configuration_sha256: card.configuration for card in cards}
    return ModelCard(
        name=name,
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        class_order=first.class_order,
        input_size=first.input_size,
        preprocessing=first.preprocessing,
        heatmap_kind=first.heatmap_kind,
        heatmap_stride=heatmap_stride,
        weight_type=weight_type,
        architecture=f"mean of {len(cards)}: {_counted(card.architecture for card in cards)}",
        recipe=f"ensemble of {_counted(card.recipe for card in cards)}",
        configuration={"ensemble": list(configurations.values())},
        configuration_sha256=hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        initial_weights="; ".join(dict.fromkeys(card.initial_weights for card in cards)),
        temperature=basis.calibrated.temperature,
        vector_scaling=basis.calibrated.vector_scaling(),
        thresholds=Thresholds(
            conformal=conformal_quantiles(basis.table, basis.calibrated),
            default_coverage=DEFAULT_COVERAGE,
            novelty_limit=false_rejection_limit(basis.novelty, basis.table.weights),
            novelty_false_rejection=FALSE_REJECTION,
            novelty_score=f"mean of the members' {BUNDLE_SCORE}, each over its member's limit",
        ),
        data=_data(cards, basis),
        evaluation=basis.measured,
        intended_use=first.intended_use,
        limits=_limits(cards, basis),
        licences={key: text for card in reversed(cards) for key, text in card.licences.items()},
        versions={key: text for card in reversed(cards) for key, text in card.versions.items()},
        ensemble=Ensemble(
            members=tuple(
                Member(name=member.card.name, recipe=member.card.recipe, sha256=member.sha256)
                for member in members
            ),
            graph_bytes=graph_bytes,
            milliseconds=milliseconds,
        ),
        teachers=tuple(dict.fromkeys(teacher for card in cards for teacher in card.teachers)),
        averaged=tuple(dict.fromkeys(member for card in cards for member in card.averaged)),
        guides=tuple(dict.fromkeys(guide for card in cards for guide in card.guides)),
    )


def _data(cards: Sequence[ModelCard], basis: Basis) -> DataProvenance:
    """The counts of the largest; all images that any member or the calibration has seen."""
    largest = max((card.data for card in cards), key=lambda data: data.images)
    known = {prefix for card in cards for prefix in card.data.image_sha256_prefixes}
    # Those of a fold's ensemble were answered by other folds' models, and lie among what its members have learnt from.
    calibrated_on = {digest[:PREFIX] for digest in basis.table.hashes if digest}
    leaky = next((card.data.leaks for card in cards if card.data.leaks), largest.leaks)
    return largest.model_copy(
        update={
            "protocol": basis.words,
            "calibration_images": len(basis.table),
            "calibration_groups": basis.table.group_count,
            "image_sha256_prefixes": tuple(sorted(known | calibrated_on)),
            "leaks": leaky,
            "held_out_fold": basis.held_out_fold,
        }
    )


def _limits(cards: Sequence[ModelCard], basis: Basis) -> tuple[str, ...]:
    own: tuple[str, ...] = () if basis.held_out_fold is None else (FOLD_LIMIT,)
    if len({card.data.manifest_sha256 for card in cards}) > 1:
        own += (_OTHER_DATA,)
    of_members = (limit for card in cards for limit in card.limits if limit != FOLD_LIMIT)
    return tuple(dict.fromkeys((*own, *basis.limits, *of_members)))


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in Counter(names).items())
