"""Slices that belong together: what they are called, and the one answer for a series.

Owns the building of a case from the slices and failures of one source or series. Knows no process and no network.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from tumorscope.core.prediction import Prediction, SeriesPrediction
from tumorscope.inference.record import SERIES_RULE
from tumorscope.inference.series import with_series
from tumorscope.serving.schemas import CaseAnswer, SeriesAnswer, SliceAnswer, Window

__all__ = ["OpenCase"]


@dataclass(slots=True)
class OpenCase:
    """A case whose slices are still coming.

    Parameters
    ----------
    id
        Within its set.
    name
        The file, as the client called it.
    series
        The key of a DICOM series of several files, ``None`` for anything else.
    """

    id: str
    name: str
    series: str | None
    frames: int = 1
    stack: bool = False
    given: bool = True
    place: int = 0
    places: list[int] = field(default_factory=list)
    slices: list[SliceAnswer] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)

    @property
    def kind(self) -> Literal["image", "volume", "series"]:
        """What it is."""
        if self.series is not None:
            return "series"
        return "volume" if self.frames > 1 else "image"

    def add(self, answer: SliceAnswer, prediction: Prediction, *, given: bool) -> None:
        """Take the next slice; ``given`` tells whether its file settles the window."""
        self.given &= given
        self.slices.append(answer)
        self.predictions.append(prediction)
        self.places.append(self.place)
        self.place += 1

    def failed(self) -> None:
        """A slice that got no answer takes up its place: the slices beside it are no neighbours."""
        self.place += 1

    def close(self) -> CaseAnswer:
        """All that there is to say."""
        planes = {one.origin.plane for one in self.predictions}
        several = self.kind == "series"
        return CaseAnswer(
            id=self.id,
            name=f"series of {len(self.slices)} slices" if several else self.name,
            kind=self.kind,
            plane=planes.pop() if len(planes) == 1 else None,
            slices=self.slices if self.given or len(self.slices) < 2 else list(self._through_one_window()),
            series=self._series_answer() if self.stack else None,
        )

    def _through_one_window(self) -> Iterator[SliceAnswer]:
        """Whoever scrolls must see no flicker: the darkest black, and the white that half of the slices need."""
        windows = [one.window for one in self.slices]
        low = min(one.center - one.width / 2 for one in windows)
        high = statistics.median(one.center + one.width / 2 for one in windows)
        window = Window(center=(low + high) / 2, width=max(high - low, 1e-9))
        for one in self.slices:
            yield one.model_copy(update={"window": window})

    def _series_answer(self) -> SeriesAnswer | None:
        frames = [one.origin.frame for one in self.predictions]
        whole = self.series is None and frames == sorted(set(frames))
        positions = frames if whole else self.places
        members = (
            replace(one, origin=replace(one.origin, path=self.id, frame=position, series=self.id))
            for one, position in zip(self.predictions, positions, strict=True)
        )
        for answer in with_series(members):
            if isinstance(answer, SeriesPrediction):
                first, last = (positions.index(position) for position in answer.window)
                return SeriesAnswer(
                    diagnosis=answer.diagnosis,
                    probabilities=answer.by_class(),
                    slices_used=(first, last),
                    rule=SERIES_RULE,
                )
        return None
