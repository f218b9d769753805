"""How long the audit of a folder takes, against the work that nobody can avoid.

Timed side by side in one run, on the same folder:

- *decode*: PIL opens and decodes every file, in one thread and in as many as there are processors;
- *audit, library*: ``audit(read_manifest(folder))`` in this process, every import done;
- *audit, command*: ``tumorscope data audit``, from an empty process to the page that is written;
- *bare run*: ONNX Runtime, with its defaults, over the ready network inputs, in batches;
- *with model*: library and command again, asked for novelty and label errors.

The figures are the medians of the command over that of the decode in all threads, and of what the model adds to the
command over that of the bare run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from timing import machine, report, side_by_side

from tumorscope import load
from tumorscope.core.errors import TumorscopeError
from tumorscope.dataset.audit.model import Asked
from tumorscope.dataset.audit.run import audit
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.inference.bundle import read_bundle

TARGET = 4.0
MODEL_TARGET = 1.2
BATCH = 32
OUTPUTS = ("probabilities", "novelty")


def main() -> int:
    options = _options()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    manifest = read_manifest(options.data)
    paths = [row.path for row in manifest]
    many = f"decode, {threads} threads"
    things: dict[str, Callable[[], None]] = {
        "decode, 1 thread": lambda: _decode(paths, 1),
        many: lambda: _decode(paths, threads),
        "audit, library": lambda: _audit(options.data, None),
    }
    with tempfile.TemporaryDirectory() as folder:
        base = [
            _command(),
            "data",
            "audit",
            options.data,
            "--report",
            Path(folder) / "audit",
            "--no-progress",
        ]
        things["audit, command"] = lambda: _run(base)
        if not options.without_model:
            content = read_bundle(options.model).content
            bundle = Path(folder) / "bundle.onnx"
            bundle.write_bytes(content)
            model = _asked(bundle)
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            inputs = _inputs(manifest, model.size, threads)
            things["bare run"] = lambda: _bare(session, inputs)
            things["audit with model, library"] = lambda: _audit(options.data, model)
            things["audit with model, command"] = lambda: _run([*base, "--model", bundle])
        print(f"{len(manifest):,} files, {threads} threads, {machine()}")
        times = side_by_side(things, rounds=options.rounds, warm_up=options.warm_up)
    report(times)
    median = {name: taken.median for name, taken in times.items()}
    met = True
    for name in ("audit, library", "audit, command"):
        ratio = median[name] / median[many]
        print(
            f"{name} over {many}: {ratio:.2f} (target: at most {TARGET:g}); "
            f"over one thread: {median[name] / median['decode, 1 thread']:.2f}"
        )
        met = met and ratio <= TARGET
    for name in ("library", "command"):
        if "bare run" in median:
            added = median[f"audit with model, {name}"] - median[f"audit, {name}"]
            ratio = added / median["bare run"]
            print(
                f"what the model adds, {name}, over the bare run: {ratio:.2f} (target: at most {MODEL_TARGET:g})"
            )
            met = met and ratio <= MODEL_TARGET
    return 0 if met or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a manifest, or a folder with a folder per class")
    add("--model", type=Path, help="the bundle; the one that ships with tumorscope if left out")
    add("--without-model", action="store_true", help="leave the model out, which takes most of the time")
    add("--rounds", type=int, default=3, help="at least 2")
    add("--warm-up", type=int, default=1)
    add("--check", action="store_true", help="fail where a target is missed")
    return parser.parse_args()


def _command() -> Path:
    return Path(sys.executable).with_name("tumorscope.exe" if sys.platform == "win32" else "tumorscope")


def _run(command: list[Any]) -> None:
    # Unreadable files make it end with 1, and are no failure here.
    ended = subprocess.run([os.fspath(word) for word in command], stdout=subprocess.DEVNULL, check=False)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"the command ended with {ended.returncode}")


def _decode(paths: list[Path], threads: int) -> None:
    def one(path: Path) -> None:
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            pass  # the audit lists it

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, paths))


def _audit(data: Path, model: Asked | None) -> None:
    audit(read_manifest(data), data=data.name, model=model)


def _asked(bundle: Path) -> Asked:
    classifier = load(bundle)
    card = classifier.card

    def answer(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities, novelty = classifier.session.run(images, OUTPUTS)
        return probabilities, novelty

    limits = card.thresholds
    seen = card.data.image_sha256_prefixes
    return Asked(
        classifier.facts.label,
        card.input_size,
        answer,
        limits.novelty_limit,
        limits.novelty_false_rejection,
        seen,
    )


def _inputs(manifest: Manifest, size: int, threads: int) -> NDArray[np.uint8]:
    def one(path: Path) -> NDArray[np.uint8] | None:
        try:
            return load_input(path, size)
        except TumorscopeError:
            return None

    with ThreadPoolExecutor(threads) as pool:
        made = pool.map(one, [row.path for row in manifest])
        return np.stack([image for image in made if image is not None])


def _bare(session: Any, inputs: NDArray[np.uint8]) -> None:
    for at in range(0, len(inputs), BATCH):
        session.run(list(OUTPUTS), {"image": inputs[at : at + BATCH]})


if __name__ == "__main__":
    sys.exit(main())
