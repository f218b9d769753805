"""Learning from what teachers say of the image at hand.

Owns the teachers' pass inside a training step and the two losses that rest on it: soft labels (Hinton, Vinyals and
Dean, "Distilling the knowledge in a neural network", 2015) and maps of evidence (after Zagoruyko and Komodakis, "Paying
more attention to attention", ICLR 2017). Which networks may teach a fit is :mod:`tumorscope.training.teachers`. Nothing
here draws a random number, so a resumed run hears the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from tumorscope.models.grid import on_grid
from tumorscope.models.network import NetworkOutput, SliceNetwork
from tumorscope.training.distillation_config import Distillation

__all__ = ["Teaching", "map_loss", "soft_label_loss"]

Member = Callable[[], tuple[SliceNetwork, int]]
"""Reads a teacher when it is needed: the network, and the side of its input in pixels."""


def soft_label_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Divergence of the student's softened answer from the teacher's, times the squared temperature.

    The factor keeps the size of the gradient the same for all temperatures (Hinton et al., section 2).

    Parameters
    ----------
    student, teacher
        Logits ``float32 [B, 4]``.
    temperature
        Above 0.

    Returns
    -------
    torch.Tensor
        ``float32 [B]``, at least 0; 0 where the two answers are the same.
    """
    said = functional.log_softmax(student / temperature, dim=1)
    wanted = functional.log_softmax(teacher / temperature, dim=1)
    return functional.kl_div(said, wanted, reduction="none", log_target=True).sum(dim=1) * temperature**2


def map_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """One minus the cosine between where the two find evidence.

    Of each map the mean over the classes is taken off, which no softmax sees, then the mean over space. What is left
    says where evidence for one class rather than another lies, and not how much there is.

    Parameters
    ----------
    student, teacher
        Evidence ``float32 [B, 4, h, w]`` on one grid.

    Returns
    -------
    torch.Tensor
        ``float32 [B]`` in [0, 2].
    """

    def where(maps: torch.Tensor) -> torch.Tensor:
        contrast = maps - maps.mean(dim=1, keepdim=True)
        return (contrast - contrast.mean(dim=(2, 3), keepdim=True)).flatten(1)

    return 1 - functional.cosine_similarity(where(student), where(teacher), dim=1, eps=1e-8)


class Teaching:
    """The teachers of one fit.

    Not a module: its networks are neither trained, averaged nor written into a checkpoint. They are read when the first
    batch is there, so that a fit that has finished costs nothing.

    Parameters
    ----------
    members
        One for each teacher, at least one.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._networks: list[tuple[SliceNetwork, int]] = []

    def __len__(self) -> int:
        return len(self._members)

    @torch.no_grad()
    def answer(self, images: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean of what the teachers say, as an ensemble of them would: of their logits and of their maps.

        Parameters
        ----------
        images
            ``float32 [B, 1, S, S]`` in [0, 1], changed as the student sees them. A teacher of another input size gets
            them resized.
        side
            Of the student's maps, in cells.

        Returns
        -------
        tuple
            ``float32 [B, 4]`` and ``float32 [B, 4, side, side]``.
        """
        answers = [network(_resized(images, size)) for network, size in self._on(images.device)]
        with torch.autocast(images.device.type, enabled=False):
            logits = torch.stack([answer.logits.float() for answer in answers]).mean(dim=0)
            maps = torch.stack([on_grid(answer.evidence.float(), side) for answer in answers]).mean(dim=0)
        return logits, maps

    def loss(
        self,
        settings: Distillation,
        images: torch.Tensor,
        output: NetworkOutput,
        hard: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of the classes mixed with what the teachers add.

        Parameters
        ----------
        settings
            Weights and temperature.
        images
            ``float32 [B, 1, S, S]``, as the student saw them.
        output
            The student's.
        hard
            The loss of the classes, one number.
        weights
            ``float32 [B]``, of each image; equal where left out.
        """
        logits, maps = self.answer(images, output.evidence.shape[-1])
        share = torch.ones_like(logits[:, 0]) if weights is None else weights
        with torch.autocast(images.device.type, enabled=False):
            loss = hard * (1 - settings.weight)
            if settings.weight > 0:
                soft = soft_label_loss(output.logits.float(), logits, settings.temperature)
                loss = loss + settings.weight * (soft * share).mean()
            if settings.heatmap > 0:
                away = map_loss(output.evidence.float(), maps)
                loss = loss + settings.heatmap * (away * share).mean()
        return loss

    def _on(self, device: torch.device) -> list[tuple[SliceNetwork, int]]:
        if not self._networks:
            # Making a network draws numbers, of which a resumed fit must not draw others.
            with torch.random.fork_rng(devices=[]):
                self._networks = [member() for member in self._members]
            for network, _ in self._networks:
                network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
                network.eval().requires_grad_(False)
        return self._networks


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    if images.shape[-1] == size:
        return images
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
