"""TRIPOD+AI, for studies that develop or evaluate a prediction model.

Owns its 27 items, 52 with their parts, with their official numbers, in our own short words: Collins et al., "TRIPOD+AI
statement: updated guidance for reporting clinical prediction models that use regression or machine learning methods",
BMJ 385, e078378, 2024.
"""

from __future__ import annotations

from tumorscope.reporting import checklist_answers as known
from tumorscope.reporting import checklist_figures as measured
from tumorscope.reporting.checklist_items import Checklist, Item

__all__ = ["TRIPOD"]

_ask, _never = known.left_to_authors, known.never
_TITLE, _INTRODUCTION, _DATA = "Title and abstract", "Introduction", "Methods: data and participants"
_OUTCOME, _PREDICTORS, _SIZE = "Methods: outcome", "Methods: predictors", "Methods: size and missing data"
_ANALYSIS, _FAIRNESS, _OUTPUT = (
    "Methods: analysis",
    "Methods: imbalance and fairness",
    "Methods: output and ethics",
)
_OPEN, _INVOLVEMENT, _RESULTS = "Open science", "Patient and public involvement", "Results"
_DISCUSSION = "Discussion"
_PIXELS = "The predictors are the pixels of a slice; nobody chooses or reads them off."

TRIPOD = Checklist(
    name="TRIPOD+AI",
    paper="Collins et al., BMJ 385, e078378, 2024",
    items=(
        Item("1", _TITLE, "Name development or evaluation, population, outcome", _ask("The title.")),
        Item("2", _TITLE, "Abstract by TRIPOD+AI for Abstracts", _ask("The abstract.")),
        Item("3a", _INTRODUCTION, "Setting in health care, why, existing models", known.intended_use),
        Item("3b", _INTRODUCTION, "Target population, purpose and users", known.intended_use),
        Item(
            "3c",
            _INTRODUCTION,
            "Known inequalities in health",
            _ask("Known inequalities between groups of people."),
        ),
        Item("4", _INTRODUCTION, "Objectives", _ask("Objectives: development, evaluation or both.")),
        Item("5a", _DATA, "Sources of the data, and why", known.data_sources),
        Item("5b", _DATA, "Dates", _ask("From when to when images were made.")),
        Item("6a", _DATA, "Setting and centres", _ask("Kind, number and place of the centres.")),
        Item("6b", _DATA, "Who was eligible", _ask("Criteria of inclusion and exclusion.")),
        Item("6c", _DATA, "Treatments", _ask("Whether images were made before or after treatment.")),
        Item("7", _DATA, "Preparation and checks of the data", known.preprocessing),
        Item("8a", _OUTCOME, "What is predicted and how it was known", known.reference_standard),
        Item("8b", _OUTCOME, "Who judged it", _ask("Training and background of those who labelled.")),
        Item(
            "8c",
            _OUTCOME,
            "Blinding of the judgement",
            _ask("What those who labelled knew beside the image."),
        ),
        Item("9a", _PREDICTORS, "Choice of predictors", _never(_PIXELS)),
        Item("9b", _PREDICTORS, "Definition and measurement of predictors", known.acquisition),
        Item("9c", _PREDICTORS, "Who judged the predictors", _never(_PIXELS)),
        Item("10", _SIZE, "How the size was arrived at", _ask("How the number of patients was arrived at.")),
        Item("11", _SIZE, "Missing data", known.missing_data),
        Item("12a", _ANALYSIS, "How data were used and divided", known.partitions),
        Item("12b", _ANALYSIS, "How predictors were handled", known.preprocessing),
        Item("12c", _ANALYSIS, "Kind of model and every step of building it", known.training),
        Item("12d", _ANALYSIS, "Differences between clusters", measured.strata),
        Item("12e", _ANALYSIS, "Measures of performance", measured.metrics),
        Item(
            "12f",
            _ANALYSIS,
            "Updating of the model",
            _ask("Whether the model was changed after its evaluation."),
        ),
        Item("12g", _ANALYSIS, "How predictions were calculated", known.technical_details),
        Item("13", _FAIRNESS, "Imbalance of the classes", known.class_imbalance),
        Item(
            "14",
            _FAIRNESS,
            "Fairness",
            _ask("What was done about fairness; the images carry no demographics here."),
        ),
        Item("15", _OUTPUT, "Output and thresholds", known.output),
        Item("16", _OUTPUT, "Differences between development and evaluation data", measured.external_testing),
        Item("17", _OUTPUT, "Ethics and consent", _ask("Approval and consent, or why none was needed.")),
        Item("18a", _OPEN, "Funding", _ask("Sources of funding and their role.")),
        Item("18b", _OPEN, "Conflicts of interest", _ask("Conflicts of all authors.")),
        Item("18c", _OPEN, "Protocol", _ask("Where the protocol can be read, or that there is none.")),
        Item("18d", _OPEN, "Registration", _ask("Register and number, or that there is none.")),
        Item("18e", _OPEN, "Sharing of data", known.availability),
        Item("18f", _OPEN, "Sharing of code", known.technical_details),
        Item(
            "19",
            _INVOLVEMENT,
            "Involvement of patients and the public",
            _ask("How they were involved, or not."),
        ),
        Item("20a", _RESULTS, "Flow of participants", measured.excluded),
        Item(
            "20b",
            _RESULTS,
            "Characteristics of participants",
            _ask("Age, sex and disease, overall and by source."),
        ),
        Item("20c", _RESULTS, "Evaluation data beside development data", _ask("How the two differ.")),
        Item("21", _RESULTS, "Numbers in each analysis", known.data_sources),
        Item("22", _RESULTS, "The model in full", known.model_description),
        Item("23a", _RESULTS, "Performance with intervals, also of subgroups", measured.overall_performance),
        Item("23b", _RESULTS, "Performance across clusters", measured.strata),
        Item("24", _RESULTS, "Results of updating", _ask("What came of it, if the model was changed.")),
        Item(
            "25",
            _DISCUSSION,
            "Interpretation",
            _ask("What the results mean, beside earlier work and fairness."),
        ),
        Item("26", _DISCUSSION, "Limitations", known.limitations),
        Item("27a", _DISCUSSION, "Poor or missing input in use", measured.poor_input),
        Item("27b", _DISCUSSION, "What users must do and know", _ask("What users must do and know.")),
        Item("27c", _DISCUSSION, "Next steps", _ask("Next steps, and where the model may hold.")),
    ),
)
"""The 52 items and parts of items."""
