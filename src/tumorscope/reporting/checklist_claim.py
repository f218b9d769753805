"""CLAIM 2024, the Checklist for Artificial Intelligence in Medical Imaging.

Owns its 44 items with their official numbers, in our own short words: Tejani et al., "Checklist for Artificial
Intelligence in Medical Imaging (CLAIM): 2024 Update", Radiology: Artificial Intelligence 6(4), e240300, 2024.
"""

from __future__ import annotations

from tumorscope.reporting import checklist_answers as known
from tumorscope.reporting import checklist_figures as measured
from tumorscope.reporting.checklist_items import Checklist, Item

__all__ = ["CLAIM"]

_ask = known.left_to_authors
_TITLE, _INTRODUCTION, _RESULTS = "Title and abstract", "Introduction", "Results"
_DESIGN, _DATA, _REFERENCE = "Methods: design", "Methods: data", "Methods: reference standard"
_PARTITIONS, _MODEL, _TRAINING = "Methods: partitions and testing data", "Methods: model", "Methods: training"
_EVALUATION, _DISCUSSION, _OTHER = "Methods: evaluation", "Discussion", "Other information"

CLAIM = Checklist(
    name="CLAIM 2024",
    paper="Tejani et al., Radiology: Artificial Intelligence 6(4), e240300, 2024",
    items=(
        Item(
            "1", _TITLE, "Say that AI was used, and which kind", _ask("Name it in the title: deep learning.")
        ),
        Item("2", _TITLE, "Summary of design, methods, results, conclusions", _ask("The abstract.")),
        Item("3", _INTRODUCTION, "Background, intended use and role", known.intended_use),
        Item("4", _INTRODUCTION, "Aims and hypotheses", _ask("Aims and hypotheses.")),
        Item("5", _DESIGN, "Prospective or retrospective", _ask("Prospective or retrospective.")),
        Item(
            "6",
            _DESIGN,
            "Goal of the study",
            _ask("Making a model, testing one, feasibility, non-inferiority."),
        ),
        Item("7", _DATA, "Sources of the data", known.data_sources),
        Item("8", _DATA, "Who was included and who was not", _ask("Criteria, setting, places and dates.")),
        Item("9", _DATA, "Steps of preprocessing", known.preprocessing),
        Item(
            "10",
            _DATA,
            "Choice of parts of the data",
            _ask("Which slices or regions were chosen, how and by whom."),
        ),
        Item("11", _DATA, "De-identification", _ask("How and to which standard identity was removed.")),
        Item("12", _DATA, "Missing data", known.missing_data),
        Item("13", _DATA, "How images were acquired", known.acquisition),
        Item("14", _REFERENCE, "What the reference standard is", known.reference_standard),
        Item("15", _REFERENCE, "Why this one", _ask("Why this reference standard, and its weaknesses.")),
        Item("16", _REFERENCE, "Who gave it", _ask("Who labelled, with which training and tools.")),
        Item("17", _REFERENCE, "Labels of the test set", known.test_labels),
        Item(
            "18",
            _REFERENCE,
            "Agreement within and between readers",
            _ask("Agreement of readers, how settled."),
        ),
        Item("19", _PARTITIONS, "How data were assigned to partitions", known.partitions),
        Item("20", _PARTITIONS, "Level at which partitions share nothing", known.level_of_split),
        Item(
            "21", _PARTITIONS, "Intended size of the test sample", _ask("Which size was aimed at, and why.")
        ),
        Item("22", _MODEL, "The model in detail", known.model_description),
        Item("23", _MODEL, "Libraries and their versions", known.software),
        Item("24", _MODEL, "Where the weights started", known.initial_weights),
        Item("25", _TRAINING, "How it was trained", known.training),
        Item(
            "26",
            _TRAINING,
            "How the final model was chosen",
            _ask("How this model was chosen among those tried."),
        ),
        Item("27", _TRAINING, "Ensembles", known.ensembling),
        Item("28", _EVALUATION, "Figures of performance", measured.metrics),
        Item("29", _EVALUATION, "Significance and uncertainty", measured.intervals),
        Item("30", _EVALUATION, "Robustness and sensitivity", measured.robustness),
        Item("31", _EVALUATION, "Explanation and how it was checked", measured.explanation),
        Item("32", _EVALUATION, "Evaluation on internal data", measured.internal_testing),
        Item("33", _EVALUATION, "Testing on external data", measured.external_testing),
        Item(
            "34", _EVALUATION, "Registration of a trial", _ask("Registry and number, or that there is none.")
        ),
        Item("35", _RESULTS, "Numbers included and excluded", measured.excluded),
        Item(
            "36",
            _RESULTS,
            "Demographics and clinical facts by partition",
            _ask("Age, sex, disease by partition."),
        ),
        Item("37", _RESULTS, "Performance with uncertainty", measured.overall_performance),
        Item("38", _RESULTS, "Diagnostic performance and its precision", measured.by_class_performance),
        Item("39", _RESULTS, "Analysis of failures", measured.failures),
        Item("40", _DISCUSSION, "Limitations", known.limitations),
        Item("41", _DISCUSSION, "What it means for practice", known.intended_use),
        Item("42", _OTHER, "Full protocol or technical details", known.technical_details),
        Item("43", _OTHER, "Availability of software, model and data", known.availability),
        Item("44", _OTHER, "Funding and the role of funders", _ask("Sources of funding and their role.")),
    ),
)
"""The 44 items."""
