"""Which calibration a bundle gets, and its constants.

Owns the step from a table of held-out answers to what the graph applies and the card records. Knows neither graphs nor
cards' other fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from tumorscope.core.card import VectorScaling
from tumorscope.evaluation.calibration import Method, Scaling, choose_method, fit_scaling, fit_temperature
from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["Calibrated", "calibrate"]


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A calibration that was chosen and fitted.

    Parameters
    ----------
    method
        Which one; prediction sets are cross-fitted with the same.
    temperature
        1 for ``none``. For ``vector`` the temperature of the same answers, which is recorded and not used.
    scaling
        What is done to the logits before softmax.
    """

    method: Method
    temperature: float
    scaling: Scaling

    def vector_scaling(self) -> VectorScaling | None:
        """As the card records it; ``None`` where the temperature says everything."""
        if self.method != "vector":
            return None
        return VectorScaling.model_validate(
            {"scale": self.scaling.scale.tolist(), "bias": self.scaling.bias.tolist()}
        )


def calibrate(table: PredictionTable, method: Method | None = None) -> Calibrated:
    """Choose by the loss across the table's folds, then fit on all of it.

    Parameters
    ----------
    table
        Answers for images that their models had not learnt from.
    method
        To be fitted without a choice; ``None`` chooses
        (:func:`~tumorscope.evaluation.calibration.choose_method`): a temperature where there are no folds.
    """
    answers = table.logits, table.labels, table.weights
    chosen = choose_method(*answers, table.folds) if method is None else method
    temperature = 1.0 if chosen == "none" else fit_temperature(*answers)
    return Calibrated(chosen, temperature, fit_scaling(chosen, *answers))
