"""The pictures that a report shows of mistakes: the slice as the network saw it, and its heat-map.

Owns the way from a path of the report to pixels. Opens only the images that are shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.assessment.examinee import Examinee
from tumorscope.core.errors import TumorscopeError
from tumorscope.dataset.load import load_input
from tumorscope.explanation.heatmap import strength
from tumorscope.explanation.overlay import blended

__all__ = ["MistakePictures"]


class MistakePictures:
    """Pictures by path, made when asked for.

    Parameters
    ----------
    examinee
        Knows the images and the models that have not seen them.
    """

    def __init__(self, examinee: Examinee) -> None:
        self._examinee = examinee
        self._rows = {examinee.images.display_path(row): at for at, row in enumerate(examinee.images)}
        self._model_of = {row.sha256: part for part in examinee.held_out for row in part.images}

    def picture(self, path: str) -> NDArray[np.uint8] | None:
        """The network's input ``uint8 [S, S]``; ``None`` if the image is unknown or cannot be read."""
        if path not in self._rows:
            return None
        try:
            return load_input(self._examinee.images.records[self._rows[path]].path, self._examinee.size)
        except TumorscopeError:
            return None

    def evidence(self, path: str) -> NDArray[np.uint8] | None:
        """The same with the heat-map of the answer over it, ``uint8 [S, S, 3]``."""
        image = self.picture(path)
        if image is None:
            return None
        model = self._model_of[self._examinee.images.records[self._rows[path]].sha256]
        logits, heatmap = model.run(image[None], ("logits", "heatmap"))
        scaled, _ = strength(_enlarged(heatmap[0, int(logits[0].argmax())], image.shape[0]))
        return blended(image, scaled)


def _enlarged(evidence: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    from PIL import Image

    return np.asarray(Image.fromarray(evidence).resize((side, side), Image.Resampling.BILINEAR))
