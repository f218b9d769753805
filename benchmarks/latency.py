"""How long a warm answer takes, against the work that nobody can avoid.

Three things are timed side by side in one process, on the same file:

- *decode and resize*: PIL opens the file, makes it gray and resizes it to the network's input;
- *bare run*: the very session that the classifier uses runs on a ready tensor;
- *answer*: ``Classifier.predict(path)``, from the file to the :class:`~tumorscope.Prediction`.

The figure is the median of the third over the sum of the medians of the first two. With ``--with-keras`` (or
``--keras-venv DIR``) a fourth is timed in turn, in a Python environment of its own: a Keras VGG-16 of 224 pixels
with four classes under tensorflow-cpu, used as the original studies on this data use it (``load_img``,
``img_to_array``, division by 255, ``model.predict``). Its weights are random, which takes no less time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from timing import machine, report, side_by_side

from tumorscope import load
from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis.phantom import make_phantom

TARGET = 1.25
PEER_TARGET = 20.0
SIDE = 512

KERAS = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
path, threads = sys.argv[1], int(sys.argv[2])
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
from tensorflow.keras.applications import VGG16
from tensorflow.keras.layers import Dense, Dropout, Flatten
from tensorflow.keras.models import Sequential
from tensorflow.keras.utils import img_to_array, load_img
base = VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
model = Sequential([base, Flatten(), Dropout(0.3), Dense(128, activation="relu"), Dense(4, activation="softmax")])
print("ready", tf.__version__, flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    image = img_to_array(load_img(path, target_size=(224, 224))) / 255.0
    answer = model.predict(np.expand_dims(image, 0), verbose=0)
    int(answer.argmax())
    print(time.perf_counter() - start, flush=True)
"""


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = options.image or _phantom(folder / "phantom.png")
        classifier = load(options.model, threads=options.threads)
        size = classifier.facts.input_size
        outputs = ("probabilities", "novelty")

        def decode() -> None:
            with Image.open(path) as image:
                np.asarray(image.convert("L").resize((size, size), Image.Resampling.BILINEAR))

        with Image.open(path) as image:
            shape = f"{image.width} x {image.height} {image.format}"
            ready = np.asarray(image.convert("L").resize((size, size), Image.Resampling.BILINEAR))[None]

        def bare_run() -> None:
            classifier.session.run(ready, outputs)

        def answer() -> None:
            classifier.predict(path)

        things: dict[str, Callable[[], float | None]] = {
            "decode and resize": decode,
            "bare run": bare_run,
            "answer": answer,
        }
        print(
            f"{classifier.facts.label}, {size} px, {options.threads} threads, one {shape} file, {machine()}"
        )
        if options.with_keras or options.keras_venv:
            environment = options.keras_venv or folder / "keras"
            peer = stack.enter_context(_keras(environment, path, options.threads))
            # The peer gets as many rounds as it takes to know a time ten times larger.
            times = side_by_side(things | {"Keras VGG-16": peer}, rounds=options.peer_rounds, warm_up=3)
            report(times)
            faster = times["Keras VGG-16"].median / times["answer"].median
            print(f"times faster than Keras VGG-16: {faster:.1f} (target: at least {PEER_TARGET:g})\n")
        times = side_by_side(things, rounds=options.rounds, warm_up=20)
        report(times)
        ratio = times["answer"].median / (times["decode and resize"].median + times["bare run"].median)
        print(f"answer over bare work: {ratio:.3f} (target: at most {TARGET:g})")
    return 0 if ratio <= TARGET or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--image", type=Path, help="the file; a drawn 512 x 512 PNG if left out")
    add("--model", type=Path, help="the bundle; the one that ships with tumorscope if left out")
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=1000)
    add(
        "--with-keras", action="store_true", help="time the peer too; its environment is made and thrown away"
    )
    add("--keras-venv", type=Path, metavar="DIR", help="as --with-keras, keeping the environment here")
    add("--peer-rounds", type=int, default=40)
    add("--check", action="store_true", help="fail where the target is missed")
    return parser.parse_args()


@contextmanager
def _keras(environment: Path, path: Path, threads: int) -> Iterator[Callable[[], float]]:
    """Start the peer and give what makes it answer once; the peer times itself, without the pipe."""
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        print("making an environment with tensorflow-cpu ...", flush=True)
        venv.create(environment, with_pip=True)
        install = [os.fspath(python), "-m", "pip", "install", "--quiet", "tensorflow-cpu", "pillow"]
        subprocess.run(install, check=True)
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [os.fspath(python), "-c", KERAS, os.fspath(path), str(threads)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=quiet,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError
        greeting = process.stdout.readline().split()
        if greeting[:1] != ["ready"]:
            raise SystemExit("Keras did not start; try its environment by hand")
        print(f"peer: tensorflow-cpu {greeting[1]}", flush=True)
        stdin, stdout = process.stdin, process.stdout

        def once() -> float:
            stdin.write("go\n")
            stdin.flush()
            return float(stdout.readline())

        yield once
        stdin.close()


def _phantom(path: Path) -> Path:
    Image.fromarray(make_phantom(Diagnosis.MENINGIOMA, 0, SIDE).pixels).save(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
