"""The classifier: load a bundle, ask it about slices.

Owns :func:`load` and :class:`Classifier`, the way in of this package. Puts the parts together; each part
lives in a module of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidBundle, InvalidConfiguration
from tumorscope.core.prediction import Prediction
from tumorscope.core.slice import Slice
from tumorscope.inference.batch import Input, Prepared, batches, prepare
from tumorscope.inference.bundle import CARD_KEY, BundleFacts, read_bundle
from tumorscope.inference.geometry import lay_over
from tumorscope.inference.record import Answer, Failure
from tumorscope.inference.series import with_series
from tumorscope.inference.session import Device, Session
from tumorscope.inference.verdict import judge

if TYPE_CHECKING:
    from tumorscope.core.card import ModelCard

__all__ = ["DEFAULT_BATCH_SIZE", "Classifier", "load"]

DEFAULT_BATCH_SIZE = 8


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    device: Device | str = Device.CPU,
) -> Classifier:
    """Open a bundle and make it ready to answer.

    Parameters
    ----------
    model
        A ``.onnx`` file; the bundle that ships with the package for ``None``.
    threads
        Threads a run may use; all processors this process may use for ``None``.
    device
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA where ONNX Runtime has it.

    Raises
    ------
    MissingInput
        If the file does not exist.
    InvalidBundle
        If it is not a bundle this version can run.
    InvalidConfiguration
        If ``threads`` or ``device`` cannot be had.
    """
    if device not in tuple(Device):
        raise InvalidConfiguration(f"device is {device!r}; one of {', '.join(Device)} is expected")
    bundle = read_bundle(model)
    session = Session(bundle, threads=threads, device=Device(device))
    card = session.metadata[CARD_KEY]
    facts = BundleFacts.from_json(card)
    if not bundle.shipped:
        session.probe(facts.input_size)
    return Classifier(session, facts, card)


class Classifier:
    """A bundle that answers. Made by :func:`load`; safe to share between threads.

    Parameters
    ----------
    session
        The graph, ready to run.
    facts
        What answers need of the card.
    card
        The whole card as JSON.
    """

    def __init__(self, session: Session, facts: BundleFacts, card: str) -> None:
        self._session = session
        self._facts = facts
        self._card = card

    @property
    def facts(self) -> BundleFacts:
        """Name, version, input size and thresholds."""
        return self._facts

    @property
    def session(self) -> Session:
        """The graph itself."""
        return self._session

    @property
    def card(self) -> ModelCard:
        """The model card, parsed anew at each call."""
        from tumorscope.core.card import ModelCard

        return ModelCard.model_validate_json(self._card)

    @overload
    def predict(
        self,
        x: Slice | NDArray[Any],
        *,
        coverage: float | str | None = ...,
        heatmap: bool = ...,
        batch_size: int = ...,
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        x: str | os.PathLike[str],
        *,
        coverage: float | str | None = ...,
        heatmap: bool = ...,
        batch_size: int = ...,
    ) -> Prediction | list[Prediction | Failure]: ...
    @overload
    def predict(
        self,
        x: list[Any] | tuple[Any, ...],
        *,
        coverage: float | str | None = ...,
        heatmap: bool = ...,
        batch_size: int = ...,
    ) -> list[Prediction | Failure]: ...
    def predict(
        self,
        x: Input | Sequence[Input],
        *,
        coverage: float | str | None = None,
        heatmap: bool = False,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Prediction | list[Prediction | Failure]:
        """Say what slices show.

        Parameters
        ----------
        x
            One path, one array ``[H, W]`` of any real dtype, one slice, or a list of these.
        coverage
            Promised share of prediction sets that hold the truth, one of those the bundle was calibrated for;
            the bundle's default for ``None``.
        heatmap
            Whether to fill :attr:`Prediction.heatmap`.
        batch_size
            Slices in one run of the graph. Changes speed and memory, never an answer.

        Returns
        -------
        Prediction or list
            For one input one prediction, or a list where a path holds several slices (a volume, a folder, an
            archive). For a list of inputs one flat list in order, with a
            :class:`~tumorscope.inference.record.Failure` in place of what could not be answered.

        Raises
        ------
        TumorscopeError
            If a single input could not be answered at all, with the reason; for a list never on account of
            one of its inputs.
        InvalidConfiguration
            If the coverage is unknown or ``batch_size`` is not positive.
        """
        single = isinstance(x, str | os.PathLike | np.ndarray | Slice)
        inputs = [cast(Input, x)] if single else cast(Sequence[Input], x)
        pairs = self._answers(inputs, coverage, heatmap, batch_size)
        answers = [answer for answer, _ in pairs]
        if not single:
            return answers
        failed = [answer for answer in answers if isinstance(answer, Failure)]
        if failed and len(failed) == len(answers):
            raise failed[0].error
        if len(answers) == 1 and isinstance(answers[0], Prediction):
            return answers[0]
        return answers

    def predict_iter(
        self,
        inputs: Iterable[Input],
        *,
        coverage: float | str | None = None,
        heatmap: bool = False,
        batch_size: int = DEFAULT_BATCH_SIZE,
        series: bool = False,
    ) -> Iterator[Answer]:
        """Answer a stream of inputs in bounded memory.

        Parameters
        ----------
        inputs
            As for :meth:`predict`, lazily.
        coverage, heatmap, batch_size
            See :meth:`predict`.
        series
            Whether to add a :class:`~tumorscope.core.prediction.SeriesPrediction` after each series.

        Yields
        ------
        Prediction, Failure or SeriesPrediction
            In the order of the inputs. Nothing of an input is lost because another failed.

        Raises
        ------
        InvalidConfiguration
            At once, see :meth:`predict`.
        """
        pairs = self._answers(inputs, coverage, heatmap, batch_size)
        answers = (answer for answer, _ in pairs)
        return with_series(answers) if series else answers

    def explain_iter(
        self,
        inputs: Iterable[Input],
        *,
        coverage: float | str | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Iterator[tuple[Prediction | Failure, Slice | None]]:
        """Answer a stream of inputs with heat-maps, each answer beside the slice it is about.

        Parameters and errors as for :meth:`predict_iter`; a picture needs both.
        """
        return self._answers(inputs, coverage, True, batch_size)

    def _answers(
        self, inputs: Iterable[Input], coverage: float | str | None, heatmap: bool, batch_size: int
    ) -> Iterator[tuple[Prediction | Failure, Slice | None]]:
        """Check the options now, do the work lazily."""
        if batch_size < 1:
            raise InvalidConfiguration(f"batch_size is {batch_size}; a whole number from 1 on is expected")
        key = self._facts.coverage_key(coverage)
        groups = batches(prepare(inputs, self._facts.input_size), batch_size)
        return (pair for group in groups for pair in self._answer(group, key, heatmap))

    def _answer(
        self, group: Sequence[Prepared | Failure], coverage: str, heatmap: bool
    ) -> Iterator[tuple[Prediction | Failure, Slice | None]]:
        ready = [item for item in group if isinstance(item, Prepared)]
        made = iter(self._run(ready, coverage, heatmap) if ready else ())
        for item in group:
            yield (item, None) if isinstance(item, Failure) else (next(made), item.source)

    def _run(self, items: Sequence[Prepared], coverage: str, heatmap: bool) -> Iterator[Prediction]:
        outputs = ["probabilities", "novelty", "heatmap"] if heatmap else ["probabilities", "novelty"]
        results = self._session.run(np.stack([item.image for item in items]), outputs)
        if not (np.isfinite(results[0]).all() and np.isfinite(results[1]).all()):
            raise InvalidBundle(
                f"bundle {self._facts.label} gave an answer that is not finite; do not use it"
            )
        quantiles = self._facts.conformal[coverage]
        for row, item in enumerate(items):
            probabilities = results[0][row]
            novelty = float(results[1][row])
            members, verdict = judge(probabilities, novelty, quantiles, self._facts.novelty_limit)
            yield Prediction(
                probabilities=probabilities,
                prediction_set=members,
                coverage=float(coverage),
                verdict=verdict,
                novelty=novelty,
                model=self._facts.label,
                origin=item.source.origin,
                heatmap=lay_over(results[2][row], item.frame, item.source.shape) if heatmap else None,
            )
