"""What a row's model is and what it costs: size, operations, time.

Owns from which of a row's runs each is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tumorscope.inference.classifier import load
from tumorscope.study.document import Costs, ModelFacts
from tumorscope.study.facts import bundle_of, describe, fits_of, kept_costs, training_time
from tumorscope.study.latency import time_bundle
from tumorscope.study.plan import PlannedPart

__all__ = ["model_facts"]


def model_facts(parts: Sequence[PlannedPart]) -> ModelFacts:
    """Describe the model of a row.

    Parameters
    ----------
    parts
        Its runs, at least one; the bundle of the first that has one is timed.
    """
    described = describe(parts[0].path)
    bundle = next((file for part in parts if (file := bundle_of(part.path)) is not None), None)
    times = [training_time(part.path, part.name) for part in parts]
    costs = (found for part in parts if (found := _costs(part)) is not None)
    return ModelFacts(
        architecture=described.architecture,
        image_size=described.image_size,
        epochs=described.epochs,
        initial_weights=described.initial_weights,
        costs=next(costs, None),
        bundle_bytes=None if bundle is None else bundle.stat().st_size,
        latency=None if bundle is None else time_bundle(load(bundle)),
        training=tuple(time for time in times if time is not None),
    )


def _costs(part: PlannedPart) -> Costs | None:
    """What the run kept; else counted, where torch and the weights of a fit are there."""
    kept = kept_costs(part.path)
    if kept is not None:
        return kept
    fits = [folder for _, folder in fits_of(part.path, part.name) if _is_complete(folder)]
    if not fits or find_spec("torch") is None:
        return None
    from tumorscope.study.costs import count_costs
    from tumorscope.training.folder import open_run

    return count_costs(open_run(part.path), fits[0])


def _is_complete(fit: Path) -> bool:
    return all((fit / name).is_file() for name in ("weights.safetensors", "novelty.npz"))
