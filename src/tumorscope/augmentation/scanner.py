"""What a scanner does to an image, for whole batches: blur, lower resolution, ghosts, motion, noise.

Owns the operations that MONAI lacks or does one image at a time; those it has are in
:mod:`tumorscope.augmentation.artefacts`. TorchIO has ghosts and motion too, but needs SimpleITK, and its motion
takes the last axis of a volume for the phase direction, which in a single slice has one line.

Every function takes ``float32 [K, 1, S, S]`` in [0, 1] and gives the same shape, at least 0; its result may exceed 1.
k-space is the Fourier transform of the image; the magnitude is shown, as a scanner does.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from tumorscope.augmentation.draws import Draws

__all__ = ["blur", "ghosting", "low_resolution", "motion", "rician_noise"]

_GHOSTS = (2, 6)  # every second to sixth line
_STILL = 0.06  # share of the lines, about the centre, that is measured at rest


def blur(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """A Gaussian blur; ``limit`` is the largest standard deviation as a fraction of the side."""
    count, side = images.shape[0], images.shape[-1]
    deviation = (limit * side * draws.even(count)).clamp(min=1e-3)
    reach = max(1, math.ceil(3 * limit * side))
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernels = torch.exp(-0.5 * (places / deviation[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    # Each image is a channel with its own kernel, first down, then across.
    stack = images.reshape(1, count, side, side)
    stack = functional.conv2d(stack, kernels.view(count, 1, -1, 1), padding=(reach, 0), groups=count)
    stack = functional.conv2d(stack, kernels.view(count, 1, 1, -1), padding=(0, reach), groups=count)
    return stack.view_as(images)


def low_resolution(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """Fewer pixels, then as many again; ``limit`` is the largest share of the rows and columns that is lost."""
    side = images.shape[-1]
    kept = [max(8, round(side * (1 - limit * part))) for part in draws.even(len(images)).tolist()]
    coarse = [
        functional.interpolate(image.unsqueeze(0), size=(size, size), mode="area")
        for image, size in zip(images, kept, strict=True)
    ]
    return torch.cat(
        [
            functional.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
            for image in coarse
        ]
    )


def ghosting(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """Faint copies along the phase direction, of something that moves in rhythm with the acquisition.

    Every n-th line of k-space lacks a part, up to ``limit``, the centre excepted (Axel et al., Radiology 160, 1986).
    """
    lines = torch.fft.fft2(images)
    count, side = len(images), images.shape[-1]
    every = torch.randint(_GHOSTS[0], _GHOSTS[1] + 1, (count, 1), generator=draws.generator).to(images.device)
    missing = limit * draws.even(count, 1)
    place = torch.fft.fftfreq(side, 1 / side).abs().round().long().to(images.device)
    weak = (place % every == 0) & (place > 0)
    factor = 1 - missing * weak
    along = draws.even(count, 1, 1, 1) < 0.5
    factor = torch.where(along, factor.view(count, 1, side, 1), factor.view(count, 1, 1, side))
    ghosted: torch.Tensor = torch.fft.ifft2(lines * factor).abs()
    return ghosted


def motion(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """The head moves once before and once after the centre of k-space is measured.

    The lines before and after come from the image as it lay then (Shaw et al., MIDL 2019). The lines at the centre
    are of the head at rest, so that it stays where its mask is. ``limit`` is the largest turn in degrees, and the
    largest shift in hundredths of the side.
    """
    count, side = len(images), images.shape[-1]
    lines = torch.fft.fftshift(torch.fft.fft2(images), dim=(-2, -1))
    half = side // 2
    still = max(1, round(_STILL * side / 2))
    starts = torch.stack([draws.even(count), draws.even(count)], dim=1) * (half - still) * 0.8 + still
    along = draws.even(count, 1, 1, 1) < 0.5
    place = torch.arange(side, device=images.device) - half
    for moved, later in ((place, True), (-place, False)):
        angle = draws.symmetric(math.radians(limit), count)
        across, down = draws.symmetric(0.02 * limit, count), draws.symmetric(0.02 * limit, count)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        matrix = torch.stack(
            [torch.stack([cosine, -sine, across], dim=1), torch.stack([sine, cosine, down], dim=1)], dim=1
        )
        grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
        posed = functional.grid_sample(images, grid, align_corners=False)
        other = torch.fft.fftshift(torch.fft.fft2(posed), dim=(-2, -1))
        late = moved[None] >= starts[:, int(later), None]
        taken = torch.where(along, late.view(count, 1, side, 1), late.view(count, 1, 1, side))
        lines = torch.where(taken, other, lines)
    shaken: torch.Tensor = torch.fft.ifft2(torch.fft.ifftshift(lines, dim=(-2, -1))).abs()
    return shaken


def rician_noise(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """Noise in both channels of the receiver, whose magnitude is Rician (Gudbjartsson and Patz, MRM 34, 1995).

    Air turns gray and dark tissue brighter. ``limit`` is the largest standard deviation in each channel.
    """
    level = (limit * draws.even(len(images))).view(-1, 1, 1, 1)
    real = images + level * draws.normal(*images.shape)
    return torch.hypot(real, level * draws.normal(*images.shape))
