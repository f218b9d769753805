"""Files that a person may drop into the reading room, one of each kind, made here and answered by the small bundle."""

from __future__ import annotations

import zipfile
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from bundle_factory import class_image, head_image, make_card, make_model
from tumorscope.core.card import Figure, Measured, Thresholds

__all__ = [
    "FAINT",
    "SERIES_CLASSES",
    "save_bundle",
    "save_dicom",
    "save_image",
    "save_nifti",
    "save_series",
    "save_zip",
]

FAINT = 10
"""The step of 16-bit values in :func:`save_dicom` that no 8-bit picture of its window can show."""

SERIES_CLASSES = (2, 2, 0, 1, 1, 3, 2, 2)
"""What the slices of :func:`save_series` and :func:`save_nifti` show."""


def save_bundle(folder: Path) -> Path:
    """The small bundle with sets of two classes, and with figures on patients that it has not seen."""
    quantiles = {"0.90": (0.5,) * 4, "0.95": (0.7,) * 4}
    seen = make_card().evaluation[0]
    figures = {"accuracy": Figure(value=0.937, low=0.917, high=0.956)}
    figures["sensitivity_glioma"] = Figure(value=0.931, low=0.884, high=0.971)
    changes = {"protocol": "patient-wise", "patients": 164, "figures": figures}
    unseen = Measured.model_validate(seen.model_dump() | changes)
    thresholds = Thresholds(
        conformal={key: (a, b, c, d) for key, (a, b, c, d) in quantiles.items()},
        novelty_limit=2.2,
        novelty_false_rejection=0.05,
    )
    path = folder / "quadrants.onnx"
    model = make_model(make_card(thresholds=thresholds, evaluation=(unseen,)))
    path.write_bytes(model.SerializeToString())
    return path


def save_image(path: Path, quadrants: tuple[int, int, int, int] | int) -> Path:
    """PNG or JPEG by its ending, of a class or of four gray levels."""
    pixels = class_image(quadrants) if isinstance(quadrants, int) else head_image(quadrants)
    Image.fromarray(pixels).save(path)
    return path


def _dataset(pixels: NDArray[np.uint16], series: str, place: int) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = MRImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.Modality, made.PatientName, made.PatientID = "MR", "Beeblebrox^Zaphod", "Trillian-42"
    made.StudyInstanceUID = made.SeriesInstanceUID = series
    made.InstanceNumber = place + 1
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = [0, 0, 5 * place]
    made.PixelSpacing = [1.0, 1.0]
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    return made


def _write(path: Path, made: Dataset) -> Path:
    made.save_as(path, enforce_file_format=True)
    return path


def save_dicom(path: Path) -> Path:
    """One 16-bit slice; a step of :data:`FAINT` divides the head's dark lower half, in a window 20,000 wide."""
    pixels = class_image(0).astype(np.uint16) * 100
    middle = pixels.shape[1] // 2
    half = pixels.shape[0] // 2
    pixels[half:-12, 8:-8] = 8000
    pixels[half:-12, middle:-8] += FAINT
    made = _dataset(pixels, generate_uid(), 0)
    made.WindowCenter, made.WindowWidth = 8000 + FAINT // 2, 20000
    return _write(path, made)


def save_series(folder: Path) -> list[Path]:
    """Eight files of one axial series."""
    series = generate_uid()
    stack = [class_image(k).astype(np.uint16) * 100 for k in SERIES_CLASSES]
    return [
        _write(folder / f"IM{place}", _dataset(pixels, series, place)) for place, pixels in enumerate(stack)
    ]


def save_nifti(path: Path) -> Path:
    """A volume whose axial slices, from the feet up, are those of :func:`save_series`."""
    nibabel: Any = import_module("nibabel")  # typed in parts only
    # Rows of an axial picture run from front to back, columns from right to left as the reader looks at the patient.
    stack = [class_image(k)[::-1, ::-1].T.astype(np.int16) for k in SERIES_CLASSES]
    nibabel.save(nibabel.Nifti1Image(np.stack(stack, axis=2), np.diag([1.0, 1.0, 5.0, 1.0])), path)
    return path


def save_zip(path: Path) -> Path:
    """An archive with two images and a file that is none."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, k in (("scans/first.png", 1), ("scans/second.png", 3)):
            stream = BytesIO()
            Image.fromarray(class_image(k)).save(stream, "PNG")
            archive.writestr(name, stream.getvalue())
        archive.writestr("scans/broken.png", b"\x89PNG\r\n\x1a\n but nothing behind it")
    return path
