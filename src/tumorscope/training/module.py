"""One training step, one optimiser, one moving average.

Owns the Lightning module. Knows nothing of files or of where the batches come from.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tumorscope.augmentation.batch import augment_batch
from tumorscope.models.blocks import blocks_from_head
from tumorscope.models.network import SliceNetwork
from tumorscope.training.batches import Batch, Places
from tumorscope.training.boxes import draw_masks
from tumorscope.training.config import TrainingConfig
from tumorscope.training.counters import Purpose, stream_seed
from tumorscope.training.depthwise import fast_depthwise
from tumorscope.training.distillation import Teaching
from tumorscope.training.mixed import class_losses
from tumorscope.training.optimiser import make_optimiser
from tumorscope.training.places import BoxHead, box_loss, pointing_loss
from tumorscope.training.schedule import rate_factor
from tumorscope.training.stages import phase_at, plan_phases, set_learning

__all__ = ["ClassifierModule"]


class ClassifierModule(lightning.LightningModule):
    """Trains a :class:`~tumorscope.models.network.SliceNetwork`.

    Parameters
    ----------
    network
        The network, with its initial weights.
    config
        The run's configuration.
    total_steps
        Optimiser steps of the whole run, for the schedule.
    teaching
        Whom the network learns from, where the configuration asks for it.
    """

    class_weights: torch.Tensor | None

    def __init__(
        self,
        network: SliceNetwork,
        config: TrainingConfig,
        total_steps: int,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__()
        self.teaching = teaching
        self.network = network
        self.config = config
        self.total_steps = total_steps
        self.blocks = blocks_from_head(network)
        self.phases = plan_phases(config, len(self.blocks), total_steps)
        # Part of the module, hence of every checkpoint.
        move = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=move, use_buffers=True).requires_grad_(False)
        # Made of the data, so no checkpoint needs it.
        self.register_buffer("class_weights", None, persistent=False)
        # Not part of the network: it is neither averaged nor kept, but a checkpoint has it.
        self.box_head: BoxHead | None = None
        if config.supervision.box > 0:
            generator = torch.Generator().manual_seed(stream_seed(config.seed, Purpose.BOX_HEAD))
            self.box_head = BoxHead(network.fine.in_channels, generator)
        self._fine: torch.Tensor | None = None
        # After the average was copied off, which is not to keep its features.
        network.fine.register_forward_pre_hook(self._keep_fine)
        if config.compile:
            network.compile()

    def weigh(self, class_weights: NDArray[np.float32]) -> None:
        """Let the classes count by ``float32 [4]`` in the loss; to be called before training."""
        self.class_weights = torch.from_numpy(class_weights)

    def _keep_fine(self, layer: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        """Remember the features at stride 16 of this pass, for the box head."""
        del layer
        self._fine = arguments[0] if self.box_head is not None and self.training else None

    @property
    def trained(self) -> SliceNetwork:
        """The network to keep: the moving average."""
        return cast("SliceNetwork", self.averaged.module)

    def training_step(self, batch: Batch) -> torch.Tensor:
        """Loss of one augmented batch."""
        seed = self.config.seed
        generator = augmentation_draws(seed, batch)
        # Layers that draw (dropout) use the global generator; the counters set it anew at every step.
        torch.manual_seed(stream_seed(seed, Purpose.LAYERS, batch.epoch, batch.step, batch.part))
        places = batch.places
        with torch.autocast(self.device.type, enabled=False):
            masks = draw_masks(places.boxes, batch.images.shape[-1]) if places is not None else None
            images, masks, mixture = augment_batch(
                as_input(batch.images), self.config.augmentation, generator, masks
            )
        if places is not None and mixture is not None:
            # Where the evidence of an image of two lies is not known; its mask is empty.
            places = places._replace(known=places.known & ~mixture.mixed)
        # A compiled network has kernels of its own.
        with nullcontext() if self.config.compile else fast_depthwise():
            output = self.network(images)
        logits = output.logits.float()
        smoothing = self.config.label_smoothing
        if places is None and mixture is None:
            loss = functional.cross_entropy(
                logits, batch.labels, self.class_weights, label_smoothing=smoothing
            )
        else:
            each = class_losses(
                logits, batch.labels, mixture, smoothing=smoothing, weights=self.class_weights
            )
            loss = (each if places is None else each * places.weights).mean()
            if self.class_weights is not None:
                loss = loss / self.class_weights[batch.labels].mean()
        if places is not None or self.teaching is not None:
            self._log_epoch({"class_loss": loss}, batch)
        if self.teaching is not None:
            weights = None if places is None else places.weights
            loss = self.teaching.loss(self.config.distillation, images, output, loss, weights)
        if places is not None and masks is not None:
            loss = loss + self._loss_of_place(output.evidence, batch, places, masks)
        correct = (logits.argmax(dim=1) == batch.labels).float().mean()
        rate = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]
        self._log_epoch({"loss": loss, "accuracy": correct, "rate": rate}, batch)
        self.log("loss_now", loss, prog_bar=True, logger=False)
        return loss * batch.share

    def _log_epoch(self, metrics: dict[str, Any], batch: Batch) -> None:
        """Log means over all images of an epoch, also over those of other processes."""
        self.log_dict(metrics, on_step=False, on_epoch=True, sync_dist=True, batch_size=batch.counted)

    def _loss_of_place(
        self, evidence: torch.Tensor, batch: Batch, places: Places, masks: torch.Tensor
    ) -> torch.Tensor:
        """What the boxes teach, weighted."""
        settings = self.config.supervision
        loss = torch.zeros((), device=masks.device)
        with torch.autocast(self.device.type, enabled=False):
            if settings.pointing > 0:
                pointing = pointing_loss(evidence.float(), batch.labels, masks, settings.pointing_temperature)
                loss = loss + settings.pointing * pointing
                self._log_epoch({"pointing_loss": pointing}, batch)
            if self.box_head is not None and self._fine is not None:
                marks = self.box_head(self._fine.float())
                box = box_loss(marks, batch.labels, masks, places.known, settings.box_positive)
                loss = loss + settings.box * box
                self._log_epoch({"box_loss": box}, batch)
        self._fine = None
        return loss

    def validation_step(self, batch: Batch) -> None:
        """Loss and accuracy of the moving average on images it does not learn from."""
        logits = self.averaged(as_input(batch.images)).logits.float()
        loss = functional.cross_entropy(logits, batch.labels)
        correct = (logits.argmax(dim=1) == batch.labels).float().mean()
        metrics = {"held_out_loss": loss, "held_out_accuracy": correct}
        self.log_dict(metrics, on_epoch=True, prog_bar=True, sync_dist=True, batch_size=batch.counted)

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Step, then move the average: before any callback can write a checkpoint of the step."""
        super().optimizer_step(*arguments, **options)
        self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW; the rate is that of the schedule times that of the stage."""
        beside = self.box_head.parameters() if self.box_head else ()
        optimizer = make_optimiser(self.network, self.blocks, beside, self.config)
        scheduled, phases = rate_factor(self.config, self.total_steps), self.phases

        # A function and no method, of which a checkpoint would keep the insides.
        def rate(step: int) -> float:
            return scheduled(step) * phase_at(phases, step).rate

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, *_: Any) -> None:
        """Let those blocks learn whose turn it is; at every step, since watching sets all of them anew."""
        if self.config.stages != "none":
            set_learning(self.blocks, phase_at(self.phases, self.global_step).blocks)


def augmentation_draws(seed: int, batch: Batch) -> torch.Generator:
    """What the augmentation of a batch draws from: the same for the same batch, whatever was drawn before."""
    counters = stream_seed(seed, Purpose.AUGMENTATION, batch.epoch, batch.step, batch.part)
    return torch.Generator().manual_seed(counters)


def as_input(images: torch.Tensor) -> torch.Tensor:
    """``uint8 [B, S, S]`` to ``float32 [B, 1, S, S]`` in [0, 1]: the first step inside the exported graph too."""
    return images.unsqueeze(1).float() / 255
