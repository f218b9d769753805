"""Made tables of predictions that several tests use."""

from __future__ import annotations

import numpy as np

from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["made_table"]


def made_table(seed: int = 0, groups: int = 40, slices: int = 3, copies: int = 2) -> PredictionTable:
    """Answers that are right more often than not, with copies of slices, in four folds."""
    rng = np.random.default_rng(seed)
    group_of_slice = np.repeat(np.arange(groups), slices)
    label_of_slice = np.repeat(rng.integers(0, 4, groups), slices)
    repeats = rng.integers(1, copies + 1, groups * slices)
    slice_of_image = np.repeat(np.arange(groups * slices), repeats)
    labels = label_of_slice[slice_of_image]
    group = group_of_slice[slice_of_image]
    logits = rng.normal(0.0, 1.5, (len(labels), 4)) + 2.5 * np.eye(4)[labels]
    return PredictionTable(
        labels=labels.astype(np.int64),
        logits=logits,
        groups=np.array([f"group:{number}" for number in group]),
        slice_ids=np.array([f"slice:{number}" for number in slice_of_image]),
        is_patient=group % 3 == 0,
        folds=(group % 4 + 1).astype(np.int64),
        paths=tuple(f"images/{number}.png" for number in range(len(labels))),
        hashes=tuple(f"{number:064x}" for number in range(len(labels))),
    )
