"""Makes the head template of ``tumorscope.synthesis``; needs the ``dev`` extra, downloads nothing.

The brain is the ICBM 152 template (2009a, symmetric, T1), which comes with the package nilearn without skull. Slices
are cut out, thinned to 1.2 mm and 32 levels of gray; the soft parts below the brain are drawn. Each slice becomes
three layers: brightness, distance from the cranial cavity, and brain. The template is symmetric, so that of axial
and coronal slices one half is kept. Run it with: ``python examples/make_template.py``
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from tumorscope.core.files import atomic_write
from tumorscope.core.slice import Plane
from tumorscope.synthesis.template import (
    AXIAL,
    CORONAL,
    DISTANCE_STEP,
    DISTANCE_ZERO,
    SAGITTAL,
    STEP_MM,
    folder,
)

_NIBABEL: Any = nibabel  # its types are incomplete
TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
LEVELS = 32

Volume = NDArray[np.float64]


def load_template() -> NDArray[np.uint8]:
    """The template ``[right, front, up]``, 1 mm, from the files of the nilearn package."""
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise SystemExit("nilearn is not installed; install it with: pip install 'tumorscope[dev]'")
    image = _NIBABEL.load(Path(spec.origin).parent / "datasets" / "data" / TEMPLATE)
    return np.asarray(image.dataobj, dtype=np.uint8)


def cavity(brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The inside of the skull: the brain with its furrows closed, and the front of the skull base below it."""
    thin = brain[::2, ::2, ::2]
    ball = ndimage.distance_transform_edt(np.pad(np.ones((1, 1, 1), bool), 8) == 0) <= 7.5
    padded = np.pad(thin, 9)
    closed = ndimage.binary_closing(padded, structure=ball)[9:-9, 9:-9, 9:-9]
    closed = np.asarray(ndimage.binary_fill_holes(closed))
    return np.repeat(np.repeat(np.repeat(closed, 2, 0), 2, 1), 2, 2)[tuple(slice(n) for n in brain.shape)]


def head(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What the skull encloses or carries: the cavity, and below its widest level a face and a neck."""
    whole = inside.copy()
    x, y, z = voxels(inside.shape)
    middle = np.abs(x - 98.0)
    face_front = 204.0 - 0.12 * np.maximum(0.0, 40.0 - z)
    face = (
        (z < 66)
        & (y > 120)
        & ((middle / 66.0) ** 2 + (np.maximum(0.0, y - 120.0) / (face_front - 120.0)) ** 2 < 1)
    )
    neck = (z < 60) & ((middle / 58.0) ** 2 + ((y - 96.0) / 66.0) ** 2 < 1)
    whole |= face | neck
    return whole


def outwards(whole: NDArray[np.bool_]) -> Volume:
    """Millimetres from the surface of a shape, negative inside; measured on every second voxel, and smooth."""
    thin = whole[::2, ::2, ::2]
    far = ndimage.distance_transform_edt(~thin) - ndimage.distance_transform_edt(thin)
    smooth = ndimage.gaussian_filter(2.0 * far, 0.75)
    whole_again = np.asarray(ndimage.zoom(smooth, 2, order=1, grid_mode=True, mode="nearest"))
    return np.asarray(whole_again[tuple(slice(side) for side in whole.shape)])


def voxels(shape: tuple[int, ...]) -> tuple[Volume, Volume, Volume]:
    """Places to the right, to the front and up, to be broadcast."""
    right, front, up = shape
    places = np.arange(right), np.arange(front), np.arange(up)
    return (
        places[0][:, None, None].astype(np.float64),
        places[1][None, :, None].astype(np.float64),
        places[2][None, None, :].astype(np.float64),
    )


def soft_parts(shape: tuple[int, ...]) -> Volume:
    """Brightness of what is no brain below the cavity: muscle, fat, air, eyes, bone of the skull base."""
    rng = np.random.Generator(np.random.Philox(key=152))
    rough = ndimage.zoom(rng.normal(size=[n // 9 + 2 for n in shape]), 9, order=2)[
        tuple(slice(n) for n in shape)
    ]
    rough /= rough.std()
    x, y, z = voxels(shape)
    middle = np.abs(x - 98.0)
    value = np.where(rough > 0.9, 0.62, np.where(rough < -1.2, 0.05, 0.3 + 0.06 * rough))

    def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray[np.bool_]:
        parts = (
            ((axis - middle_of) / radius) ** 2
            for axis, middle_of, radius in zip((middle, y, z), centre, radii, strict=True)
        )
        return np.asarray(sum(parts) < 1)

    value[ellipsoid((32, 178, 38), (21, 26, 19))] = 0.72  # fat of the orbit
    value[ellipsoid((32, 187, 38), (12.5, 12.5, 12.5))] = 0.16  # eye
    value[ellipsoid((0, 160, 30), (10, 26, 16)) | ellipsoid((26, 168, 8), (15, 18, 14))] = (
        0.03  # nose and its sinuses
    )
    value[ellipsoid((0, 138, 34), (10, 9, 6))] = 0.05  # sphenoid sinus
    value[ellipsoid((0, 110, 32), (11, 10, 12))] = 0.5  # clivus, with marrow
    value[ellipsoid((34, 100, 30), (24, 9, 8))] = 0.07  # petrous bone
    value[ellipsoid((0, 134.5, 43), (7, 6, 4.5))] = 0.42  # pituitary gland
    return np.asarray(ndimage.gaussian_filter(value, 1.0))


def layers(brightness: Volume, distance: Volume, brain: Volume, *, half: bool) -> NDArray[np.uint8]:
    """One slice as three layers, one above the other, rows from top or front to bottom or back."""
    step = 1.0 / STEP_MM
    gray, far, mask = (ndimage.zoom(layer, step, order=1) for layer in (brightness, distance, brain))
    coded = [
        np.rint(gray * (LEVELS - 1)) * (255 // (LEVELS - 1)),
        np.clip(np.rint(far / DISTANCE_STEP) + DISTANCE_ZERO, 0, 255),
        np.rint(np.clip(mask, 0.0, 1.0) * 3) * 85,
    ]
    stack = np.vstack(coded).astype(np.uint8)
    return stack[:, : (stack.shape[1] + 1) // 2] if half else stack


def build() -> dict[str, bytes]:
    """The three pictures by their file names."""
    template = load_template()
    brain = np.asarray(ndimage.binary_fill_holes(ndimage.binary_closing(template > 40, iterations=2)))
    inside = cavity(brain)
    whole = head(inside)
    distance = outwards(whole)
    soft = soft_parts(template.shape)
    seen = ndimage.gaussian_filter(brain.astype(np.float64), 0.6)
    around = np.where(inside, 0.2, soft)  # fluid between brain and skull
    brightness = seen * np.maximum(template, 40) / 255.0 + (1.0 - seen) * around
    volumes: tuple[Volume, ...] = (brightness, distance, np.asarray(seen))

    def cut(plane: Plane, place: int) -> NDArray[np.uint8]:
        axis = {Plane.SAGITTAL: 0, Plane.CORONAL: 1, Plane.AXIAL: 2}[plane]
        # Rows run down or back, columns to the right or back.
        first, second, third = (
            np.take(volume, place, axis=axis).T[::-1, :: -1 if plane is Plane.SAGITTAL else 1]
            for volume in volumes
        )
        return layers(first, second, third, half=plane is not Plane.SAGITTAL)

    axial = [cut(Plane.AXIAL, place) for place in AXIAL]
    coronal = [cut(Plane.CORONAL, place) for place in CORONAL]
    sagittal = [cut(Plane.SAGITTAL, place) for place in SAGITTAL]
    return {
        f"{name}.png": png(np.hstack(tiles))
        for name, tiles in (("axial", axial), ("coronal", coronal), ("sagittal", sagittal))
    }


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    for name, content in build().items():
        atomic_write(folder() / name, content)
        print(f"{name}: {len(content) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
