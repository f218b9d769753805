"""Files that the reading tests make: rasters, and DICOM files of a patient whose name must never be seen."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

SECRETS = ("Beeblebrox", "Zaphod", "Trillian-42", "Magrathea", "1.2.826.0.1.42")
SERIES_UID = "1.2.826.0.1.42.7"


def head_pixels(height: int = 48, width: int = 40, top: int = 4000) -> NDArray[np.uint16]:
    """A bright ellipse with a gradient on black."""
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = row**2 + column**2 < 0.8
    return np.where(inside, (row + 2) / 3 * top, 0).astype(np.uint16)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image file in memory."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def mr_dataset(pixels: NDArray[Any], bits_stored: int | None = None, **attributes: Any) -> Dataset:
    """A single-frame MR data set full of identity; attributes set to ``None`` are left out."""
    bits = pixels.dtype.itemsize * 8
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.SOPClassUID = MRImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID
    made.Modality = "MR"
    made.PatientName, made.PatientID = "Beeblebrox^Zaphod", "Trillian-42"
    made.StudyDescription, made.InstitutionName = "Magrathea visit", "Magrathea General"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.0.1.42", SERIES_UID
    made.InstanceNumber = 1
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    made.PixelSpacing = [0.8, 0.5]
    made.Rows, made.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        made.NumberOfFrames = pixels.shape[0]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored = bits, bits_stored or bits
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = np.ascontiguousarray(pixels).tobytes()
    made["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def compressed(dataset: Dataset, frames: list[bytes], syntax: str) -> Dataset:
    """The same data set with its pixels replaced by codestreams."""
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return dataset


def dicom_bytes(dataset: Dataset, **options: Any) -> bytes:
    """The data set as a file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True, **options)
    return stream.getvalue()


def item(**attributes: Any) -> Dataset:
    """One item of a sequence."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def sequence(**attributes: Any) -> Sequence:
    """A sequence of one item."""
    return Sequence([item(**attributes)])


def bundled(name: str) -> Path:
    """One of the files that come with pydicom and pydicom-data; never a download."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"{name} does not come with pydicom or pydicom-data"
    return Path(found)


def claim_png_size(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose header claims another size, with the checksum made right."""
    import zlib

    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
