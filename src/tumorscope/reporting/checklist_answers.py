"""Answers to what checklists ask of data, model and training, from the card and the audit.

Owns the sentences. Each function answers one question from what is known and says where it took that from; where
nothing is known it hands the question to the authors. It never claims what no document holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.document import Verdict
from tumorscope.dataset.leaks import describe_leaks
from tumorscope.reporting.checklist_figures import CARD, EVALUATION, size_of, unreadable
from tumorscope.reporting.checklist_items import Answer, Known, authors, filled, not_applicable
from tumorscope.reporting.page import count, percent, spoken

__all__ = [
    "acquisition",
    "availability",
    "class_imbalance",
    "data_sources",
    "ensembling",
    "initial_weights",
    "intended_use",
    "left_to_authors",
    "level_of_split",
    "limitations",
    "missing_data",
    "model_description",
    "never",
    "output",
    "partitions",
    "preprocessing",
    "reference_standard",
    "software",
    "technical_details",
    "test_labels",
    "training",
]

_AUDIT = "audit.json"
_PUBLIC = {
    "figshare": "figshare 1512427 (Cheng)",
    "sartaj-or-br35h": "Kaggle (SARTAJ or Br35H)",
}


def left_to_authors(hint: str) -> Callable[[Known], Answer]:
    """The function for an item that no document can answer."""
    return lambda _: authors(hint)


def never(reason: str) -> Callable[[Known], Answer]:
    """The function for an item that does not apply, whatever is known."""
    return lambda _: not_applicable(reason)


def intended_use(known: Known) -> Answer:
    """What the model is for."""
    return filled(known.card.intended_use, CARD, "Clinical background, care pathway and role in it.")


def data_sources(known: Known) -> Answer:
    """Where the images come from."""
    data = known.card.data
    named = spoken(
        f"{_PUBLIC.get(name, name)}, {count(number)} images" for name, number in data.sources.items()
    )
    tested = ""
    if known.evaluated is not None:
        tested = f" Tested on {size_of(known)} under the protocol {known.evaluated.protocol}."
    return filled(
        f"Fitted on {count(data.images)} images of {count(data.slices)} slices in {count(data.groups)} groups, "
        f"{count(data.patients)} of them known patients: {named}. Licence: {data.licence}.{tested}",
        CARD if known.evaluated is None else f"{CARD}, {EVALUATION}",
        "Why these sources, and how well they stand for the patients in mind.",
    )


def preprocessing(known: Known) -> Answer:
    """What happens to an image before the network sees it."""
    card = known.card
    return filled(
        f"Decoded to gray, then {card.preprocessing} to {card.input_size} x {card.input_size} pixels; scaling is part "
        "of the network's own graph. Training, evaluation and use share this one function.",
        CARD,
    )


def missing_data(known: Known) -> Answer:
    """What happened to images that cannot be read."""
    found = []
    if known.evaluated is not None:
        found.append(f"{unreadable(len(known.evaluated.failures))} of those tested, listed and in no figure")
    if known.audit is not None:
        found.append(f"{unreadable(len(known.audit.unreadable))} of the data set")
    if not found:
        return authors("How images or facts that are missing were handled.")
    sources = [
        name for name, there in ((EVALUATION, known.evaluated), (_AUDIT, known.audit)) if there is not None
    ]
    return filled(f"{'; '.join(found)}. Nothing is imputed.", ", ".join(sources))


def acquisition(known: Known) -> Answer:
    """How the images were made; only strata say anything of it."""
    found = [stratum for stratum in known.parts.strata if stratum.by in {"plane", "contrast-style"}]
    if not found:
        return authors("Scanner, field strength, sequences, contrast and slice thickness.")
    named = spoken(f"{stratum.key} ({count(stratum.images)} images)" for stratum in found)
    return filled(
        f"Planes and contrast styles among the images: {named}.",
        EVALUATION,
        "Scanner, field strength, sequences and slice thickness.",
    )


def reference_standard(known: Known) -> Answer:
    """What is taken for the truth."""
    classes = spoken(Diagnosis(key).label for key in known.card.class_order)
    return filled(
        f"One of four labels an image ({classes}), as the data set gives it.",
        CARD,
        "How the makers of the data set came by the labels (histology, reading, follow-up).",
    )


def test_labels(known: Known) -> Answer:
    """What an audit found of the labels."""
    if known.audit is None:
        return authors(
            "How the test images were labelled. 'tumorscope data audit' looks for doubtful labels."
        )
    conflicts, suspects = len(known.audit.conflicts), len(known.audit.suspected_labels)
    # The list is empty as well where nobody looked.
    looked = suspects or any(
        check.key == "label-errors" and check.verdict is not Verdict.NOT_RUN for check in known.audit.checks
    )
    more = f"; {count(suspects)} labels were doubted by a model" if looked else ""
    return filled(
        f"{count(conflicts)} pictures carry contradictory labels{more}.",
        _AUDIT,
        "How the test images were labelled, and by whom.",
    )


def partitions(known: Known) -> Answer:
    """How images came into their parts."""
    data = known.card.data
    tested = "" if known.evaluated is None else f" Evaluation: {known.evaluated.protocol_meaning}"
    return filled(
        f"The final model was {data.protocol}; {count(data.calibration_images)} images of "
        f"{count(data.calibration_groups)} groups were kept back for calibration.{tested}",
        CARD if known.evaluated is None else f"{CARD}, {EVALUATION}",
    )


def level_of_split(known: Known) -> Answer:
    """What may not lie on two sides, and whether it does."""
    unit = "The unit of a split is the group: a patient, or a cluster of copies where the patient is unknown."
    evaluated = known.evaluated
    if evaluated is not None:
        found = None if evaluated.leaks is None else evaluated.leaky
        source = EVALUATION
    else:
        leaks = known.card.data.leaks
        told = [f"{split}: {describe_leaks(counts)}" for split, counts in (leaks or {}).items() if counts]
        found = None if leaks is None else "; ".join(told)
        source = CARD
    if found is None:
        return filled(f"{unit} Not measured: whether the split leaks.", source, "Whether it does.")
    return filled(f"{unit} Found on two sides: {found or 'nothing'}.", source)


def model_description(known: Known) -> Answer:
    """What the network is, takes and gives."""
    card = known.card
    return filled(
        f"{card.architecture} (recipe {card.recipe}) on one gray slice of {card.input_size} x {card.input_size} "
        f"pixels. Outputs: four logits, calibrated probabilities, a heat-map ({card.heatmap_kind}, stride "
        f"{card.heatmap_stride}), features, and a novelty score. One ONNX file holds all of it.",
        CARD,
    )


def software(known: Known) -> Answer:
    """Libraries with their versions."""
    named = ", ".join(f"{name} {version}" for name, version in known.card.versions.items())
    return filled(f"{named}.", CARD, "Hardware.")


def initial_weights(known: Known) -> Answer:
    """Where training started."""
    return filled(f"{known.card.initial_weights}.", CARD)


def training(known: Known) -> Answer:
    """The configuration of the fit, entry by entry."""
    flat = ", ".join(f"{name} {value}" for name, value in _flat("", known.card.configuration))
    return filled(f"{flat}. SHA-256 of the configuration: {known.card.configuration_sha256}.", CARD)


def ensembling(known: Known) -> Answer:
    """One network answers."""
    return not_applicable(f"One network answers; the bundle {known.card.name} holds no ensemble.")


def limitations(known: Known) -> Answer:
    """The limits that card and evaluation state."""
    notes = () if known.evaluated is None else known.evaluated.notes
    return filled(
        " ".join([*known.card.limits, *notes]),
        CARD if known.evaluated is None else f"{CARD}, {EVALUATION}",
        "Limits of the study.",
    )


def class_imbalance(known: Known) -> Answer:
    """How many images each class has."""
    data = known.card.data.images_by_class
    return filled(
        f"Images to learn from: {spoken(f'{Diagnosis(key).label} {count(number)}' for key, number in data.items())}. "
        "Balanced accuracy and figures by class do not depend on the mix.",
        CARD,
        "Whether anything was done about it, and why.",
    )


def output(known: Known) -> Answer:
    """What the model answers, and where its thresholds come from."""
    thresholds = known.card.thresholds
    return filled(
        "Calibrated probabilities of four classes; the answer is the most probable one, with a prediction set at a "
        f"promised coverage of {percent(float(thresholds.default_coverage), 0)} and a novelty limit of "
        f"{thresholds.novelty_limit:.3f}. Set from groups that the model did not learn from; "
        f"{percent(thresholds.novelty_false_rejection)} of calibration slices lie beyond the limit.",
        CARD,
    )


def technical_details(known: Known) -> Answer:
    """What makes it possible to do it again."""
    again = "" if known.evaluated is None else f" Figures again: {known.evaluated.command}"
    return filled(
        f"Configuration SHA-256 {known.card.configuration_sha256}, manifest SHA-256 "
        f"{known.card.data.manifest_sha256}.{again}",
        CARD if known.evaluated is None else f"{CARD}, {EVALUATION}",
        "Where the study protocol can be read.",
    )


def availability(known: Known) -> Answer:
    """Under which licences software, model and data can be had."""
    named = "; ".join(f"{name}: {licence}" for name, licence in known.card.licences.items())
    return filled(f"{named}.", CARD, "Where they can be had.")


def _flat(before: str, entries: dict[str, object]) -> Iterable[tuple[str, object]]:
    for name, value in entries.items():
        if isinstance(value, dict):
            yield from _flat(f"{before}{name}.", value)
        else:
            yield f"{before}{name}", value
