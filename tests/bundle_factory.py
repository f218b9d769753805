"""A small real bundle for tests, built with ``onnx.helper``: one convolution, all five outputs, a valid card.

The network looks at the mean brightness of the four quadrants of the head, so that a test can make an image
of the class it wants: the brightest quadrant answers (top left glioma, top right meningioma, bottom left no
tumour, bottom right pituitary tumour).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tumorscope.core.card import CARD_KEY, DataProvenance, Figure, Measured, ModelCard, Thresholds
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import PREPROCESSING

SIZE = 64
CELLS = 4  # the heat-map is 4 x 4, at stride 16
GAIN = 8.0
BIAS = (0.1, 0.0, -0.1, 0.0)
TEMPERATURE = 1.5
NOVELTY_LIMIT = 2.2  # what is bright all over is above it
Quadrants = tuple[int, int, int, int]


def make_card(**changes: Any) -> ModelCard:
    """Give a valid card, with changes."""
    values: dict[str, Any] = {
        "name": "quadrants",
        "version": "1.0.0",
        "created": "2026-01-01T00:00:00Z",
        "class_order": tuple(key.value for key in CLASS_ORDER),
        "input_size": SIZE,
        "preprocessing": PREPROCESSING,
        "heatmap_kind": "class-activation",
        "heatmap_stride": SIZE // CELLS,
        "architecture": "quadrants",
        "recipe": "none",
        "configuration": {"epochs": 0},
        "configuration_sha256": "0" * 64,
        "initial_weights": "made by hand",
        "temperature": TEMPERATURE,
        "thresholds": Thresholds(
            conformal={"0.90": (0.3, 0.3, 0.3, 0.3), "0.95": (0.5, 0.5, 0.5, 0.5)},
            novelty_limit=NOVELTY_LIMIT,
            novelty_false_rejection=0.05,
        ),
        "data": DataProvenance(
            manifest_sha256="0" * 64,
            protocol="made by hand",
            images=8,
            slices=4,
            groups=4,
            patients=0,
            calibration_images=2,
            calibration_groups=2,
            images_by_class={key.value: 2 for key in CLASS_ORDER},
            sources={"made": 8},
            licence="Apache-2.0",
            image_sha256_prefixes=("00000000",),
        ),
        "evaluation": (
            Measured(
                protocol="made by hand",
                images=8,
                slices=4,
                groups=4,
                patients=0,
                figures={"accuracy": Figure(value=0.75, low=0.5, high=1.0)},
                confusion=((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (1.0, 0, 0, 0)),
                command="none",
            ),
        ),
        "intended_use": "Tests.",
        "limits": ("It only compares the brightness of quadrants.",),
        "licences": {"weights": "Apache-2.0"},
        "versions": {"tumorscope": "0"},
    }
    return ModelCard(**(values | changes))


def make_model(card: ModelCard | None = None, *, card_text: str | None = None) -> onnx.ModelProto:
    """Build the model; ``card_text`` replaces the card's JSON, an empty one leaves it out."""
    cell = SIZE // CELLS
    kernel = np.full((1, 1, cell, cell), 1.0 / (255.0 * cell * cell), dtype=np.float32)
    quadrants = np.zeros((1, 4, CELLS, CELLS), dtype=np.float32)
    half = CELLS // 2
    for k in range(4):
        row, column = divmod(k, 2)
        quadrants[0, k, row * half : (row + 1) * half, column * half : (column + 1) * half] = GAIN / half**2
    constants: dict[str, NDArray[Any]] = {
        "kernel": kernel,
        "quadrants": quadrants,
        "bias": np.array([BIAS], dtype=np.float32),
        "temperature": np.array(TEMPERATURE, dtype=np.float32),
        "channel": np.array([1], dtype=np.int64),
        "space": np.array([2, 3], dtype=np.int64),
        "last": np.array([1], dtype=np.int64),
        "flat": np.array([0, -1], dtype=np.int64),
        "centre": np.full((1, CELLS * CELLS), 0.3, dtype=np.float32),
        "whitening": np.eye(CELLS * CELLS, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "channel"], ["gray"]),
        helper.make_node("Conv", ["gray", "kernel"], ["features"], strides=[cell, cell]),
        helper.make_node("Mul", ["features", "quadrants"], ["heatmap"]),
        helper.make_node("ReduceSum", ["heatmap", "space"], ["evidence"], keepdims=0),
        helper.make_node("Add", ["evidence", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=1),
        helper.make_node("Reshape", ["features", "flat"], ["embedding"]),
        helper.make_node("Sub", ["embedding", "centre"], ["away"]),
        helper.make_node("MatMul", ["away", "whitening"], ["white"]),
        helper.make_node("ReduceL2", ["white", "last"], ["novelty"], keepdims=0),
    ]
    outputs: dict[str, list[str | int | None]] = {
        "logits": ["N", 4],
        "probabilities": ["N", 4],
        "heatmap": ["N", 4, CELLS, CELLS],
        "embedding": ["N", CELLS * CELLS],
        "novelty": ["N"],
    }
    graph = helper.make_graph(
        nodes,
        "quadrants",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE])],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    text = (card or make_card()).model_dump_json() if card_text is None else card_text
    if text:
        helper.set_model_props(model, {CARD_KEY: text})
    return model


def head_image(quadrants: Quadrants, side: int = 96) -> NDArray[np.uint8]:
    """Draw an image whose four quadrants have these gray levels, on black."""
    image = np.zeros((side + 20, side + 10), dtype=np.uint8)
    half = side // 2
    for k, level in enumerate(quadrants):
        row, column = divmod(k, 2)
        image[10 + row * half : 10 + (row + 1) * half, 5 + column * half : 5 + (column + 1) * half] = level
    return image


def class_image(k: int, side: int = 96) -> NDArray[np.uint8]:
    """Draw an image that the bundle answers with class ``k``."""
    levels = [60, 70, 80, 65]
    levels[k] = 240
    return head_image((levels[0], levels[1], levels[2], levels[3]), side)


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the small bundle to a file."""
    path = tmp_path_factory.mktemp("bundle") / "quadrants.onnx"
    path.write_bytes(make_model().SerializeToString())
    return path


@pytest.fixture
def class_png(tmp_path: Path) -> Callable[[int], Path]:
    """Write an image of class ``k`` as PNG and give its path."""

    def write(k: int) -> Path:
        path = tmp_path / f"{CLASS_ORDER[k].value}.png"
        Image.fromarray(class_image(k)).save(path)
        return path

    return write
