"""Weights that are kept in 16 bits: a smaller file with the same answers."""

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
from tumorscope.export.half import HALF_TOLERANCE, with_half_weights
from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.classifier import load
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom


def _answers(path: Path) -> dict[str, NDArray[np.float32]]:
    images = np.stack([preprocess(make_phantom(name, 40).pixels, SIZE) for name in CLASS_ORDER])
    return dict(zip(OUTPUTS, load(path, threads=1).session.run(images, OUTPUTS), strict=True))


def test_a_bundle_of_half_the_size_answers_the_same(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, half = tiny_run.out / "bundle.onnx", tmp_path / "half.onnx"
    assert run(["export", str(tiny_run.out), "--out", str(half), "--half"]) == 0
    assert half.stat().st_size < 0.55 * full.stat().st_size
    before, after = _answers(full), _answers(half)
    for name in OUTPUTS:
        np.testing.assert_allclose(after[name], before[name], atol=HALF_TOLERANCE, rtol=0.01, err_msg=name)
    assert any((before[name] != after[name]).any() for name in OUTPUTS)  # something was rounded
    capsys.readouterr()
    assert run(["info", str(half)]) == 0
    assert "float16" in capsys.readouterr().out
    assert run(["info", str(full)]) == 0
    assert "float16" not in capsys.readouterr().out


def test_the_map_still_sums_to_the_logit(tiny_run: TinyRun, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    half.write_bytes(with_half_weights((tiny_run.out / "bundle.onnx").read_bytes(), SIZE))
    said = _answers(half)
    constant = said["logits"] - said["heatmap"].sum(axis=(2, 3))
    np.testing.assert_allclose(constant, np.broadcast_to(constant[:1], constant.shape), atol=1e-4)


def test_an_ensemble_of_two_is_as_large_as_one(tiny_run: TinyRun, student_run: Path, tmp_path: Path) -> None:
    members, out = [tiny_run.out, student_run], tmp_path / "both.onnx"
    assert run(["ensemble", *map(str, members), "--out", str(out), "--half"]) == 0
    assert out.stat().st_size < 0.55 * sum((each / "bundle.onnx").stat().st_size for each in members)
    card = load(out).card
    assert card.weight_type == "float16"
    assert card.ensemble is not None
    assert abs(card.ensemble.graph_bytes - out.stat().st_size) < 100_000
    mean = np.mean([_answers(each / "bundle.onnx")["logits"] for each in members], axis=0)
    np.testing.assert_allclose(_answers(out)["logits"], mean, atol=0.02)


def test_norms_and_calibration_stay_exact_and_twice_is_once(tiny_run: TinyRun) -> None:
    content = (tiny_run.out / "bundle.onnx").read_bytes()
    once = with_half_weights(content, SIZE)
    kept = {
        tensor.name: tensor.raw_data
        for tensor in onnx.load_model_from_string(content).graph.initializer
        if math.prod(tensor.dims) < 1024
    }
    after = {tensor.name: tensor.raw_data for tensor in onnx.load_model_from_string(once).graph.initializer}
    assert kept
    assert kept.items() <= after.items()
    assert with_half_weights(once, SIZE) == once


def test_weights_beyond_the_range_of_16_bits_are_refused(tiny_run: TinyRun) -> None:
    model = onnx.load_model_from_string((tiny_run.out / "bundle.onnx").read_bytes())
    large = max(model.graph.initializer, key=lambda tensor: math.prod(tensor.dims))
    large.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(large) * 1e9, large.name))
    with pytest.raises(ParityError, match="without --half") as caught:
        with_half_weights(model.SerializeToString(), SIZE)
    assert "\n" not in str(caught.value)
