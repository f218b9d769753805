"""Novelty of images by models that have not seen them, from the folder of a run.

Owns the order in which the folds' values come together. Free of torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import MissingInput
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.training.folder import RunFolder
from tumorscope.training.novelty import SPACE, load_space

__all__ = ["out_of_fold_novelty"]


def out_of_fold_novelty(run: RunFolder, table: PredictionTable) -> NDArray[np.float32]:
    """Novelty of each image by the model that has not seen it.

    Parameters
    ----------
    run
        With all folds finished.
    table
        Its out-of-fold answers.

    Returns
    -------
    numpy.ndarray
        ``float32 [N]`` in the order of the table.

    Raises
    ------
    MissingInput
        If a fold has not finished.
    """
    folds = np.asarray(table.folds)
    novelty = np.zeros(len(table), dtype=np.float32)
    for number in np.unique(folds):
        path = run.fold(int(number)) / SPACE
        if not path.is_file():
            raise MissingInput(
                f"fold {number} of {run.path} lacks {SPACE}; finish it, without training again, by: "
                f"tumorscope train --folds --resume, with the options it was trained with"
            )
        _, held_out = load_space(path)
        novelty[folds == number] = held_out
    return novelty
