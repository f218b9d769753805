"""How many images are traced to the right slice, and whether any is traced to a wrong one.

The source is one image of each slice of half of the traced slices of ``--data`` (a manifest with patients and slices).
Looked for are changed copies (mirrored or not, JPEG quality 60 to 95, scaled 0.5 to 2) of all traced images, and
as they are all images that have no slice in the source: those must not be traced at all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import stats
from timing import machine

from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.trace import THRESHOLD, trace

RIGHT_TARGET = 0.995
LOWEST = 0.5  # accepted here, to know how far the wrong ones are from the threshold


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="manifest or folder with patients and slices"
    )
    parser.add_argument(
        "--images", type=int, default=2000, help="changed copies to look for, 2000 if left out"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    manifest = read_manifest(arguments.data)
    traced = [row for row in manifest if row.patient]
    slices = sorted({row.slice_id for row in traced})
    known = set(random.permutation(slices)[: len(slices) // 2].tolist())
    source = {row.slice_id: row for row in reversed(traced) if row.slice_id in known}
    wanted = [row for row in traced if row.slice_id in known]
    wanted = [wanted[at] for at in sorted(random.permutation(len(wanted))[: arguments.images].tolist())]
    others = [row for row in manifest if not row.patient or row.slice_id not in known]
    with tempfile.TemporaryDirectory() as place:
        changed = [changed_copy(row, Path(place), number, random) for number, row in enumerate(wanted)]
        images = Manifest((*changed, *others), Path(place))
        begin = time.perf_counter()
        result = trace(images, Manifest(tuple(source.values()), manifest.root), threshold=LOWEST)
        seconds = time.perf_counter() - begin
    references = list(source.values())
    right, mirror_right, box_errors, wrong = [], 0, [], [0.0]
    for match in result.matches:
        is_wanted = match.image < len(wanted)
        if is_wanted and references[match.source].slice_id == wanted[match.image].slice_id:
            right.append(match.score)
            row = result.manifest.records[match.image]
            mirror_right += row.mirrored == images.records[match.image].mirrored
            truth = images.records[match.image].box
            if truth is not None and row.box is not None:
                box_errors.append(max(abs(a - b) for a, b in zip(truth, row.box, strict=True)))
        else:
            wrong.append(match.score)
    found = sum(score >= THRESHOLD for score in right)
    low, high = stats.binomtest(found, len(wanted)).proportion_ci(method="wilson")
    print(machine())
    print(
        f"source: {len(source):,} slices; looked for: {len(wanted):,} changed copies of them and {len(others):,} "
        f"images of other slices; {seconds:.1f} s"
    )
    print(
        f"traced to the right slice: {found / len(wanted):.4f} ({low:.4f} to {high:.4f}), target {RIGHT_TARGET}"
    )
    print(f"traced to a wrong slice: {sum(score >= THRESHOLD for score in wrong)}, target 0")
    print(f"threshold {THRESHOLD}; lowest right score {min(right):.3f}, highest wrong score {max(wrong):.3f}")
    print(f"mirrored or plain told right: {mirror_right} of {len(right)}")
    print(
        f"tumour box, largest error in fractions of the image: median {np.median(box_errors):.4f}, "
        f"99 % {np.quantile(box_errors, 0.99):.4f}, most {max(box_errors):.4f}"
    )


def changed_copy(row: ImageRecord, place: Path, number: int, random: np.random.Generator) -> ImageRecord:
    """A changed copy in ``place``, and what is true of it."""
    with Image.open(row.path) as file:
        image = file.convert("L")
    mirror = bool(random.random() < 0.5)
    if mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = 2 ** random.uniform(-1, 1)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    path = place / f"{number}.jpg"
    image.save(path, quality=int(random.integers(60, 96)))
    box = row.box
    if mirror and box is not None:
        box = box._replace(center_x=1 - box.center_x)
    return replace(row, path=path, mirrored=mirror != bool(row.mirrored), box=box)


if __name__ == "__main__":
    main()
