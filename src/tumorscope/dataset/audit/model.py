"""What an audit may ask a model.

Owns the two things that an audit takes of one: answers to images as they are read (:class:`Asked`), and answers that
were given to images held out of the fit (:class:`HeldOut`). Knows no model; the caller brings the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.manifest import Manifest

__all__ = ["PREFIX", "Answer", "Answers", "Asked", "HeldOut"]

PREFIX = 8
"""Hex digits of an image's SHA-256 that a bundle's card keeps."""

Answer = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A bundle that answers while the images are read.

    Parameters
    ----------
    name
        What the user knows it as.
    size
        Side of its input in pixels.
    answer
        ``uint8 [M, size, size]`` to probabilities ``[M, 4]`` and novelty ``[M]``.
    novelty_limit
        Above it an image is unlike anything seen in training.
    false_rejection
        Share of honest slices above the limit, in (0, 1).
    trained_on
        First eight hex digits of the SHA-256 of every image that it was made from.
    """

    name: str
    size: int
    answer: Answer
    novelty_limit: float
    false_rejection: float
    trained_on: Collection[str]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Out-of-fold answers: each image was answered by a model that had not seen its group.

    Parameters
    ----------
    name
        What the user knows the run as.
    by_hash
        Probabilities ``[4]`` by the SHA-256 of the image's file.
    """

    name: str
    by_hash: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Probabilities for the images of a data set, and where they are from.

    Parameters
    ----------
    name
        The model.
    probabilities
        ``float64 [N, 4]``; rows of NaN where there is no answer.
    seen
        ``bool [N]``: whether the model was made from the image.
    """

    name: str
    probabilities: NDArray[np.float64]
    seen: NDArray[np.bool_]

    @classmethod
    def held_out(cls, manifest: Manifest, run: HeldOut) -> Answers:
        """Match the answers of a run to the images of a data set.

        Raises
        ------
        InvalidManifest
            If the run answers none of the images.
        """
        none = np.full(4, np.nan)
        probabilities = np.array([run.by_hash.get(row.sha256, none) for row in manifest]).reshape(-1, 4)
        if np.isnan(probabilities).all():
            raise InvalidManifest(
                f"{run.name} holds no answer to any of the {len(manifest)} images; give the run that was trained on "
                "this data set, or a bundle (.onnx)"
            )
        return cls(run.name, probabilities, np.zeros(len(manifest), dtype=np.bool_))
