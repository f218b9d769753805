"""Weights that are kept in 16 or 8 bits: a smaller file with the same answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tiny_run import SIZE, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.errors import ParityError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.weight_type import WeightType
from tumorscope.export.weight_storage import TOLERANCES, stored_as
from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.classifier import load
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom


def _answers(path: Path) -> dict[str, NDArray[np.float32]]:
    images = np.stack([preprocess(make_phantom(name, 40).pixels, SIZE) for name in CLASS_ORDER])
    return dict(zip(OUTPUTS, load(path, threads=1).session.run(images, OUTPUTS), strict=True))


@pytest.mark.parametrize(("kind", "share"), [(WeightType.FLOAT16, 0.55), (WeightType.INT8, 0.36)])
def test_a_smaller_bundle_answers_the_same(
    kind: WeightType, share: float, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, small = tiny_run.out / "bundle.onnx", tmp_path / "small.onnx"
    assert run(["export", str(tiny_run.out), "--out", str(small), "--weight-type", kind]) == 0
    assert small.stat().st_size < share * full.stat().st_size
    before, after = _answers(full), _answers(small)
    for name in OUTPUTS:
        np.testing.assert_allclose(
            after[name], before[name], atol=TOLERANCES[kind], rtol=TOLERANCES[kind], err_msg=name
        )
    assert any((before[name] != after[name]).any() for name in OUTPUTS)  # something was rounded
    capsys.readouterr()
    assert run(["info", str(small)]) == 0
    assert f"kept in {kind}" in capsys.readouterr().out
    assert run(["info", str(full)]) == 0
    assert "float16" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", [WeightType.FLOAT16, WeightType.INT8])
def test_the_map_still_sums_to_the_logit(kind: WeightType, tiny_run: TinyRun, tmp_path: Path) -> None:
    small = tmp_path / "small.onnx"
    small.write_bytes(stored_as(kind, (tiny_run.out / "bundle.onnx").read_bytes(), SIZE))
    said = _answers(small)
    constant = said["logits"] - said["heatmap"].sum(axis=(2, 3))
    np.testing.assert_allclose(constant, np.broadcast_to(constant[:1], constant.shape), atol=1e-4)


def test_an_ensemble_of_two_is_as_large_as_one(tiny_run: TinyRun, student_run: Path, tmp_path: Path) -> None:
    members, out = [tiny_run.out, student_run], tmp_path / "both.onnx"
    assert run(["ensemble", *map(str, members), "--out", str(out), "--weight-type", "float16"]) == 0
    assert out.stat().st_size < 0.55 * sum((each / "bundle.onnx").stat().st_size for each in members)
    card = load(out).card
    assert card.weight_type == "float16"
    assert card.ensemble is not None
    assert abs(card.ensemble.graph_bytes - out.stat().st_size) < 100_000
    mean = np.mean([_answers(each / "bundle.onnx")["logits"] for each in members], axis=0)
    np.testing.assert_allclose(_answers(out)["logits"], mean, atol=0.02)


@pytest.mark.parametrize("kind", list(WeightType))
def test_norms_and_calibration_stay_exact_and_twice_is_once(tiny_run: TinyRun, kind: WeightType) -> None:
    content = (tiny_run.out / "bundle.onnx").read_bytes()
    once = stored_as(kind, content, SIZE)
    kept = {
        tensor.name: tensor.raw_data
        for tensor in onnx.load_model_from_string(content).graph.initializer
        if math.prod(tensor.dims) < 1024
    }
    after = {tensor.name: tensor.raw_data for tensor in onnx.load_model_from_string(once).graph.initializer}
    assert kept
    assert kept.items() <= after.items()
    assert stored_as(kind, once, SIZE) == once


def test_weights_beyond_the_range_of_16_bits_are_refused(tiny_run: TinyRun) -> None:
    model = onnx.load_model_from_string((tiny_run.out / "bundle.onnx").read_bytes())
    large = max(model.graph.initializer, key=lambda tensor: math.prod(tensor.dims))
    large.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(large) * 1e9, large.name))
    with pytest.raises(ParityError, match=r"write the bundle with --weight-type float32$") as caught:
        stored_as(WeightType.FLOAT16, model.SerializeToString(), SIZE)
    assert "\n" not in str(caught.value)
