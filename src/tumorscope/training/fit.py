"""One fit: from images and a configuration to a trained network in a folder.

Owns the Lightning trainer, its checkpoints and what a finished fit leaves behind. A fit that was interrupted, by
SIGKILL even, goes on from its last checkpoint and ends as if it had not been.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.models.network import SliceNetwork, build_network
from tumorscope.models.weights import load_initial_weights
from tumorscope.recipes.registry import RECIPES, find_recipe
from tumorscope.training.balance import balanced_weights
from tumorscope.training.batches import Batch, BatchStream, TrainingRows, batches_before
from tumorscope.training.checkpoints import StepCheckpoint, WholeFiles
from tumorscope.training.config import TrainingConfig
from tumorscope.training.counters import Purpose, stream_seed
from tumorscope.training.devices import is_first, own_part, shared_threads, trainer_options, wait_for_all
from tumorscope.training.distillation import Teaching
from tumorscope.training.failures import DivergenceGuard, explained
from tumorscope.training.folder import INITIAL_WEIGHTS, WEIGHTS
from tumorscope.training.guides import read_guide
from tumorscope.training.memory import keep_freed_memory
from tumorscope.training.module import ClassifierModule
from tumorscope.training.parts import WHOLE, Part, even_steps
from tumorscope.training.stopping import BestWeights, split_off
from tumorscope.training.teachers import check_teaching

if TYPE_CHECKING:
    from lightning import Trainer
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger

__all__ = ["check_network", "fit", "load_fitted", "network_of", "precision_of", "write_weights"]

CHECKPOINT = "last.ckpt"

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def fit(
    config: TrainingConfig,
    learn: TrainingRows,
    watch: TrainingRows,
    folder: Path,
    *,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    teaching: Teaching | None = None,
    loggers: Callable[[Path], Sequence[Logger]] | None = None,
) -> SliceNetwork:
    """Train one network, going on from the folder's checkpoint where there is one.

    Parameters
    ----------
    config
        The configuration.
    learn
        Images to learn from.
    watch
        Images whose loss is recorded after every epoch. Nothing is chosen by it: a run that is stopped early watches a
        part of ``learn`` instead.
    folder
        Where ``last.ckpt``, ``metrics.csv``, ``time.json``, ``initial-weights.txt`` and, at the end,
        ``weights.safetensors`` are kept.
    progress
        Whether to draw a progress bar on standard error.
    callbacks
        Further ones for Lightning's trainer, called after those of the fit.
    teaching
        Whom the network learns from, where the configuration asks for it.
    loggers
        Gives those of Lightning for this folder, beside ``metrics.csv``.

    Returns
    -------
    SliceNetwork
        The trained network in evaluation mode, on the CPU.

    Raises
    ------
    InvalidConfiguration
        If teachers are asked for and there are none, or the other way round.
    """
    check_teaching(config, teaching)
    _check_size(config, learn)
    if (folder / WEIGHTS).is_file():
        return _load_trained(config, folder)
    _prepare_process(config)
    from tumorscope.training.history import History
    from tumorscope.training.interrupt import interruptible
    from tumorscope.training.timing import Stopwatch

    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / CHECKPOINT
    best: BestWeights | None = None
    if config.patience:
        learn, watch = split_off(config, learn)
        best = BestWeights(folder, config.patience)
    stream = BatchStream(
        learn,
        config.batch_size,
        config.seed,
        lambda: batches_before(trainer.global_step, len(stream), config.accumulate),
        supervision=config.supervision,
        sampling=config.sampling,
        part=own_part(),
    )
    steps = math.ceil(len(stream) / config.accumulate)
    module = _initial_module(config, learn, config.epochs * steps, folder, teaching)
    batch_size = min(config.batch_size, learn.distinct)
    with _quiet(), _determinism(), explained(config, batch_size), interruptible() as interruption:
        own = [
            StepCheckpoint(checkpoint, config.checkpoint_seconds, config.accumulate),
            DivergenceGuard(config, folder),
            History(folder, watch.part),
            *([best] if best else []),
            Stopwatch(folder),
            interruption,
        ]
        trainer = _trainer(config, [*own, *callbacks], loggers(folder) if loggers else (), progress=progress)
        trainer.fit(
            module,
            train_dataloaders=DataLoader(stream, batch_size=None),
            val_dataloaders=DataLoader(_Watch(watch, config.batch_size, own_part()), batch_size=None),
            ckpt_path=checkpoint if checkpoint.is_file() else None,
        )
    return _finished(module.trained.cpu().eval(), best, folder)


def check_network(config: TrainingConfig) -> None:
    """Make sure that the network of a configuration can be made, before anything is read or written.

    Raises
    ------
    InvalidConfiguration
        If it gives no map of evidence, or takes no image of this size.
    """
    recipe = find_recipe(config.recipe)
    if recipe.name not in RECIPES or config.network_size != recipe.image_size:
        build_network(recipe.architecture, config.network_size)


def load_fitted(config: TrainingConfig, folder: Path) -> SliceNetwork:
    """Read the network that a finished fit left in a folder, with the one that shows it where to look closer."""
    network = _load_trained(config, folder)
    if config.zoom == 1:
        return network
    return CloseUpNetwork(
        read_guide(folder), network, config.zoom, config.network_size, config.reader_share
    ).eval()


def network_of(config: TrainingConfig) -> SliceNetwork:
    """The network that is trained by a configuration, with weights that mean nothing."""
    return build_network(find_recipe(config.recipe).architecture, config.network_size)


def write_weights(network: SliceNetwork, path: Path, made: dict[str, str] | None = None) -> None:
    """Write the weights of a finished fit, whole or not at all; ``made`` goes into the file beside them."""
    from safetensors.torch import save

    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    atomic_write(path, save(tensors, made))


def _load_trained(config: TrainingConfig, folder: Path) -> SliceNetwork:
    from safetensors.torch import load_file

    network = network_of(config)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


def _check_size(config: TrainingConfig, learn: TrainingRows) -> None:
    """A search or a study has no guide, and would let a network for close-ups learn from whole slices."""
    given = learn.images.shape[-1]
    if given != config.network_size:
        raise InvalidConfiguration(
            f"the network learns from images of {config.network_size} pixels (image_size={config.image_size}, "
            f"zoom={config.zoom}) and was given {given}; a zoom needs 'tumorscope train --guide RUN'"
        )


def _initial_module(
    config: TrainingConfig, learn: TrainingRows, steps: int, folder: Path, teaching: Teaching | None
) -> ClassifierModule:
    """What is trained, as it is before the first of so many steps; the folder says where its weights are from."""
    network, origin = _initial_network(config)
    if is_first():
        atomic_write(folder / INITIAL_WEIGHTS, origin + "\n")
    module = ClassifierModule(network, config, steps, teaching)
    if config.class_weights == "balanced":
        module.weigh(
            balanced_weights(learn.labels[learn.rows].tolist(), [learn.slice_ids[row] for row in learn.rows])
        )
    return module


def _trainer(
    config: TrainingConfig, callbacks: Sequence[Callback], loggers: Sequence[Logger], *, progress: bool
) -> Trainer:
    import lightning
    from lightning.pytorch.callbacks import RichProgressBar

    # On standard error, and only where that is a terminal.
    bar = [RichProgressBar(refresh_rate=5, console_kwargs={"stderr": True})] if progress else []
    return lightning.Trainer(
        **trainer_options(),
        max_epochs=config.epochs,
        precision=precision_of(config),
        gradient_clip_val=config.gradient_clip,
        accumulate_grad_batches=config.accumulate,
        deterministic=config.deterministic or None,
        plugins=[WholeFiles()],
        callbacks=[*callbacks, *bar],
        logger=list(loggers) or False,
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _finished(trained: SliceNetwork, best: BestWeights | None, folder: Path) -> SliceNetwork:
    """Leave the weights in the folder, and nothing that only going on needs."""
    if best is not None:
        best.put_back(trained)
    wait_for_all()  # before the first removes what others still read
    if is_first():
        write_weights(trained, folder / WEIGHTS)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        if best is not None:
            best.forget()
    return trained


def _initial_network(config: TrainingConfig) -> tuple[SliceNetwork, str]:
    recipe = find_recipe(config.recipe)
    torch.manual_seed(stream_seed(config.seed, Purpose.INITIALISATION))
    network = network_of(config)
    origin = "random"
    if config.pretrained:
        origin = load_initial_weights(network.backbone, recipe, config.weights, config.network_size)
    return network.to(memory_format=torch.channels_last), origin


def _prepare_process(config: TrainingConfig) -> None:
    # Hugging Face's client reports usage unless told not to.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    torch.set_num_threads(config.threads or shared_threads())
    keep_freed_memory()


def precision_of(config: TrainingConfig) -> Precision:
    """What Lightning is told; ``auto`` means 16 bits where the device has arithmetic for them."""
    if config.precision != "auto":
        return "bf16-mixed" if config.precision == "bf16" else "32-true"
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if _processor_has_bf16() else "32-true"


def _processor_has_bf16() -> bool:
    # oneDNN also supports bf16 where AVX-512 has no part for it: by imitation, which is no faster than 32 bits.
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if platform.machine() not in ("x86_64", "AMD64"):
        return supported
    return supported and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@contextmanager
def _determinism() -> Iterator[None]:
    """What a fit asks of all of torch holds for the fit alone."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and its advice on data loading workers out of the terminal.

    Batches come from a memory-mapped array: worker processes would only add copying.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", module=r"torch\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Watch(IterableDataset[Batch]):
    """Held-out images in order, one copy of each slice; of several processes each takes a part of every step."""

    def __init__(self, data: TrainingRows, batch_size: int, part: Part = WHOLE) -> None:
        rows = data.one_a_slice
        part.check(len(rows), "what is held out")
        self._data, self._part = data, part
        self._steps = even_steps(rows, batch_size, part.count)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Batch]:
        for step, whole in enumerate(self._steps):
            rows = self._part.of(whole)
            images = torch.from_numpy(np.ascontiguousarray(self._data.images[rows]))
            labels = torch.from_numpy(self._data.labels[rows])
            yield Batch(images, labels, 0, step, None, self._part.index, self._part.count, len(whole))
