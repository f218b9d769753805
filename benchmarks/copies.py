"""How many copies the search finds, how many it makes up, and how it grows.

Three verbs:

- ``planted``: changed copies of real images are put among all images, one kind of change at a time and all together;
  the share of them paired with their original, with Wilson's 95 % interval;
- ``false``: pairs between images of different patients (there should be none), and between different groups of the
  manifest otherwise. On a set whose groups are not complete the latter may be true copies that the groups missed:
  ``--sheet`` draws some of them to look at;
- ``growth``: time of each stage, peak memory and recall of the approximate index for 10^4, 10^5 and 10^6 thumbnails
  made of real ones, each size in a process of its own.

Half of the groups, by a seed, is for choosing parameters (``--half development``), the other half for the figures.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy import stats
from timing import machine

from tumorscope.dataset.copies import candidates as proposing
from tumorscope.dataset.copies import search
from tumorscope.dataset.copies.descriptor import fit_embedding, normalised
from tumorscope.dataset.copies.fitting import fit_pairs
from tumorscope.dataset.copies.following import following
from tumorscope.dataset.copies.neighbours import Neighbours
from tumorscope.dataset.copies.orientation import ORIENTATIONS, turn
from tumorscope.dataset.copies.pair import CopyPair, Orientation
from tumorscope.dataset.copies.search import find_copies
from tumorscope.dataset.copies.thumbnail import thumbnail
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.scan import scan

FOUND_TARGET, FALSE_TARGET, RECALL_TARGET, MEMORY_TARGET = 0.99, 0.001, 0.99, 4.0
CROP = 0.10
MADE_COPIES = 0.25  # share of the made thumbnails that are copies of others
SLICES, OTHER = 8, (0.08, 0.4)  # slices of a made-up person, and how much of another is mixed into each
CHUNK = 5000
VERY_NEAR = 0.9  # as most copies are

Thumbnails = NDArray[np.uint8]
Pictures = NDArray[np.floating[Any]]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Data:
    """A data set, decoded."""

    manifest: Manifest
    thumbnails: Thumbnails
    hashes: list[str]


def main() -> int:
    options = _options()
    if options.verb == "one-size":
        return _one_size(options)
    print(machine())
    verbs: dict[str, Callable[[argparse.Namespace], bool]] = {
        "planted": _planted,
        "false": _false,
        "growth": _growth,
    }
    met = verbs[options.verb](options)
    return 0 if met or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("planted", "false", "growth"):
        verb = verbs.add_parser(name)
        verb.add_argument("--data", type=Path, required=True, help="a manifest, or a folder of images")
        verb.add_argument(
            "--thumbnails", type=Path, help="keep the thumbnails in this .npz for the next time"
        )
        verb.add_argument("--seed", type=int, default=0)
        verb.add_argument("--check", action="store_true", help="fail where a target is missed")
        if name == "planted":
            verb.add_argument("--images", type=int, default=500)
            verb.add_argument("--half", choices=("development", "report"), default="report")
        elif name == "false":
            verb.add_argument("--sheet", type=Path, help="draw pairs between different groups here, as PNG")
            verb.add_argument("--drawn", type=int, default=40)
            verb.add_argument("--tumours", action="store_true", help="draw only pairs with a tumour class")
        else:
            verb.add_argument("--sizes", type=int, nargs="+", default=[10**4, 10**5, 10**6])
            verb.add_argument("--folder", type=Path, help="keep the made thumbnails here (2 GB for 10^6)")
    one = verbs.add_parser("one-size")
    one.add_argument("thumbnails", type=Path)
    one.add_argument("what", choices=("time", "recall"))
    return parser.parse_args()


def _load(options: argparse.Namespace) -> Data:
    manifest = read_manifest(options.data)
    kept: Path | None = options.thumbnails
    if kept is not None and kept.exists():
        with np.load(kept) as stored:
            rows, made, hashes = stored["rows"], stored["thumbnails"], stored["hashes"].tolist()
    else:
        found = scan(manifest, lambda _, facts, image: (thumbnail(image.pixels), facts.pixels_sha256))
        rows = np.array(found.rows)
        made = np.stack([one for one, _ in found.found])
        hashes = [name for _, name in found.found]
        if kept is not None:
            np.savez(kept, rows=rows, thumbnails=made, hashes=np.array(hashes))
    return Data(manifest.subset(rows.tolist()), made, hashes)


# planted copies


def _mirrored(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _rotated(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.rotate(90 * int(random.integers(1, 4)), expand=True)


def _compressed(image: Image.Image, _: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file).convert("L")


def _scaled(image: Image.Image, random: np.random.Generator) -> Image.Image:
    factor = 2 ** random.uniform(-1, 1)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _cropped_in_all(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Up to 10 % of the width and of the height."""
    cuts = [random.uniform(0, CROP) * random.dirichlet((1, 1)) for _ in range(2)]
    return _crop(image, cuts[0][0], cuts[0][1], cuts[1][0], cuts[1][1])


def _cropped_each_side(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Up to 10 % off each of the four sides."""
    return _crop(image, *random.uniform(0, CROP, 4))


def _crop(image: Image.Image, left: float, right: float, top: float, bottom: float) -> Image.Image:
    width, height = image.size
    box = (int(left * width), int(top * height), width - int(right * width), height - int(bottom * height))
    return image.crop(box)


def _toned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Another brightness, contrast and gamma."""
    image = ImageEnhance.Brightness(image).enhance(random.uniform(0.6, 1.4))
    image = ImageEnhance.Contrast(image).enhance(random.uniform(0.6, 1.5))
    curve = (np.arange(256) / 255) ** (2 ** random.uniform(-0.5, 0.5)) * 255
    return image.point(curve.astype(int).tolist())


def _together(crop: Change) -> Change:
    """All changes, mirrored and rotated as a coin and a die fall."""

    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        image = crop(image, random)
        if random.random() < 0.5:
            image = _mirrored(image, random)
        if random.random() < 0.75:
            image = _rotated(image, random)
        return _compressed(_toned(_scaled(image, random), random), random)

    return change


CHANGES: dict[str, Change] = {
    "mirrored": _mirrored,
    "rotated by 90, 180 or 270": _rotated,
    "JPEG quality 60": _compressed,
    "scaled 0.5 to 2": _scaled,
    "cropped, 10 % in all": _cropped_in_all,
    "brightness, contrast, gamma": _toned,
    "all, cropped 10 % in all": _together(_cropped_in_all),
    "cropped, 10 % each side": _cropped_each_side,
    "all, cropped 10 % each side": _together(_cropped_each_side),
}
HARSH = tuple(name for name in CHANGES if "each side" in name)


def chosen_images(manifest: Manifest, half: str, count: int, seed: int) -> NDArray[np.int64]:
    """Random images of half of the groups; a group is in one half whole."""
    random = np.random.default_rng(seed)
    groups = np.array([row.group for row in manifest])
    names = random.permutation(np.unique(groups))
    mine = names[: len(names) // 2] if half == "development" else names[len(names) // 2 :]
    inside = np.flatnonzero(np.isin(groups, mine))
    picked: NDArray[np.int64] = random.choice(inside, min(count, len(inside)), replace=False)
    return picked


def planted_thumbnails(paths: list[Path], change: Change, seed: int) -> Thumbnails:
    """Thumbnails of changed copies, ``uint8 [N, 2, 32, 32]``."""

    def one(job: tuple[int, Path]) -> Thumbnails:
        with Image.open(job[1]) as image:
            return thumbnail(np.asarray(change(image.convert("L"), np.random.default_rng((seed, job[0])))))

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(one, enumerate(paths))))


def _planted(options: argparse.Namespace) -> bool:
    data = _load(options)
    picked = chosen_images(data.manifest, options.half, options.images, options.seed)
    rows = list(data.manifest)
    paths = [rows[position].path for position in picked]
    print(f"{len(picked)} images of the {options.half} half, copied among {len(data.thumbnails):,}")
    print(f"{'':29} found   (95 % interval)   kind right, of those found")
    met = True
    for number, (name, change) in enumerate(CHANGES.items()):
        copies = planted_thumbnails(paths, change, options.seed + number)
        pairs = _paired(data, picked, copies)
        share = len(pairs) / len(picked)
        low, high = stats.binomtest(len(pairs), len(picked)).proportion_ci(method="wilson")
        print(f"{name:29} {share:6.1%}  ({low:.1%} to {high:.1%})   {_right(name, pairs)}", flush=True)
        met = met and (name in HARSH or share >= FOUND_TARGET)
    print(f"target: at least {FOUND_TARGET:.0%} of each (10 % each side is beyond it)")
    return met


def _paired(data: Data, picked: NDArray[np.int64], copies: Thumbnails) -> list[CopyPair]:
    """The pair of each planted copy with its original, where found."""
    count = len(data.thumbnails)
    hashes = [*data.hashes, *(f"planted {number}" for number in range(len(copies)))]
    found = find_copies(np.concatenate([data.thumbnails, copies]), hashes)
    original = {count + number: int(position) for number, position in enumerate(picked)}
    return [pair for pair in found if original.get(pair.second) == pair.first]


def _right(name: str, pairs: list[CopyPair]) -> str:
    turned = {
        Orientation.ROTATED_90,
        Orientation.ROTATED_180,
        Orientation.ROTATED_270,
    }
    wanted = {"mirrored": {Orientation.MIRRORED}, "rotated by 90, 180 or 270": turned}
    if name.startswith("all") or not pairs:
        return ""
    right = sum(pair.orientation in wanted.get(name, {Orientation.SAME}) for pair in pairs)
    return f"{right / len(pairs):.1%}"


# pairs that should not be


def _false(options: argparse.Namespace) -> bool:
    data = _load(options)
    rows = list(data.manifest)
    start = time.perf_counter()
    pairs = find_copies(data.thumbnails, data.hashes)
    print(f"{len(pairs):,} pairs among {len(rows):,} images in {time.perf_counter() - start:.1f} s")
    known = [place for place, row in enumerate(rows) if row.patient]
    ends = [(rows[pair.first], rows[pair.second]) for pair in pairs]
    wrong = [
        pair
        for pair, (first, second) in zip(pairs, ends, strict=True)
        if first.patient and second.patient and first.patient != second.patient
    ]
    share = len({place for pair in wrong for place in (pair.first, pair.second)}) / max(1, len(known))
    print(
        f"between different patients: {len(wrong)} pairs, {share:.3%} of {len(known):,} images with a patient"
    )
    across = [pair for pair, (first, second) in zip(pairs, ends, strict=True) if first.group != second.group]
    print(
        f"between different groups: {len(across):,} pairs (true copies that the groups missed? see --sheet)"
    )
    labels = Counter(
        " - ".join(sorted((rows[pair.first].label.value, rows[pair.second].label.value))) for pair in across
    )
    for name, count in labels.most_common():
        print(f"  {name}: {count:,}")
    if options.sheet is not None:
        shown = [
            pair
            for pair in across
            if not options.tumours
            or any(rows[place].label.value != "notumor" for place in (pair.first, pair.second))
        ]
        random = np.random.default_rng(options.seed)
        picked = random.permutation(len(shown))[: options.drawn]
        _draw([shown[number] for number in sorted(picked)], data.manifest, options.sheet)
    return share <= FALSE_TARGET


def _draw(pairs: list[CopyPair], manifest: Manifest, path: Path, side: int = 200, columns: int = 5) -> None:
    """A sheet of pairs: the first as it is, laid as the second, and the second."""
    rows = list(manifest)
    sheet = Image.new("L", (columns * (2 * side + 10), max(1, -(-len(pairs) // columns)) * (side + 10)))
    for number, pair in enumerate(pairs):
        places = (pair.first, pair.second)
        pictures = []
        for place in places:
            with Image.open(rows[place].path) as image:
                pictures.append(np.asarray(image.convert("L").resize((side, side))))
        pictures[0] = turn(pictures[0], pair.orientation)
        left, top = number % columns * (2 * side + 10), number // columns * (side + 10)
        sheet.paste(Image.fromarray(np.ascontiguousarray(np.concatenate(pictures, axis=1))), (left, top))
    sheet.save(path)
    print(f"drew {len(pairs)} pairs to {path}")


# growth


def _growth(options: argparse.Namespace) -> bool:
    met = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{size}.npy" for size in options.sizes]
        missing = [path for path in files if not path.exists()]
        if missing:
            sources = _load(options).thumbnails
            for path in missing:
                make_thumbnails(sources, int(path.stem), path, options.seed)
        before: tuple[int, float] | None = None  # the first size
        for path, size in zip(files, options.sizes, strict=True):
            told: dict[str, float] = {}
            for what in ("time", "recall"):
                command = [sys.executable, __file__, "one-size", str(path), what]
                answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                told |= json.loads(answer)
            print(f"\n{size:,} thumbnails")
            for name, value in told.items():
                print(f"  {name:32} {value:12,.3f}")
            # The work done, and not the time on the clock, which other programs lengthen.
            seconds = told["of all processors, s"]
            if before is not None:
                linear = before[1] * (size * math.log(size)) / (before[0] * math.log(before[0]))
                power = math.log(seconds / before[1]) / math.log(size / before[0])
                print(f"  exponent against {before[0]:,}: {power:.2f}; over n log n: {seconds / linear:.2f}")
                met = met and seconds <= linear
            before = before or (size, seconds)
            met = met and told["recall at 1"] >= RECALL_TARGET and told["recall at 6"] >= RECALL_TARGET
            met = met and told["peak memory, GiB"] < MEMORY_TARGET
            sys.stdout.flush()
    return met


def make_thumbnails(sources: Thumbnails, count: int, path: Path, seed: int) -> None:
    """Write ``uint8 [count, 2, 32, 32]``: made-up persons of eight slices each.

    A person is two real pictures, mirrored or not, bent along both axes and mixed; a slice is that with some of a third
    one mixed in. A quarter of the slices are copies of the one before them, mirrored or not, cropped a little and of
    another tone.
    """
    random = np.random.default_rng(seed)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *sources.shape[1:]))
    for at in range(0, count, CHUNK):
        size = min(CHUNK, count - at)
        persons = -(-size // SLICES)
        person = _mixed(
            _drawn(sources, persons, random), _drawn(sources, persons, random), (0.3, 0.7), random
        )
        slices = np.repeat(person, SLICES, axis=0)[:size]
        slices = _mixed(slices, _drawn(sources, size, random), OTHER, random)
        copied = np.flatnonzero(random.random(size) < MADE_COPIES)
        copied = copied[copied > 0]
        gamma: Pictures = np.exp2(random.uniform(-0.4, 0.4, (len(copied), 1, 1, 1))).astype(np.float32)
        toned: Pictures = (slices[copied - 1] / 255) ** gamma * 255
        slices[copied] = _mirrored_by_chance(_cut(toned, random), random)
        noisy: Pictures = slices + random.standard_normal(slices.shape, dtype=np.float32) * 2
        made[at : at + size] = np.clip(noisy, 0, 255).astype(np.uint8)
    made.flush()


def _drawn(sources: Thumbnails, count: int, random: np.random.Generator) -> Pictures:
    """Real pictures, mirrored or not, each axis stretched unevenly by a few sine waves."""
    picked = sources[random.integers(0, len(sources), count)].astype(np.float32)
    return _resampled(_mirrored_by_chance(picked, random), *(_waves(count, random) for _ in range(2)))


def _mirrored_by_chance(pictures: Pictures, random: np.random.Generator) -> Pictures:
    mirrored = random.random(len(pictures)) < 0.5
    pictures[mirrored] = pictures[mirrored][..., ::-1]
    return pictures


def _mixed(
    first: Pictures, second: Pictures, shares: tuple[float, float], random: np.random.Generator
) -> Pictures:
    """Each pair in a random proportion; ``shares`` is the range of the second's."""
    share: Pictures = random.uniform(*shares, (len(first), 1, 1, 1)).astype(np.float32)
    result: Pictures = first * (1 - share) + second * share
    return result


def _waves(count: int, random: np.random.Generator) -> Pictures:
    along = np.linspace(-1, 1, 32, dtype=np.float32)
    at: Pictures = np.tile(along, (count, 1))
    for waves in (1, 2, 3):
        phase = random.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
        size = random.normal(0, 0.1 / waves, (count, 1)).astype(np.float32)
        at += size * np.sin(np.float32(np.pi * waves / 2) * along + phase)
    return at


def _cut(pictures: Pictures, random: np.random.Generator) -> Pictures:
    """Up to 3 % off each side."""
    along = np.linspace(0, 1, 32, dtype=np.float32)
    ends = random.uniform(0, 0.06, (2, 2, len(pictures), 1)).astype(np.float32)
    maps = [(-1 + low) + along * (2 - low - high) for low, high in ends]
    return _resampled(pictures, maps[0], maps[1])


def _resampled(pictures: Pictures, rows: Pictures, columns: Pictures) -> Pictures:
    def matrices(at: Pictures) -> Pictures:
        pixel = np.clip((at + 1) * np.float32(15.5), 0, 31)[:, :, None]
        weights: Pictures = np.maximum(np.float32(1) - np.abs(pixel - np.arange(32, dtype=np.float32)), 0)
        return weights

    result: Pictures = matrices(rows)[:, None] @ pictures @ matrices(columns)[:, None].transpose(0, 1, 3, 2)
    return result


def _one_size(options: argparse.Namespace) -> int:
    thumbnails = np.load(options.thumbnails, mmap_mode="r")
    told = _timed(thumbnails) if options.what == "time" else _recall(thumbnails)
    print(json.dumps(told))
    return 0


def _timed(thumbnails: Thumbnails) -> dict[str, float]:
    """Seconds of each stage, and the memory that this process has ever had."""
    spent: dict[str, float] = defaultdict(float)

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                spent[name] += time.perf_counter() - start

        return timed

    index = Neighbours
    replaced: dict[tuple[object, str], Any] = {
        (index, "__init__"): watched("index, s", index.__init__),
        (index, "nearest"): watched("neighbours, s", index.nearest),
        (proposing, "fit_embedding"): watched("embedding, s", fit_embedding),
        (search, "fit_pairs"): watched("fits, s", fit_pairs),
        (search, "following"): watched("clusters, s", following),
    }
    for (owner, name), timed in replaced.items():
        setattr(owner, name, timed)
    hashes = [str(number) for number in range(len(thumbnails))]
    start, start_processor = time.perf_counter(), time.process_time()
    pairs = find_copies(thumbnails, hashes)
    whole, processor = time.perf_counter() - start, time.process_time() - start_processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rest = whole - sum(spent.values())
    return {
        "pairs": len(pairs),
        **spent,
        "rest, s": rest,
        "whole search, s": whole,
        "of all processors, s": processor,
        "peak memory, GiB": peak,
    }


def _recall(thumbnails: Thumbnails, queries: int = 1000) -> dict[str, float]:
    """Share of the truly nearest that the approximate index gives, with the query itself left out.

    For images as they lie, and for images turned in one of the other ways, which the search asks quickly: there only
    what is very near counts, so the share of those is told too.
    """
    heads = thumbnails[:, 1]
    embed = fit_embedding(heads)
    vectors = np.concatenate(
        [embed(normalised(heads[at : at + CHUNK])) for at in range(0, len(heads), CHUNK)]
    )
    asked = np.sort(np.random.default_rng(1).choice(len(vectors), queries, replace=False))
    pictures = normalised(heads[asked])
    ways = [ORIENTATIONS[1 + place % 7] for place in range(queries)]
    turned = np.stack([turn(picture, way) for picture, way in zip(pictures, ways, strict=True)])
    exact, approximate = (Neighbours(vectors, exact=choice) for choice in (True, False))
    told = {}
    for name, asking in (("", pictures), (", turned", turned)):
        cosines, truth = exact.nearest(embed(asking), 7)
        _, given = approximate.nearest(embed(asking), 7, quick=bool(name))
        for count in (1, 6):
            shared = [
                len(set(_others(true, one, count)) & set(_others(got, one, count)))
                for true, got, one in zip(truth, given, asked, strict=True)
            ]
            told[f"recall at {count}{name}"] = sum(shared) / (count * queries)
        if name:
            near = [
                int(place) in set(got.tolist())
                for row, true, got, one in zip(cosines, truth, given, asked, strict=True)
                for cosine, place in zip(row, true, strict=True)
                if cosine >= VERY_NEAR and place != one
            ]
            told[f"recall of cosine {VERY_NEAR:g} and more{name}"] = sum(near) / max(1, len(near))
    return told


def _others(places: NDArray[np.int64], own: int, count: int) -> list[int]:
    return [int(place) for place in places if place != own][:count]


if __name__ == "__main__":
    sys.exit(main())
