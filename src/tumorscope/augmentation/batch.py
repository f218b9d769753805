"""All operations on one batch, in the order in which the world does them.

Owns that order: where the head lies, how its tissue looks, what the scanner adds, and last what no scanner does (mixing
and erasing). An operation that is off draws no random number, so that a run that was recorded before it existed has the
same batches today.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from tumorscope.augmentation.artefacts import bias_field, gibbs_ringing, spikes
from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.geometry import draw_grid, resample
from tumorscope.augmentation.intensity import change_tone, remap
from tumorscope.augmentation.mixing import Mixture, erase, mix
from tumorscope.augmentation.scanner import blur, ghosting, low_resolution, motion, rician_noise
from tumorscope.augmentation.settings import Augmentation
from tumorscope.augmentation.style import take_style

__all__ = ["SCANNER", "Augmented", "augment_batch"]

SCANNER: dict[str, Callable[[torch.Tensor, float, Draws], torch.Tensor]] = {
    "bias": bias_field,
    "blur": blur,
    "resolution": low_resolution,
    "gibbs": gibbs_ringing,
    "ghosting": ghosting,
    "motion": motion,
    "spikes": spikes,
    "rician": rician_noise,
}
"""What a scanner does, by the name of its setting: from the coil to the receiver."""


class Augmented(NamedTuple):
    """A batch after augmentation.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]`` in [0, 1].
    masks
        Moved with the images, ``float32 [B, 1, S, S]``; empty for an image of two.
    mixture
        What else is in the images, where mixing is on.
    """

    images: torch.Tensor
    masks: torch.Tensor | None
    mixture: Mixture | None


def augment_batch(
    images: torch.Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    masks: torch.Tensor | None = None,
) -> Augmented:
    """Change every image of a batch in its own way.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]`` in [0, 1]; not changed.
    settings
        How often and how far each operation goes.
    generator
        Source of all random numbers, on the CPU.
    masks
        Masks of tumour boxes, ``float32 [B, 1, S, S]`` in [0, 1]; they draw no numbers.

    Raises
    ------
    MissingDependency
        If an operation needs MONAI and it is not installed.
    """
    if settings.off:
        return Augmented(images.clone(), masks, None)
    draws = Draws(generator, len(images), images.device)
    grid = draw_grid(images.shape, settings, draws)
    moved = resample(images, grid)
    if masks is not None:
        masks = resample(masks, grid)
    changed = change_tone(take_style(moved, settings, draws), settings, draws)
    changed = _scan(remap(_clipped(changed, settings), settings, draws), settings, draws)
    level = draws.symmetric(settings.noise).abs().view(-1, 1, 1, 1)
    changed = (changed + draws.normal(*images.shape) * level).clamp(0, 1)
    changed, mixture = mix(changed, settings, draws)
    if masks is not None and mixture is not None:
        masks = masks * ~mixture.mixed.view(-1, 1, 1, 1)
    changed, masks = erase(changed, masks, settings, draws)
    return Augmented(changed, masks, mixture)


def _clipped(images: torch.Tensor, settings: Augmentation) -> torch.Tensor:
    """Within [0, 1] where an operation needs it; else as before, so that noise is added to what it always was."""
    names = ("curve", "remap", *SCANNER)
    needed = any(getattr(settings, f"{name}_probability") > 0 for name in names)
    return images.clamp(0, 1) if needed else images


def _scan(images: torch.Tensor, settings: Augmentation, draws: Draws) -> torch.Tensor:
    for name, change in SCANNER.items():
        chosen, reach = draws.chosen(getattr(settings, f"{name}_probability")), getattr(settings, name)
        if len(chosen) and reach > 0:
            changed = change(images[chosen], reach, draws)
            images = images.index_copy(0, chosen, changed.clamp(0, 1))
    return images
