"""What goes wrong in a scanner: six artefacts of MRI, made where physics makes them.

Owns the artefacts as functions of brightness; how strong each severity is and which are listed is in
:mod:`tumorscope.synthesis.stresses`. NumPy alone, so that an evaluation stays free of torch: the formulas follow
those of TorchIO (Pérez-García et al., Comput. Methods Programs Biomed. 208, 2021) and MONAI, whose transforms
need it.

Every function takes ``image``, ``float64 [H, W]`` with 0 for no signal and 1 for the bright end of the head, a
``strength`` in its own unit, and the generator of everything random. A strength of 0 changes nothing but rounding; one
generator state gives the same disturbance at each strength, only weaker or stronger. Results have the same shape, are
at least 0 and may exceed the brightest value that went in. k-space is the unitary Fourier transform of the image, so
energy there is energy here (Parseval); the magnitude is shown, as a scanner does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

__all__ = [
    "bias_field",
    "from_kspace",
    "ghosting",
    "gibbs_ringing",
    "motion",
    "rician_noise",
    "spikes",
    "to_kspace",
]

Image = NDArray[np.float64]
KSpace = NDArray[np.complex128]

_BIAS_ORDER = 3
_HEAD = 0.1
_GHOSTS = (3, 6)  # fewest and one more than most
_STRETCHES = 4
_STILL = (
    0.015,
    0.04,
)  # the least and the most of the lines on either side of the centre that are measured at rest
_SPIKES = 2
_SPIKE_CYCLES = (
    10.0,
    40.0,
)  # periods over the longer side: stripes that survive the size of the network's input
_MATRIX = 256  # scanners seldom measure more lines; larger images were interpolated, and so is their noise


def to_kspace(image: NDArray[np.float64] | KSpace) -> KSpace:
    """Unitary Fourier transform, ``complex128 [H, W]``, zero frequency at ``(H // 2, W // 2)``."""
    return np.asarray(np.fft.fftshift(np.fft.fft2(image, norm="ortho")))


def from_kspace(lines: KSpace) -> KSpace:
    """Inverse of :func:`to_kspace`, ``complex128 [H, W]``."""
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(lines), norm="ortho"))


def bias_field(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Uneven sensitivity of the receiving coil and uneven transmit field: a smooth factor over the image.

    The factor is the exponential of a random polynomial of third order (Van Leemput et al., IEEE TMI 18, 1999;
    Sled et al., IEEE TMI 17, 1998).

    Parameters
    ----------
    image, rng
        See the module.
    strength
        Largest absolute logarithm of the factor in the head: 0.7 makes one place four times as bright as another.
    """
    down, across = (np.linspace(-1.0, 1.0, side) for side in image.shape)
    powers = [(i, j) for i in range(_BIAS_ORDER + 1) for j in range(_BIAS_ORDER + 1 - i) if i + j]
    field = np.zeros(image.shape)
    for (i, j), coefficient in zip(powers, rng.uniform(-1.0, 1.0, len(powers)), strict=True):
        field += coefficient * down[:, None] ** i * across[None, :] ** j
    # Measured over the head: the corners, where a polynomial is largest, hold nothing that could be seen.
    head = image > _HEAD if (image > _HEAD).any() else np.ones(image.shape, dtype=np.bool_)
    low, high = float(field[head].min()), float(field[head].max())
    scaled = (2.0 * field - low - high) / max(high - low, 1e-12)
    return np.asarray(image * np.exp(strength * np.clip(scaled, -1.0, 1.0)))


def ghosting(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Something moves in rhythm with the acquisition (breath, pulse): faint copies along the phase direction.

    Every n-th line of k-space is weakened, the central one excepted, which puts copies at each n-th part of the field
    of view (Axel et al., Radiology 160, 1986; TorchIO ``RandomGhosting``).

    Parameters
    ----------
    image, rng
        See the module; the phase direction and the number of ghosts are random.
    strength
        How much of these lines is missing, in [0, 1].
    """
    along, ghosts = int(rng.integers(2)), int(rng.integers(*_GHOSTS))
    lines = np.moveaxis(to_kspace(image), along, 0).copy()
    distance = np.abs(np.arange(len(lines)) - len(lines) // 2)
    weakened = (distance % ghosts == 0) & (distance > 0)
    lines[weakened] *= 1.0 - strength
    return np.abs(from_kspace(np.moveaxis(lines, 0, along)))


def motion(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """The head moves three times while the lines of k-space are measured.

    Each stretch of lines comes from the image as it lay at that time; the stretch with the centre is unmoved, so that
    the head stays where it is (Shaw et al., MIDL 2019; Zaitsev et al., JMRI 42, 2015).

    Parameters
    ----------
    image, rng
        See the module; the phase direction, when the head moves and how, are random.
    strength
        How far: about so many degrees to either side, and so many hundredths of half a side.
    """
    along = int(rng.integers(2))
    height, width = image.shape
    count = image.shape[along]
    before, after = (count // 2 + round(sign * rng.uniform(*_STILL) * count) for sign in (-1, 1))
    later = int(rng.uniform(0.65, 0.85) * count)
    # None is small: how bad an image gets must hang on the strength, not on chance.
    moves = rng.choice([-1.0, 1.0], (_STRETCHES, 3)) * rng.uniform(0.7, 1.3, (_STRETCHES, 3))
    bounds = [0, before, max(after, count // 2 + 1), later, count]
    lines = np.moveaxis(to_kspace(image), along, 0).copy()
    if strength == 0:
        return image.copy()
    for first, last, (turn, down, across) in zip(bounds[:-1], bounds[1:], moves, strict=True):
        if first <= count // 2 < last:
            continue
        shift = (0.005 * strength * across * width, 0.005 * strength * down * height)
        moved = Pillow.fromarray(image.astype(np.float32)).rotate(
            strength * float(turn), Pillow.Resampling.BICUBIC, translate=shift
        )
        lines[first:last] = np.moveaxis(to_kspace(np.asarray(moved, dtype=np.float64)), along, 0)[first:last]
    return np.abs(from_kspace(np.moveaxis(lines, 0, along)))


def gibbs_ringing(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """k-space is cut off: edges overshoot and ring, fine detail is lost.

    The outer lines are set to nought and the image is interpolated by them (Gibbs, Nature 59, 1899; Veraart et
    al., Magn. Reson. Med. 76, 2016).

    Parameters
    ----------
    image
        See the module.
    strength
        How coarse the acquisition is: 1000 divided by the lines that the longer side keeps. An image with fewer
        pixels than lines stays as it is.
    rng
        Not used; nothing here is random.
    """
    del rng
    if strength == 0:
        return image.copy()
    kept = 1000.0 / strength / max(image.shape)
    return np.abs(from_kspace(_cut(to_kspace(image), kept)))


def spikes(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Sparks in the room or the gradients hit single points of k-space: stripes over everything (herringbone).

    Two points are made bright, each of them a plane wave in the image (Heiland, Clin. Neuroradiol. 18, 2008; TorchIO
    ``RandomSpike``).

    Parameters
    ----------
    image, rng
        See the module; the places of the points are random.
    strength
        Height of each wave, in units of the head's brightness.
    """
    lines = to_kspace(image)
    height, width = image.shape
    for _ in range(_SPIKES):
        angle, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        cycles = rng.uniform(*_SPIKE_CYCLES) / max(height, width)
        row = height // 2 + round(min(cycles, 0.4) * height * np.sin(angle))
        column = width // 2 + round(min(cycles, 0.4) * width * np.cos(angle))
        # A point of this height is a wave of the wanted one: the transform is unitary.
        lines[row, column] += strength * np.sqrt(height * width) * np.exp(1j * phase)
    return np.abs(from_kspace(lines))


def rician_noise(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Thermal noise in both channels of the receiver; the magnitude makes it Rician.

    Air becomes gray (Rayleigh) and dark tissue brighter (Gudbjartsson and Patz, Magn. Reson. Med. 34, 1995). In an
    image of more than 256 pixels a side the noise is as coarse as if it had been interpolated to that size.

    Parameters
    ----------
    image, rng
        See the module.
    strength
        Standard deviation in each channel, in units of the head's brightness.
    """
    noise = rng.normal(0.0, 1.0, image.shape) + 1j * rng.normal(0.0, 1.0, image.shape)
    kept = min(1.0, _MATRIX / max(image.shape))
    if kept < 1.0:
        noise = from_kspace(_cut(to_kspace(noise), kept)) / kept
    return np.abs(image + strength * noise)


def _cut(lines: KSpace, kept: float) -> KSpace:
    """The centre of k-space, ``kept`` (a fraction) of both directions; the rest is nought."""
    down, across = (np.abs(np.arange(side) - side // 2) <= kept * side / 2.0 for side in lines.shape)
    return np.asarray(lines * (down[:, None] & across[None, :]))
