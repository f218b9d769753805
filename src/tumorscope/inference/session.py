"""ONNX Runtime, kept at arm's length.

Owns the options a session runs with: quiet, deterministic, no telemetry, on the processor unless a GPU is
asked for; and how many images are shared out over the processors. The only module of the project that imports
:mod:`onnxruntime`. Knows nothing of cards and images.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidBundle, InvalidConfiguration
from tumorscope.inference.bundle import INPUT, OUTPUTS, BundleBytes

__all__ = ["Device", "Session", "available_threads"]

_CPU = "CPUExecutionProvider"
_FATAL = 4
_TOLERANCE = 1e-3
_PIECE = 4
"""Images in one run of one processor: with many more, the values between two layers leave its cache."""
_MANY = 128
"""Images after which sharing out has paid for the second copy of the graph that it takes."""


class Device(StrEnum):
    """Where a session computes."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


class Session:
    """One bundle, ready to run. Safe to share between threads.

    A single image is answered soonest when every operator of the graph is divided among the threads. Of many images
    most are answered in a second when each thread takes some of them through the whole graph, since no thread waits
    for another; after the first hundred or so that is what happens to batches with an image for every thread.

    Parameters
    ----------
    bundle
        Bytes that passed their checks.
    threads
        Threads inside one operator, at least 1; all processors this process may use for ``None``.
    device
        ``cpu``, ``cuda``, or ``auto`` for CUDA where ONNX Runtime has it and the processor elsewhere.

    Raises
    ------
    InvalidBundle
        If ONNX Runtime cannot make a session of the bytes.
    InvalidConfiguration
        If ``threads`` is not positive or CUDA was asked for and is not there.
    """

    def __init__(
        self, bundle: BundleBytes, *, threads: int | None = None, device: Device = Device.CPU
    ) -> None:
        self._bundle = bundle
        self._threads = _checked(threads)
        self._session = _open(bundle, self._threads, _providers(device))
        self._answered = 0
        self._lock = threading.Lock()
        self._shared: tuple[Any, ThreadPoolExecutor] | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The ``metadata_props`` of the file."""
        properties: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return properties

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, first choice first."""
        return tuple(self._session.get_providers())

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run the graph.

        Parameters
        ----------
        images
            ``uint8 [N, S, S]``.
        outputs
            Names out of :data:`~tumorscope.inference.bundle.OUTPUTS`; only what they need is computed.

        Raises
        ------
        InvalidBundle
            If the graph fails on a valid input.
        """
        self._answered += len(images)
        if len(images) < max(self._threads, 2) or self._answered <= _MANY or self.providers[0] != _CPU:
            return self._call(self._session, images, outputs)
        side = min(_PIECE, -(-len(images) // self._threads))
        pieces = [images[at : at + side] for at in range(0, len(images), side)]
        narrow, workers = self._crew()
        answers = workers.map(lambda piece: self._call(narrow, piece, outputs), pieces)
        return [np.concatenate(part) for part in zip(*answers, strict=True)]

    def _crew(self) -> tuple[Any, ThreadPoolExecutor]:
        """The graph again, each run of it on the thread that asks, and the threads that ask."""
        with self._lock:
            if self._shared is None:
                narrow = self._session if self._threads == 1 else _open(self._bundle, 1, [_CPU])
                self._shared = narrow, ThreadPoolExecutor(self._threads, thread_name_prefix="session")
            return self._shared

    def _call(
        self, session: Any, images: NDArray[np.uint8], outputs: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        try:
            results: list[Any] = session.run(list(outputs), {INPUT: images})
        except Exception as error:
            # Boundary to ONNX Runtime, whose errors share no base but Exception.
            raise InvalidBundle(
                f"{self._bundle.name}: the model failed while it ran ({_first_line(error)})"
            ) from error
        return results

    def probe(self, size: int) -> None:
        """Run a stranger's graph once on two made images and compare what comes out with what was promised.

        Raises
        ------
        InvalidBundle
            If a shape is wrong, a value is not finite, or probabilities do not sum to 1.
        """
        ramp = np.linspace(0, 255, size * size).astype(np.uint8).reshape(size, size)
        results = dict(zip(OUTPUTS, self.run(np.stack([ramp, ramp.T]), OUTPUTS), strict=True))
        heatmap = results["heatmap"]
        shapes = {
            "logits": (2, 4),
            "probabilities": (2, 4),
            "heatmap": (2, 4, *heatmap.shape[2:4]),
            "embedding": (2, *results["embedding"].shape[1:2]),
            "novelty": (2,),
        }
        for key, result in results.items():
            if result.shape != shapes[key]:
                raise InvalidBundle(
                    f"{self._bundle.name}: for two images its output {key!r} has the shape {list(result.shape)}; "
                    f"{list(shapes[key])} was expected"
                )
            if not np.isfinite(result).all():
                raise InvalidBundle(
                    f"{self._bundle.name}: its output {key!r} is not finite on a plain test image"
                )
        probabilities = results["probabilities"]
        if probabilities.min() < 0 or abs(probabilities.sum(axis=1) - 1.0).max() > _TOLERANCE:
            raise InvalidBundle(
                f"{self._bundle.name}: its probabilities do not sum to 1 on a plain test image"
            )


def available_threads() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked(threads: int | None) -> int:
    if threads is not None and threads < 1:
        raise InvalidConfiguration(f"threads is {threads}; a whole number from 1 on is expected")
    # A number that is always given keeps ONNX Runtime from pinning threads to cores that a container lacks.
    return threads or available_threads()


def _open(bundle: BundleBytes, threads: int, providers: list[str]) -> Any:
    try:
        return ort.InferenceSession(bundle.content, sess_options=_options(threads), providers=providers)
    except Exception as error:
        # Boundary to ONNX Runtime, whose errors share no base but Exception.
        raise InvalidBundle(
            f"{bundle.name}: ONNX Runtime {ort.__version__} cannot run this model ({_first_line(error)})"
        ) from error


def _options(threads: int) -> Any:
    ort.disable_telemetry_events()
    ort.set_default_logger_severity(_FATAL)
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.use_deterministic_compute = True
    return options


def _providers(device: Device) -> list[str]:
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device is Device.CUDA and not has_cuda:
        raise InvalidConfiguration(
            "the device cuda was asked for, but this ONNX Runtime has no CUDA; "
            "install onnxruntime-gpu in place of onnxruntime, or use --device cpu"
        )
    if device is Device.CPU or not has_cuda:
        return [_CPU]
    return ["CUDAExecutionProvider", _CPU]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
