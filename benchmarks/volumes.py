"""What a bundle says of real heads that come from nowhere near its training images.

Three heads: two healthy (the average of ICBM 152, T1, in all three planes; one volunteer of studyforrest, T1, de-faced)
and one with a glioma (TCIA Brain-Tumor-Progression, T1 after contrast, with a mask of the tumour; axial slices, since
its file does not say how thick they are). Of the last also those slices are asked that do not show the tumour. One head
is one patient, so nothing here is a rate for patients: the figures compare bundles, and show what a scanner of which a
bundle has seen nothing does to it.

Further healthy heads are named by ``--healthy FILE.nii.gz``; voxels of equal sides are taken for granted. One that a
package brings is Colin27, 27 scans of one man (T1): ``templates/ch2.nii.gz`` of Debian's ``mricron-data``. Further
heads with a tumour, after contrast, are named by ``--tumour SCAN.nii.gz MASK.nii.gz``. Two are in the test data of
pyradiomics (``brain1`` and ``brain2``, as NRRD files, which have to be converted).

``python benchmarks/volumes.py --data D [--healthy FILE]... [--tumour SCAN MASK]... [--model BUNDLE]...`` prints some
lines a bundle and writes nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
WIDE = 0.25  # of the head's largest area: slices below that are the cap of the skull
HALF = 0.5  # of a mask's one


Voxel = TypeVar("Voxel", bound=np.generic)


def canonical(path: Path) -> NDArray[np.float32]:
    """Voxels of a NIfTI file with axes to the right, forward and up."""
    image = nibabel.funcs.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
    return np.asarray(image.dataobj, dtype=np.float32)


def cut(volume: NDArray[Voxel], axis: int, index: int) -> NDArray[Voxel]:
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


@dataclass(frozen=True, slots=True)
class TumourHead:
    """Axial slices of one head with a tumour, and those of the same head that do not show it."""

    name: str
    shown: list[Slice]
    masks: list[NDArray[np.bool_]]
    free: list[Slice]


def tumour_head(name: str, scan: Path, mask: Path) -> TumourHead:
    """Slices with enough of the tumour to be seen, and those of the head that are two or more away from any of it."""
    volume, tumour = canonical(scan), canonical(mask) > HALF
    if volume.shape != tumour.shape:
        raise SystemExit(
            f"{scan} has {volume.shape} voxels and {mask} {tumour.shape}; give a mask of this scan"
        )
    head = (volume > SIGNAL * np.percentile(volume, 99)).sum(axis=(0, 1))
    marked = tumour.sum(axis=(0, 1))
    shown = np.flatnonzero((head > 0) & (marked > 0) & (marked >= LARGE * head)).tolist()
    with_neighbours = np.convolve(marked > 0, np.ones(3), mode="same") > 0
    free = np.flatnonzero((head >= WIDE * head.max()) & ~with_neighbours).tolist()
    return TumourHead(
        name,
        [Slice(cut(volume, 2, index)) for index in shown],
        [cut(tumour, 2, index) for index in shown],
        [Slice(cut(volume, 2, index)) for index in free],
    )


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


def heads_of(options: argparse.Namespace) -> tuple[dict[str, list[Slice]], list[TumourHead]]:
    """The healthy heads by name, and those with a tumour."""
    nifti = options.data / "nifti"
    healthy = {"average head": healthy_slices(nifti / "icbm152_t1.nii.gz")}
    healthy |= {path.name: healthy_slices(path) for path in options.healthy}
    scan, mask = nifti / "tcia_btp_03_pre_scan_t1.nii.gz", nifti / "tcia_btp_03_pre_mask.nii.gz"
    sick = [tumour_head("glioma", scan, mask)]
    sick += [tumour_head(scan.name, scan, mask) for scan, mask in options.tumour]
    return healthy, sick


def report(classifier: Classifier, head: TumourHead) -> None:
    """What is said of a head with a tumour."""
    found = answers(classifier, head.shown)
    tumours = [key for key in Diagnosis if key is not Diagnosis.NOTUMOR]
    say(f"{head.name}: called glioma", share(found, Diagnosis.GLIOMA))
    say(f"{head.name}: called any tumour", share(found, *tumours))
    say(f"{head.name}: strongest glioma evidence in its box", pointed(found, head.masks))
    say(
        f"{head.name}: slices without it called notumor",
        share(answers(classifier, head.free), Diagnosis.NOTUMOR),
    )


def say(what: str, figure: str) -> None:
    print(f"  {what.ljust(58)} {figure}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with nifti/ and dicom-t1/")
    parser.add_argument("--model", action="append", help="bundle; the shipped one if left out")
    parser.add_argument(
        "--healthy", type=Path, action="append", default=[], help="NIfTI file of a healthy head"
    )
    parser.add_argument(
        "--tumour",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("SCAN", "MASK"),
        help="NIfTI files of a head with a tumour and of the tumour's mask",
    )
    options = parser.parse_args()
    healthy, sick = heads_of(options)
    volunteer = str(options.data / "dicom-t1")
    for model in options.model or [None]:
        classifier = load(model)
        print(model or "shipped bundle")
        own = [a for a in classifier.predict([volunteer]) if isinstance(a, Prediction)]
        say("healthy, volunteer: called notumor", share(own, Diagnosis.NOTUMOR))
        for name, slices in healthy.items():
            say(f"healthy, {name}: called notumor", share(answers(classifier, slices), Diagnosis.NOTUMOR))
        for head in sick:
            report(classifier, head)


if __name__ == "__main__":
    main()
