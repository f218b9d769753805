"""Stored values to brightness: rescale, VOI window or table, presentation inversion.

Owns the grayscale pipeline of PS3.3, C.11 and PS3.4, N.2, computed by highdicom on a data set made here of
nothing but the attributes it needs: per-frame values of an enhanced image included, patient identity
excluded.

The result for a frame
- with a VOI window or VOI LUT is ``float32`` with black and white at 0 and 1 (12-bit values keep all their
  steps);
- without one is its modality values: the stored integers where the rescale is the identity, else ``float32``;
- is inverted where the header says that larger values are darker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.slice import Stored
from tumorscope.reading.dicom_file import PixelLayout, foreign_header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Presentation", "before_window", "present", "presentation_of"]

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Presentation:
    """The attributes of one frame that turn stored values into brightness.

    Parameters
    ----------
    slope, intercept
        Modality rescale.
    window
        Centre, width and VOI LUT function, where there is a usable window.
    modality_lut, voi_lut
        Items of the sequences of the same name.
    inverted
        Whether larger presentation values are darker.
    """

    slope: float
    intercept: float
    window: tuple[float, float, str] | None
    modality_lut: Dataset | None
    voi_lut: Dataset | None
    inverted: bool

    @property
    def has_voi(self) -> bool:
        """Whether black and white are fixed by the header."""
        return self.window is not None or self.voi_lut is not None

    @property
    def is_identity(self) -> bool:
        """Whether stored values are brightness already."""
        rescaled = (self.slope, self.intercept) != (1.0, 0.0) or self.modality_lut is not None
        return not (rescaled or self.has_voi or self.inverted)


def presentation_of(groups: list[Dataset], layout: PixelLayout, name: str) -> Presentation:
    """Collect the attributes of one frame.

    Parameters
    ----------
    groups
        The frame's own functional groups, the shared ones and the data set itself: the first that has an
        attribute wins (PS3.3, C.7.6.16).
    layout
        For MONOCHROME1.
    name
        The file as the user named it, for messages.

    Raises
    ------
    UnsupportedImage
        If the rescale is not finite or flattens the image.
    UnreadableImage
        If an attribute is corrupted.
    """
    with foreign_header(name):
        rescale = _first(groups, "PixelValueTransformationSequence", "RescaleSlope")
        voi = _first(groups, "FrameVOILUTSequence", "WindowCenter")
        table = _first(groups, "FrameVOILUTSequence", "VOILUTSequence")
        root = groups[-1]
        slope = float(rescale.RescaleSlope) if rescale is not None else 1.0
        intercept = float(rescale.get("RescaleIntercept", 0) or 0) if rescale is not None else 0.0
        if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
            raise UnsupportedImage(
                f"{name}: the DICOM rescale makes no image: its slope is 0 or a value is not finite"
            )
        shape = str(root.get("PresentationLUTShape", ""))
        return Presentation(
            slope=slope,
            intercept=intercept,
            window=_window(voi) if voi is not None else None,
            modality_lut=_item(root, "ModalityLUTSequence"),
            voi_lut=_item(table, "VOILUTSequence") if table is not None and voi is None else None,
            inverted=layout.inverted or shape == "INVERSE",
        )


def present(
    stored: NDArray[Any], how: Presentation, layout: PixelLayout, name: str
) -> tuple[NDArray[Any], Range]:
    """Turn stored values into brightness.

    Parameters
    ----------
    stored
        ``[rows, columns]``, integer.
    how
        The frame's attributes.
    layout
        The same file's pixel layout.
    name
        The file as the user named it, for messages.

    Returns
    -------
    pixels
        ``[rows, columns]``; larger is brighter.
    value_range
        What black and white stand for: (0, 1) with a VOI transform, else the extremes of the frame.

    Raises
    ------
    UnreadableImage
        If a lookup table is corrupted.
    """
    pixels = stored if how.is_identity else _through_highdicom(stored, how, layout, name, voi=how.has_voi)
    if how.has_voi and pixels.min() < pixels.max():
        return pixels, (0.0, 1.0)
    if how.has_voi and stored.min() < stored.max():
        # The window shows nothing of this frame; its modality values do.
        pixels = _through_highdicom(stored, how, layout, name, voi=False)
    return pixels, (float(pixels.min()), float(pixels.max()))


def before_window(stored: NDArray[Any], how: Presentation, value_range: Range) -> Stored | None:
    """What :func:`present` left behind: the values before the window, for a frame that is shown through one.

    Parameters
    ----------
    stored, how
        As for :func:`present`.
    value_range
        Its second result, which tells whether the window was of use.

    Returns
    -------
    Stored or None
        ``None`` where the pixels are the values already, or a table leads from one to the other.
    """
    if not how.has_voi or how.modality_lut is not None:
        return None
    sign = -1.0 if how.inverted else 1.0
    window = None
    if how.window is not None and value_range == (0.0, 1.0):
        window = (sign * how.window[0], how.window[1])
    return Stored(stored, sign * how.slope, sign * how.intercept, window)


def _through_highdicom(
    stored: NDArray[Any], how: Presentation, layout: PixelLayout, name: str, *, voi: bool
) -> NDArray[np.float32]:
    with foreign_header(name):
        from highdicom import Image

        image = Image.from_dataset(_minimal_dataset(stored, how, layout), copy=False)
        shown = image.get_frame(
            1,
            dtype=np.float64,
            apply_real_world_transform=False,
            apply_voi_transform=None if voi else False,
            apply_presentation_lut=True,
        )
        return np.asarray(shown, dtype=np.float32)


def _minimal_dataset(stored: NDArray[Any], how: Presentation, layout: PixelLayout) -> Dataset:
    """A single-frame MR image of this frame that holds nothing else."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = MRImageStorage
    made.SOPInstanceUID = made.StudyInstanceUID = made.SeriesInstanceUID = generate_uid()
    made.Rows, made.Columns, made.SamplesPerPixel = layout.rows, layout.columns, 1
    made.BitsAllocated, made.BitsStored = layout.bits_allocated, layout.bits_stored
    made.HighBit, made.PixelRepresentation = layout.bits_stored - 1, int(layout.signed)
    made.PhotometricInterpretation = "MONOCHROME1" if how.inverted else "MONOCHROME2"
    made.PixelData = np.ascontiguousarray(stored).tobytes()
    if how.modality_lut is not None:
        made.ModalityLUTSequence = [how.modality_lut]
    elif (how.slope, how.intercept) != (1.0, 0.0):
        made.RescaleSlope, made.RescaleIntercept = _decimal(how.slope), _decimal(how.intercept)
    if how.window is not None:
        centre, width, function = how.window
        made.WindowCenter, made.WindowWidth = _decimal(centre), _decimal(width)
        made.VOILUTFunction = function
    elif how.voi_lut is not None:
        made.VOILUTSequence = [how.voi_lut]
    return made


def _decimal(value: float) -> Any:
    """A decimal string of at most 16 characters (PS3.5, 6.2), which not every binary double fits."""
    from pydicom.valuerep import DSfloat

    return DSfloat(value, auto_format=True)


def _first(groups: list[Dataset], sequence: str, keyword: str) -> Dataset | None:
    """The first place that holds ``keyword``: in a functional group's item, or at the top."""
    for group in groups:
        item = _item(group, sequence)
        for place in (item, group):
            if place is not None and place.get(keyword) not in (None, ""):
                return place
    return None


def _item(dataset: Dataset, sequence: str) -> Dataset | None:
    items = dataset.get(sequence)
    return items[0] if items else None


def _window(place: Dataset) -> tuple[float, float, str] | None:
    """The first window, where it is one that can be applied (PS3.3, C.11.2.1.2)."""
    centre, width = _leading(place.WindowCenter), _leading(place.get("WindowWidth"))
    function = str(place.get("VOILUTFunction", "") or "LINEAR")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID") or centre is None or width is None:
        return None
    narrowest = 1.0 if function == "LINEAR" else 0.0
    return (centre, width, function) if width > narrowest and math.isfinite(centre + width) else None


def _leading(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float | str) else value[0])
