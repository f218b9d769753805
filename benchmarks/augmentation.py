"""What augmentation costs: milliseconds an image on one thread, by operation and by preset.

Each operation is made certain, in the range of the preset ``strong``, and timed on whole batches as training has them;
what all of them pay, the resampling by an identity grid and the draws, is the row ``geometry and tone at rest``.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np
import torch
from timing import machine, report, side_by_side

from tumorscope.augmentation.batch import augment_batch
from tumorscope.augmentation.families import FAMILIES, alone
from tumorscope.augmentation.presets import PRESETS
from tumorscope.augmentation.settings import Augmentation
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom


def batch(count: int, size: int) -> torch.Tensor:
    kinds = [preprocess(make_phantom(label, 0).pixels, size) for label in CLASS_ORDER]
    images = np.stack([kinds[k % len(kinds)] for k in range(count)])
    return torch.from_numpy(images).unsqueeze(1).float() / 255


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=160, help="side in pixels (default: 160)")
    parser.add_argument("--batch", type=int, default=32, help="images a batch (default: 32)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = batch(options.batch, options.size)
    generator = torch.Generator().manual_seed(0)
    strong = Augmentation(preset="strong")
    settings = {f"preset {name}": Augmentation.model_validate({"preset": name}) for name in PRESETS}
    settings["geometry and tone at rest"] = Augmentation.model_validate({"preset": "none", "flip": 1e-9})
    for family, operations in FAMILIES.items():
        settings |= {f"{family}: {name}": alone(strong, name) for name in operations}

    def timed(chosen: Augmentation) -> float:
        start = time.perf_counter()
        augment_batch(images, chosen, generator)
        return (time.perf_counter() - start) / len(images)

    times = side_by_side(
        {name: partial(timed, chosen) for name, chosen in settings.items()},
        rounds=options.rounds,
        warm_up=2,
    )
    print(f"{machine()}, torch {torch.__version__}, {options.threads} thread(s)")
    print(f"batches of {options.batch} images, {options.size} pixels a side; times are for one image")
    report(times)


if __name__ == "__main__":
    main()
