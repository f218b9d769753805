"""Makes the example images of this folder; needs the ``dev`` extra, downloads nothing.

The anatomy is the ICBM 152 template (2009a, symmetric, T1), an average of 152 healthy brains that comes with
the package nilearn without skull. Skull and scalp are drawn around it, and in the files named ``synthetic`` a
lesion is drawn in too. No patient is shown. Run it with: ``python examples/make_examples.py``
"""

from __future__ import annotations

import gzip
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy import ndimage

from tumorscope.core.files import atomic_write
from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis.lesion import draw_lesion

_NIBABEL: Any = nibabel  # its types are incomplete
FOLDER = Path(__file__).parent
TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
SIDE = 256
BRAIN = 0.62  # brightness of the brightest white matter, so that enhancement stands out
LESIONS = {
    # file, class, height of the slice in template voxels, centre (row, column) in the picture, radius in pixels
    "synthetic-glioma-axial": (Diagnosis.GLIOMA, 92, (108.0, 160.0), 22.0),
    "synthetic-meningioma-axial": (Diagnosis.MENINGIOMA, 108, (112.0, 68.0), 25.0),
    "synthetic-pituitary-axial": (Diagnosis.PITUITARY, 52, (121.0, 128.0), 11.0),
}

Picture = NDArray[np.float64]


def load_template() -> Any:
    """The template as a nibabel image, 1 mm, from the files of the nilearn package."""
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise SystemExit("nilearn is not installed; install it with: pip install 'tumorscope[dev]'")
    return _NIBABEL.load(Path(spec.origin).parent / "datasets" / "data" / TEMPLATE)


def axial(template: Any, height: int) -> tuple[Picture, Picture]:
    """An axial slice and its brain mask, ``[256, 256]`` in [0, 1], nose up, the patient's right on the left."""
    # Columns of the template run to the patient's right, rows to the front: both are turned round.
    picture = np.asanyarray(template.dataobj)[::-1, ::-1, height].T
    rows, columns = picture.shape
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    padded = np.zeros((SIDE, SIDE))
    padded[top : top + rows, left : left + columns] = picture / 255.0
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(padded > 0.02, iterations=3))
    return padded * BRAIN, ndimage.gaussian_filter(brain.astype(np.float64), 0.7)


def with_head(picture: Picture, brain: Picture, rng: np.random.Generator) -> Picture:
    """Draw fluid, skull and scalp around a brain, and the noise of a scanner."""
    hull = ndimage.binary_closing(
        brain > 0.5, structure=ndimage.generate_binary_structure(2, 2), iterations=14
    )
    away = ndimage.gaussian_filter(ndimage.distance_transform_edt(~ndimage.binary_fill_holes(hull)), 1.0)
    scalp = np.interp(away, [9.0, 10.0, 14.5, 16.0], [0.0, 1.0, 1.0, 0.0])
    marrow = np.interp(away, [4.0, 5.5, 6.5, 8.0], [0.0, 1.0, 1.0, 0.0])
    head = np.clip(picture + 0.8 * scalp + 0.22 * marrow + 0.06 * (away < 16) * (brain < 0.5), 0.0, 1.0)
    noise = rng.normal(0.0, 0.012, (2, *head.shape))
    return np.asarray(np.clip(np.hypot(head + noise[0], noise[1]), 0.0, 1.0))


def build() -> dict[str, bytes]:
    """Every example by its file name."""
    template = load_template()
    picture, brain = axial(template, 92)
    files = {"healthy-axial.png": png(with_head(picture, brain, generator(0)))}
    for number, (name, (diagnosis, height, centre, radius)) in enumerate(LESIONS.items(), start=1):
        picture, brain = axial(template, height)
        rng = generator(number)
        lesion = draw_lesion(picture, diagnosis, centre, radius, rng, tissue=brain)
        scan = with_head(lesion.image, brain, rng)
        files[f"{name}.png"] = png(scan)
        if diagnosis is Diagnosis.GLIOMA:
            files[f"{name}.dcm"] = dicom(scan)
    files["healthy-volume.nii.gz"] = nifti(template)
    return files


def generator(stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([152, stream], dtype=np.uint64)))


def png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.rint(picture * 255.0).astype(np.uint8)).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def nifti(template: Any) -> bytes:
    """Twelve axial slices of the template, 2 mm within and 6 mm between them."""
    first, last = 68, 140
    volume = np.asanyarray(template.dataobj)[::2, ::2, first:last:6]
    affine = template.affine @ np.diag([2.0, 2.0, 6.0, 1.0])
    affine[:3, 3] = (template.affine @ np.array([0.0, 0.0, first, 1.0]))[:3]
    image = _NIBABEL.Nifti1Image(np.ascontiguousarray(volume), affine)
    return gzip.compress(image.to_bytes(), mtime=0)


def dicom(picture: Picture) -> bytes:
    """A 12-bit MR image object (PS3.3, A.4) with every attribute of identity empty."""
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=["tumorscope-example", keyword]))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        setattr(dataset, keyword, "")
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "StudyID", "Manufacturer"):
        setattr(dataset, keyword, "")
    dataset.Modality = "MR"
    dataset.SeriesDescription = "synthetic lesion"
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "NONE", ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTime, dataset.RepetitionTime, dataset.EchoTrainLength = "", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.ImagePositionPatient = [-128, -128, 0]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = np.rint(picture * 4095.0).astype("<u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def main() -> None:
    for name, content in build().items():
        atomic_write(FOLDER / name, content)
        print(f"{name}: {len(content) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
