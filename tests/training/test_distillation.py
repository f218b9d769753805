"""A student learns what its teachers say of the image it sees, and a resumed one learns the same."""

from __future__ import annotations

from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from fit_once import rows
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.models.network import NetworkOutput, SliceNetwork, build_network
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.distillation import Teaching, map_loss, soft_label_loss
from tumorscope.training.distillation_config import Distillation
from tumorscope.training.fit import fit
from tumorscope.training.module import as_input

SETTINGS = ("epochs=2", "image_size=32", "batch_size=8", "precision=32", "threads=1", "learning_rate=0.003")
TAUGHT = ("distillation.weight=0.5", "distillation.heatmap=0.5")


def _teacher(seed: int, architecture: str = "light-cnn", size: int = 32) -> tuple[SliceNetwork, int]:
    torch.manual_seed(seed)
    network = build_network(architecture, size).eval()
    with torch.no_grad():
        network.bias.copy_(torch.randn(4))
    return network, size


def _teaching() -> Teaching:
    return Teaching([lambda: _teacher(1), lambda: _teacher(2, "deep-cnn", 64)])


def _config(*more: str) -> TrainingConfig:
    return configure("light-cnn", [*SETTINGS, *more])


class TestLosses:
    def test_soft_labels_are_the_scaled_divergence(self) -> None:
        rng = np.random.default_rng(0)
        student, teacher = rng.normal(size=(5, 4)) * 3, rng.normal(size=(5, 4)) * 3
        for temperature in (1.0, 2.5):
            p, q = (
                np.exp(values / temperature) / np.exp(values / temperature).sum(axis=1, keepdims=True)
                for values in (teacher, student)
            )
            expected = temperature**2 * (p * np.log(p / q)).sum(axis=1)
            found = soft_label_loss(torch.tensor(student), torch.tensor(teacher), temperature)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
        same = soft_label_loss(torch.tensor(teacher), torch.tensor(teacher) + 7.0, 2.0)
        assert same.abs().max() < 1e-12

    def test_maps_agree_by_where_not_by_how_much(self) -> None:
        maps = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert map_loss(maps, 6 * maps + 1).abs().max() < 1e-9
        # What is the same for all classes no softmax sees.
        assert map_loss(maps, maps + torch.randn(3, 1, 5, 5, dtype=torch.float64)).abs().max() < 1e-9
        assert (map_loss(maps, -maps) - 2).abs().max() < 1e-9
        assert map_loss(maps, maps.roll(1, dims=3)).min() > 0.1

    def test_the_weight_divides_the_loss_and_an_image_of_weight_0_teaches_nothing(self) -> None:
        teaching = _teaching()
        images = as_input(torch.from_numpy(rows(1).images[:3]))
        network, _ = _teacher(5)
        output: NetworkOutput = network(images)
        hard = torch.tensor(2.0)
        logits, _ = teaching.answer(images, 4)
        soft = soft_label_loss(output.logits, logits, 2.0)
        found = teaching.loss(Distillation(weight=0.25), images, output, hard)
        torch.testing.assert_close(found, 0.75 * hard + 0.25 * soft.mean())
        weights = torch.tensor([1.0, 0.0, 0.5])
        found = teaching.loss(Distillation(weight=1.0), images, output, hard, weights)
        torch.testing.assert_close(found, (soft[0] + 0.5 * soft[2]) / 3)


def test_several_teachers_answer_with_their_mean_at_their_own_sizes() -> None:
    images = as_input(torch.from_numpy(rows(1).images[:3]))
    logits, maps = _teaching().answer(images, 4)
    larger = torch.nn.functional.interpolate(images, size=(64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        one, other = _teacher(1)[0](images), _teacher(2, "deep-cnn", 64)[0](larger)
    # Another order of memory, another order of sums.
    torch.testing.assert_close(logits, (one.logits + other.logits) / 2, atol=1e-4, rtol=1e-4)
    assert maps.shape == (3, 4, 4, 4)
    sums = (one.evidence.sum(dim=(2, 3)) + other.evidence.sum(dim=(2, 3))) / 2
    torch.testing.assert_close(maps.sum(dim=(2, 3)), sums, atol=1e-4, rtol=1e-4)
    assert not logits.requires_grad


def test_teachers_and_settings_go_together(tmp_path: Path) -> None:
    data = rows(2)
    with pytest.raises(InvalidConfiguration, match=r"distillation.weight is 0.5 .* no teacher is named"):
        fit(_config("distillation.weight=0.5"), data, data, tmp_path / "alone", progress=False)
    with pytest.raises(InvalidConfiguration, match=r"distillation.heatmap are 0; set one of them"):
        fit(_config(), data, data, tmp_path / "idle", progress=False, teaching=_teaching())
    assert list(tmp_path.iterdir()) == []


class _StopAfter(Callback):
    """Ends a fit as a lost machine would, after a checkpoint in mid-epoch."""

    def __init__(self, step: int, checkpoint: Path) -> None:
        self._step, self._checkpoint = step, checkpoint

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.global_step == self._step:
            trainer.save_checkpoint(self._checkpoint)
            raise _LostError


class _LostError(Exception):
    pass


def test_a_resumed_student_is_bit_identical(tmp_path: Path) -> None:
    data, config = rows(8), _config(*TAUGHT)
    whole, broken, untaught = (tmp_path / name for name in ("whole", "broken", "untaught"))
    fit(config, data, data, whole, progress=False, teaching=_teaching())
    with pytest.raises(_LostError):
        fit(
            config,
            data,
            data,
            broken,
            progress=False,
            callbacks=[_StopAfter(6, broken / "last.ckpt")],
            teaching=_teaching(),
        )
    kept = torch.load(broken / "last.ckpt", map_location="cpu", weights_only=True)
    assert kept["global_step"] == 6  # of 4 an epoch
    assert not any("teach" in name for name in kept["state_dict"])
    fit(config, data, data, broken, progress=False, teaching=_teaching())
    fit(_config(), data, data, untaught, progress=False)
    expected, resumed, other = (
        load_file(folder / "weights.safetensors") for folder in (whole, broken, untaught)
    )
    assert expected.keys() == resumed.keys() == other.keys()
    assert [name for name in expected if not torch.equal(expected[name], resumed[name])] == []
    assert not torch.equal(expected["head.last.weight"], other["head.last.weight"])


def test_a_student_comes_nearer_to_its_teacher(tmp_path: Path) -> None:
    data = rows(8)
    images = as_input(torch.from_numpy(data.images))
    teaching = _teaching()
    wanted, maps = teaching.answer(images, 4)
    settings = ("epochs=8", "augmentation.rotation=0", "distillation.heatmap=1", "ema_decay=0")

    def away(weight: str) -> tuple[float, float]:
        config = _config(*settings, f"distillation.weight={weight}")
        network = fit(config, data, data, tmp_path / weight, progress=False, teaching=_teaching())
        with torch.no_grad():
            output = network(images)
        return (
            float(soft_label_loss(output.logits, wanted, 2.0).mean()),
            float(map_loss(output.evidence, maps).mean()),
        )

    taught, told = away("1.0"), away("0.0")
    assert taught[0] < 0.5 * told[0]
    torch.manual_seed(3)
    with torch.no_grad():
        start = float(map_loss(build_network("light-cnn", 32).eval()(images).evidence, maps).mean())
    assert max(taught[1], told[1]) < 0.95 * start
