"""How fast training is, against the work that nobody can avoid.

*Compute*: a whole step of :func:`tumorscope.training.fit.fit` (drawing, augmentation, forward, backward, optimiser,
moving average, checkpoints, log) is timed beside the same network on one ready batch in memory (forward, backward,
clipped gradient, optimiser), in turn, in one process. The figure is the samples a second of the first over those of the
second, by augmentation preset. On a processor with 16 bits the loop computes depthwise gradients by its own forms
(:mod:`tumorscope.training.depthwise`), so the ready batch is timed with torch's and with these.

*Loading*: the batches of one epoch, as training has them before augmentation, are timed beside torchvision's
``ImageFolder`` (decode, gray, resize, tensor) in a plain ``DataLoader``, both without worker processes, since training
uses none; a ``DataLoader`` of two workers is timed as well.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from timing import Times, machine, report, side_by_side
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from tumorscope.augmentation.presets import PRESETS
from tumorscope.dataset.cache import open_cache
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.models.network import build_network
from tumorscope.recipes.registry import find_recipe
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.batches import BatchStream, TrainingRows
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.depthwise import fast_depthwise
from tumorscope.training.fit import fit, precision_of
from tumorscope.training.memory import keep_freed_memory
from tumorscope.training.module import as_input

COMPUTE_TARGET = 0.9
LOADING_TARGET = 5.0


def main() -> None:
    options = _options()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    settings = [*options.set, f"threads={options.threads}", "epochs=1", "pretrained=false"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("TUMORSCOPE_CACHE", str(folder / "cache"))
        data = options.data or _phantoms(folder / "images", options.images)
        manifest = read_manifest(data)
        chosen = np.random.default_rng(0).permutation(len(manifest))[: options.images]
        manifest = manifest.subset(sorted(chosen.tolist()))
        plain = configure(options.recipe, settings)
        rows = _rows(manifest, plain.image_size)
        print(f"{machine()}, torch {torch.__version__}, {options.threads} thread(s), {_device()}")
        print(
            f"{options.recipe}, {plain.image_size} px, batches of {plain.batch_size}, {rows.distinct} distinct slices"
        )
        _compute(options, settings, rows, folder)
        _loading(options, plain, rows, manifest)


def _compute(options: argparse.Namespace, settings: list[str], rows: TrainingRows, folder: Path) -> None:
    plain = configure(options.recipe, settings)
    things: dict[str, Callable[[], float | None]] = {
        "ready batch": _ready(plain, rows, options.steps, nullcontext),
        "ready batch, our gradients": _ready(plain, rows, options.steps, fast_depthwise),
    }
    for preset in PRESETS:
        config = configure(options.recipe, [*settings, f"augmentation.preset={preset}"])
        things[f"training, {preset}"] = partial(_one_epoch, config, rows, folder)
    times = side_by_side(things, rounds=options.rounds, warm_up=1)
    print("\ntime a sample")
    report(times)
    for limit in ("ready batch", "ready batch, our gradients"):
        for preset in PRESETS:
            target = f"; target: at least {COMPUTE_TARGET:g}" if preset == "standard" else ""
            ratio, low, high = _ratio(times[limit], times[f"training, {preset}"])
            print(f"speed over the {limit}; {preset}: {ratio:.3f} ({low:.3f} to {high:.3f} by round{target})")


def _loading(
    options: argparse.Namespace, config: TrainingConfig, rows: TrainingRows, manifest: Manifest
) -> None:
    stream = BatchStream(rows, config.batch_size, 0, lambda: 0)
    things: dict[str, Callable[[], float | None]] = {
        "cached batches": partial(_pass, DataLoader(stream, batch_size=None))
    }
    files = _ImageFiles(manifest, config.image_size)
    for workers in (0, 2):
        loader = DataLoader(files, batch_size=config.batch_size, shuffle=True, num_workers=workers)
        things[f"ImageFolder, {workers} workers"] = partial(_pass, loader)
    times = side_by_side(things, rounds=options.rounds, warm_up=1)
    print("\ntime a sample, loading alone")
    report(times)
    ratio, low, high = _ratio(times["ImageFolder, 0 workers"], times["cached batches"])
    by_round = f"{low:.1f} to {high:.1f} by round"
    print(f"times faster than ImageFolder: {ratio:.1f} ({by_round}; target: at least {LOADING_TARGET:g})")


def _ready(
    config: TrainingConfig,
    rows: TrainingRows,
    steps: int,
    gradients: Callable[[], AbstractContextManager[None]],
) -> Callable[[], float]:
    """The same network learning one batch that lies in memory, over and over: seconds a sample."""
    torch.set_num_threads(config.threads or 1)
    keep_freed_memory()  # as a fit does
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_network(find_recipe(config.recipe).architecture, config.image_size)
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    taken = rows.rows[: config.batch_size]
    images = as_input(torch.from_numpy(np.ascontiguousarray(rows.images[taken]))).to(device)
    labels = torch.from_numpy(rows.labels[taken]).to(device)
    bf16 = precision_of(config) == "bf16-mixed"  # as the fit that it is compared with

    def learn() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16), gradients():
                logits = network(images).logits
            loss = functional.cross_entropy(logits.float(), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        float(loss.detach())  # waits for a GPU
        return (time.perf_counter() - start) / (steps * len(labels))

    return learn


def _one_epoch(config: TrainingConfig, rows: TrainingRows, folder: Path) -> float:
    """A fit of one epoch by the verb's own code: seconds a sample, without what comes before and after the epoch."""
    clock = _Clock()
    few = TrainingRows(rows.images, rows.labels, rows.slice_ids, rows.rows[:4])
    with tempfile.TemporaryDirectory(dir=folder) as out:
        fit(config, rows, few, Path(out), progress=False, callbacks=[clock])
    return clock.seconds / clock.samples


class _Clock(Callback):
    """From the start of the epoch to the end of its last batch."""

    def __init__(self) -> None:
        self.seconds, self.samples, self._start = 0.0, 0, 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, *what: Any) -> None:
        _, _, outputs, batch, *_ = what
        float(outputs["loss"])  # waits for a GPU
        self.seconds = time.perf_counter() - self._start
        self.samples += len(batch.labels)


class _ImageFiles(Dataset[tuple[Any, int]]):
    """The items of torchvision's ``ImageFolder`` for the files of a manifest: its loader and its transforms."""

    def __init__(self, manifest: Manifest, size: int) -> None:
        from torchvision.datasets.folder import default_loader
        from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

        self._load, self._change = default_loader, Compose([Grayscale(), Resize((size, size)), ToTensor()])
        self._paths = [record.path for record in manifest]
        self._labels = manifest.labels().tolist()

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._change(self._load(str(self._paths[index]))), self._labels[index]


def _pass(loader: DataLoader[Any]) -> float:
    """Everything once: seconds a sample."""
    start, samples = time.perf_counter(), 0
    for batch in loader:
        samples += len(batch[0])
    return (time.perf_counter() - start) / samples


def _ratio(one: Times, other: Times) -> tuple[float, float, float]:
    """Median, least and largest of the ratio of two times, round by round."""
    ratios = [a / b for a, b in zip(one.seconds, other.seconds, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _rows(manifest: Manifest, size: int) -> TrainingRows:
    images = open_cache(manifest, size).images
    slices = tuple(record.slice_id for record in manifest)
    return TrainingRows(images, manifest.labels(), slices, np.arange(len(manifest)))


def _phantoms(folder: Path, images: int) -> Path:
    print(f"drawing {images} phantoms of 512 pixels ...", flush=True)
    list(write_phantoms(folder, images, size=512))
    return folder


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, help="a manifest or a folder of images; drawn phantoms if left out")
    add("--images", type=int, default=640, help="how many images are used (default: 640)")
    add("--recipe", default="efficientnet-lite0")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting, as train has it; many times",
    )
    add("--threads", type=int, default=2)
    add("--steps", type=int, default=20, help="steps a round on the ready batch (default: 20)")
    add("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
