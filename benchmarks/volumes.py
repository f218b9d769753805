"""What a bundle says of real heads that come from nowhere near its training images.

Three heads: two healthy (the average of ICBM 152, T1, in all three planes; one volunteer of studyforrest, T1, de-faced)
and one with a glioma (TCIA Brain-Tumor-Progression, T1 after contrast, with a mask of the tumour; axial slices, since
its file does not say how thick they are). One head is one patient, so nothing here is a rate for patients: the
figures compare bundles, and show what a scanner of which a bundle has seen nothing does to it.

Further healthy heads are named by ``--healthy FILE.nii.gz``; voxels of equal sides are taken for granted. One that a
package brings is Colin27, 27 scans of one man (T1): ``templates/ch2.nii.gz`` of Debian's ``mricron-data``.

``python benchmarks/volumes.py --data D [--healthy FILE]... [--model BUNDLE]...`` prints some lines a bundle and writes
nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from tumorscope import Prediction, load
from tumorscope.core.labels import Diagnosis
from tumorscope.core.slice import Slice
from tumorscope.explanation.heatmap import evidence_for
from tumorscope.inference.classifier import Classifier

STEP = 4  # every fourth slice, of about a millimetre each
MIDDLE = (0.25, 0.8)  # of the axis: slices that cut the brain
SIGNAL = 0.1  # of the brightest tissue: above it lies the head
LARGE = 0.004  # of the head's area: below that a tumour is hardly seen in a slice


def canonical(path: Path) -> NDArray[np.float32]:
    """Voxels of a NIfTI file with axes to the right, forward and up."""
    image = nibabel.funcs.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
    return np.asarray(image.dataobj, dtype=np.float32)


def cut(volume: NDArray[np.float32], axis: int, index: int) -> NDArray[np.float32]:
    """One slice, upright as a radiologist sees it."""
    return np.ascontiguousarray(np.rot90(np.take(volume, index, axis=axis)))


def healthy_slices(path: Path) -> list[Slice]:
    """The middle of a volume with voxels of equal sides, in three planes."""
    volume = canonical(path)
    return [
        Slice(cut(volume, axis, index))
        for axis, length in enumerate(volume.shape)
        for index in range(int(length * MIDDLE[0]), int(length * MIDDLE[1]), STEP)
    ]


def glioma_slices(scan: Path, mask: Path) -> tuple[list[Slice], list[NDArray[np.bool_]]]:
    """Axial slices with enough of the tumour to be seen, and where it lies in them."""
    volume, tumour = canonical(scan), canonical(mask)
    slices, masks = [], []
    for index in range(volume.shape[2]):
        plane, truth = cut(volume, 2, index), cut(tumour, 2, index) > 0.5
        if truth.sum() >= LARGE * (plane > SIGNAL * np.percentile(volume, 99)).sum() > 0:
            slices.append(Slice(plane))
            masks.append(truth)
    return slices, masks


def answers(classifier: Classifier, slices: list[Slice]) -> list[Prediction]:
    return [answer for answer in classifier.predict(slices, heatmap=True) if isinstance(answer, Prediction)]


def share(found: list[Prediction], *wanted: Diagnosis) -> str:
    right = sum(answer.diagnosis in wanted for answer in found)
    mean = np.mean([sum(answer.probabilities[key.position] for key in wanted) for answer in found])
    rejected = sum(answer.verdict == "rejected" for answer in found)
    return f"{right:>3}/{len(found)} (p {mean:.2f}, rejected {rejected})"


def pointed(found: list[Prediction], masks: list[NDArray[np.bool_]]) -> str:
    """How often the strongest evidence for glioma lies in the tumour's box, on the slice's own grid."""
    hits = 0
    for answer, mask in zip(found, masks, strict=True):
        evidence = evidence_for(answer, Diagnosis.GLIOMA)
        row, column = np.unravel_index(int(np.argmax(evidence)), evidence.shape)
        rows, columns = np.nonzero(mask)
        hits += bool(rows.min() <= row <= rows.max() and columns.min() <= column <= columns.max())
    return f"{hits}/{len(found)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with nifti/ and dicom-t1/")
    parser.add_argument("--model", action="append", help="bundle; the shipped one if left out")
    parser.add_argument(
        "--healthy", type=Path, action="append", default=[], help="NIfTI file of a healthy head"
    )
    options = parser.parse_args()
    nifti = options.data / "nifti"
    average = healthy_slices(nifti / "icbm152_t1.nii.gz")
    tumour, masks = glioma_slices(
        nifti / "tcia_btp_03_pre_scan_t1.nii.gz", nifti / "tcia_btp_03_pre_mask.nii.gz"
    )
    further = {path.name: healthy_slices(path) for path in options.healthy}
    volunteer = str(options.data / "dicom-t1")
    for model in options.model or [None]:
        classifier = load(model)
        own = [a for a in classifier.predict([volunteer]) if isinstance(a, Prediction)]
        found = answers(classifier, tumour)
        print(model or "shipped bundle")
        print(
            "  healthy, average head called notumor  ", share(answers(classifier, average), Diagnosis.NOTUMOR)
        )
        print("  healthy, volunteer called notumor     ", share(own, Diagnosis.NOTUMOR))
        for name, slices in further.items():
            print(
                f"  healthy, {name} called notumor".ljust(40),
                share(answers(classifier, slices), Diagnosis.NOTUMOR),
            )
        print("  glioma called glioma                  ", share(found, Diagnosis.GLIOMA))
        sick = [key for key in Diagnosis if key is not Diagnosis.NOTUMOR]
        print("  glioma called any tumour              ", share(found, *sick))
        print("  strongest glioma evidence in its box  ", pointed(found, masks))


if __name__ == "__main__":
    main()
