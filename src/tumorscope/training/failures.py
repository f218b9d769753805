"""Fits that fail for a reason that a user can act on.

Owns the recognition of each reason and the one line that says what to do: numbers that are no longer finite, memory
that does not suffice, an algorithm that a machine lacks. A full disk is recognised where files are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from tumorscope.core.errors import DivergedTraining, InvalidConfiguration, OutOfMemory, TumorscopeError
from tumorscope.training.config import TrainingConfig

__all__ = ["DivergenceGuard", "explained", "is_out_of_memory"]

_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "could not create a memory object",
)
_SMALLEST_BATCH = 2
_GRID = 32  # pixels; every input side is a multiple of it
_WAIT = 16  # steps whose losses are looked at together where looking would make a GPU wait
_COMPILERS = ("torch._dynamo", "torch._inductor")
_NOT_DETERMINISTIC = "does not have a deterministic implementation"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory of the processor or the GPU did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY)


@contextmanager
def explained(config: TrainingConfig, batch_size: int) -> Iterator[None]:
    """Turn what Lightning and torch raise into one line, where the reason is known.

    Parameters
    ----------
    config
        Of the fit.
    batch_size
        Images a batch really has.

    Raises
    ------
    OutOfMemory
        If memory did not suffice; the message offers the next smaller batch.
    InvalidConfiguration
        If the network cannot be compiled here, or a deterministic algorithm is lacking.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, TumorscopeError):
            raise
        if is_out_of_memory(error):
            raise OutOfMemory(_smaller(config, batch_size)) from error
        first = str(error).strip().partition("\n")[0]
        if any(kind.__module__.startswith(_COMPILERS) for kind in type(error).__mro__):
            raise InvalidConfiguration(
                f"the network cannot be compiled here ({first[:160]}); a C++ compiler is needed: install one, or train "
                "with --set compile=false"
            ) from error
        if _NOT_DETERMINISTIC in first:
            raise InvalidConfiguration(
                f"deterministic=true, but {first.partition(',')[0]}; train with --set deterministic=false"
            ) from error
        raise


def _smaller(config: TrainingConfig, batch_size: int) -> str:
    what = f"memory does not suffice for batches of {batch_size} images of {config.image_size} pixels"
    half = batch_size // 2
    if half >= _SMALLEST_BATCH:
        accumulate = config.accumulate * 2
        return (
            f"{what}; train with --set batch_size={half} in another --out (and --set accumulate={accumulate} to learn "
            "from as many images a step)"
        )
    if config.image_size > _GRID:
        return f"{what}; train with --set image_size={config.image_size - _GRID} in another --out"
    return f"{what}; choose a smaller recipe (tumorscope train --list-recipes)"


class DivergenceGuard(Callback):
    """Ends a fit whose loss or weights are not finite, before a checkpoint can keep them.

    Parameters
    ----------
    config
        Of the fit.
    folder
        Where its checkpoint lies.
    """

    def __init__(self, config: TrainingConfig, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._losses: list[tuple[int, int, torch.Tensor]] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss, on a GPU only now and then: looking makes it wait."""
        del batch
        self._losses.append((trainer.current_epoch, batch_idx, outputs["loss"].detach()))
        if pl_module.device.type == "cpu" or len(self._losses) >= _WAIT:
            self._check_losses()

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        """Keep the last good state rather than this one."""
        del checkpoint
        self._check(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The weights of a diverged run are not written."""
        self._check(trainer, pl_module)

    def _check(self, trainer: Any, module: torch.nn.Module) -> None:
        self._check_losses()
        if not all(bool(weight.isfinite().all()) for weight in module.parameters()):
            raise self._diverged(trainer.current_epoch, None, "weights are not finite")

    def _check_losses(self) -> None:
        if not self._losses:
            return
        finite = torch.stack([loss for _, _, loss in self._losses]).isfinite().tolist()
        for (epoch, step, loss), good in zip(self._losses, finite, strict=True):
            if not good:
                raise self._diverged(epoch, step, f"the loss is {loss.item():g}")
        self._losses.clear()

    def _diverged(self, epoch: int, batch: int | None, what: str) -> DivergedTraining:
        where = f"epoch {min(epoch + 1, self._config.epochs)}" + (
            "" if batch is None else f", batch {batch + 1}"
        )
        kept = self._folder / "last.ckpt"
        state = (
            f"the last good checkpoint stays in {kept}" if kept.is_file() else "no checkpoint was kept yet"
        )
        rate = self._config.learning_rate
        return DivergedTraining(
            f"training diverged in {where}: {what}; {state}; train with a smaller rate, such as --set "
            f"learning_rate={rate / 3:.1g} (it is {rate:g}), in another --out"
        )
