"""The model card of a run: constants, provenance and figures, gathered from the run's folder.

Owns the words of intended use and limits, and where each number of the card comes from. Knows nothing of ONNX.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import DataProvenance, Measured, Member, ModelCard, Thresholds
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.version import __version__
from tumorscope.core.weight_type import WeightType
from tumorscope.dataset.leaks import describe_leaks
from tumorscope.evaluation.calibration import cross_fitted_logits
from tumorscope.evaluation.conformal import class_conditional_quantiles, draw_weights
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.novelty import FALSE_REJECTION, false_rejection_limit
from tumorscope.evaluation.novelty_scores import BUNDLE_SCORE
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.evaluation.protocol import Protocol, patient_wise, shifted
from tumorscope.evaluation.style_folds import holds_whole_styles
from tumorscope.evaluation.synthetic import synthetic_notes
from tumorscope.export.calibrate import Calibrated
from tumorscope.preprocess import PREPROCESSING
from tumorscope.recipes.registry import find_recipe
from tumorscope.training.folder import SEEN, RunFolder

__all__ = [
    "COVERAGES",
    "DEFAULT_COVERAGE",
    "FOLD_LIMIT",
    "INTENDED_USE",
    "conformal_quantiles",
    "made_from",
    "measured_out_of_fold",
    "write_card",
]

COVERAGES = ("0.80", "0.90", "0.95")
DEFAULT_COVERAGE = "0.95"

INTENDED_USE = (
    "Research and teaching: telling glioma, meningioma, pituitary tumour and no tumour apart on single brain MRI "
    "slices, and comparing classifiers. Not a medical device; not for diagnosis or treatment decisions."
)
_LIMITS = (
    "Knows four answers only; metastases, haemorrhage, multiple sclerosis and every other finding are outside them.",
    "A single slice is read; the experimental line for a series tends to find a tumour somewhere in a healthy head.",
    "Prediction sets and the novelty limit were set on slices like those of training and promise nothing elsewhere; "
    "some images that are no brain MRI, MRI of other parts of the body above all, pass the limit.",
)
FOLD_LIMIT = (
    "Made to measure its run on the fold that it has not seen; deploy the bundle of the final fit instead."
)
# What the makers of this data set could not give: true of every model that learns from it.
_KAGGLE_SOURCES = ("figshare", "sartaj-or-br35h")
_KAGGLE_LIMITS = (
    "The tumours it learnt from are contrast-enhanced T1 slices of two hospitals; tumours on other contrasts and "
    "scanners are often missed.",
    "Its healthy slices come from other sources than its tumours, so it may lean on the look of the source.",
    "The slices after contrast that it learnt from show tumours; one that shows none, such as those above and below a "
    "tumour, is mostly called a tumour.",
)
_LICENCES = {
    "figshare": "CC BY 4.0 (Cheng, brain tumor dataset, figshare 1512427)",
    "sartaj-or-br35h": "as published on Kaggle (SARTAJ, Br35H); no image is redistributed",
    "synthetic": "synthetic, made by tumorscope",
}
_OTHER_LICENCE = "that of the data's owner; no image is redistributed"


def write_card(
    run: RunFolder,
    *,
    calibrated: Calibrated,
    calibration: PredictionTable,
    novelty: NDArray[Any],
    weights: str,
    heatmap_stride: int,
    weight_type: WeightType = WeightType.FLOAT32,
    novelty_weights: NDArray[np.float64] | None = None,
    held_out_fold: int | None = None,
) -> ModelCard:
    """Gather the card.

    Parameters
    ----------
    run
        With the fit finished; out-of-fold answers are used where the run has them.
    calibrated
        What was chosen and fitted, on images that their models had not learnt from.
    calibration
        Answers for images that their models had not learnt from: those of the calibration part or, for a fold
        model, those of the other folds.
    novelty
        ``[M]``, novelty of images by models that had not learnt from them.
    weights
        Where the initial weights came from.
    heatmap_stride, weight_type
        Of the exported graph.
    novelty_weights
        ``float64 [M]``, 1/n for each of n copies; those of ``calibration`` where not given.
    held_out_fold
        Of a fold model, the fold that it has not seen; ``None`` for the final fit.
    """
    recipe, data, environment = find_recipe(run.config.recipe), run.data(), run.environment()
    name = run.path.resolve().name
    # A fold model has no figures of its own: what it is good for is to make those of the run.
    known = held_out_fold is None and run.predictions.is_file()
    out_of_fold = read_predictions(run.predictions) if known else None
    folder = run.final if held_out_fold is None else run.fold(held_out_fold)
    seen = tuple((folder / SEEN).read_text(encoding="ascii").split())
    return ModelCard(
        name=name if held_out_fold is None else f"{name}-fold-{held_out_fold}",
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        class_order=tuple(key.value for key in CLASS_ORDER),
        input_size=run.config.image_size,
        preprocessing=PREPROCESSING,
        heatmap_kind="class-activation",
        heatmap_stride=heatmap_stride,
        weight_type=weight_type,
        architecture=recipe.architecture,
        recipe=recipe.name,
        configuration=run.config.model_dump(),
        configuration_sha256=run.config.sha256,
        initial_weights=weights,
        temperature=calibrated.temperature,
        vector_scaling=calibrated.vector_scaling(),
        thresholds=Thresholds(
            conformal=conformal_quantiles(out_of_fold or calibration, calibrated),
            default_coverage=DEFAULT_COVERAGE,
            novelty_limit=false_rejection_limit(
                novelty, calibration.weights if novelty_weights is None else novelty_weights
            ),
            novelty_false_rejection=FALSE_REJECTION,
            novelty_score=BUNDLE_SCORE,
        ),
        data=DataProvenance(
            manifest_sha256=data["manifest_sha256"],
            protocol=(
                "fitted on all groups but a group-disjoint calibration part"
                if held_out_fold is None
                else f"fitted on all folds but fold {held_out_fold}; calibration and thresholds from what the other "
                "folds' models say of images they have not seen"
            ),
            images=data["images"],
            slices=data["slices"],
            groups=data["groups"],
            patients=data["patients"],
            calibration_images=len(calibration),
            calibration_groups=calibration.group_count,
            images_by_class=data["images_by_class"],
            sources=data["sources"],
            licence="; ".join(dict.fromkeys(_licence(source) for source in data["sources"])),
            image_sha256_prefixes=seen,
            leaks=data.get("leaks"),
            held_out_fold=held_out_fold,
        ),
        evaluation=() if out_of_fold is None else (measured_out_of_fold(out_of_fold),),
        intended_use=INTENDED_USE,
        limits=(() if held_out_fold is None else (FOLD_LIMIT,)) + _limits(data),
        licences=_licences(weights, data["sources"]),
        versions=environment["packages"],
        teachers=made_from(data.get("teachers", ()), held_out_fold),
        averaged=made_from(data.get("members", ()), held_out_fold),
        guides=made_from(data.get("guides", ()), held_out_fold),
    )


def made_from(forebears: Iterable[dict[str, Any]], held_out_fold: int | None) -> tuple[Member, ...]:
    """Which of their models took part: those of the network's fold, or those of the final fit."""
    members = []
    for run in forebears:
        weights = run["weights"]
        final = ["final"] if "final" in weights else sorted(weights)
        chosen = final if held_out_fold is None else [f"folds/{held_out_fold}"]
        members += [
            Member(name=f"{run['run']}/{fit}", recipe=run["recipe"], sha256=weights[fit]) for fit in chosen
        ]
    return tuple(members)


def _limits(data: dict[str, Any]) -> tuple[str, ...]:
    """A leak first: it takes away the worth of the figures, whatever else is true of the model."""
    leaky = tuple(
        f"Its {split} leak: {describe_leaks(counts)} on two sides of them. Figures measured on them are too good."
        for split, counts in (data.get("leaks") or {}).items()
        if counts
    )
    of_kaggle = _KAGGLE_LIMITS if set(_KAGGLE_SOURCES) & set(data["sources"]) else ()
    return leaky + synthetic_notes(data["sources"]) + _LIMITS + of_kaggle


def conformal_quantiles(
    table: PredictionTable, calibrated: Calibrated
) -> dict[str, tuple[float, float, float, float]]:
    """From out-of-fold answers where there are any: far more patients than the calibration part has."""
    if table.folds is not None and len(np.unique(table.folds)) > 1:
        logits = cross_fitted_logits(
            calibrated.method, table.logits, table.labels, table.weights, table.folds
        )
    else:
        logits = calibrated.scaling.apply(table.logits)
    probabilities = softmax(logits)
    draws = draw_weights(table.labels, table.groups)
    return {
        coverage: _four(class_conditional_quantiles(probabilities, table.labels, draws, float(coverage)))
        for coverage in COVERAGES
    }


def _four(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    first, second, third, fourth = (float(value) for value in values)
    return first, second, third, fourth


def measured_out_of_fold(table: PredictionTable) -> Measured:
    """The figures of out-of-fold answers, under the protocol that their folds allow."""
    # Training has refused a leak or was told to allow it; the figures carry the stamp.
    stamped = " --allow-leaks" if table.leaks else ""
    # Figures of whole styles are lower; under the other name they would be compared with what they are not.
    whole_styles = holds_whole_styles(table)
    protocol, measure = (Protocol.SHIFTED, shifted) if whole_styles else (Protocol.PATIENT_WISE, patient_wise)
    return measure(table, f"tumorscope evaluate --model RUN --protocol {protocol}{stamped}", allow_leaks=True)


def _licence(source: str) -> str:
    return _LICENCES.get(source, _OTHER_LICENCE)


def _licences(weights: str, sources: dict[str, int]) -> dict[str, str]:
    licences = {"bundle": "Apache-2.0"} | {source: _licence(source) for source in sources}
    if weights.startswith("ImageNet"):
        licences["initial weights"] = (
            "Apache-2.0 (timm and EfficientNet; trained on ImageNet-1k)"
            if "efficientnet" in weights
            else "that of the weights' maker (timm's page of the architecture names it; trained on ImageNet-1k)"
        )
    return licences
