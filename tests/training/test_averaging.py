"""The mean of several networks' weights, and the run that is made of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fit_once import rows
from safetensors.torch import load_file, save_file

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.export.card import made_from
from tumorscope.models.network import build_network
from tumorscope.training.averaging import batches_of_an_epoch, mean_weights, measure_norms
from tumorscope.training.config import configure
from tumorscope.training.folder import INITIAL_WEIGHTS, WEIGHTS, open_run, start_run
from tumorscope.training.forebear_record import record_forebears
from tumorscope.training.making import Averaging, Training
from tumorscope.training.members import open_members
from tumorscope.training.module import as_input
from tumorscope.training.run import cross_fit, final_fit, load_images


class TestMean:
    def test_weights_are_averaged_and_counters_are_not(self, tmp_path: Path) -> None:
        tensors = [
            {"weight": torch.tensor([1.0, 2.0]), "tracked": torch.tensor(7)},
            {"weight": torch.tensor([3.0, 8.0]), "tracked": torch.tensor(9)},
        ]
        for name, tensor in zip("ab", tensors, strict=True):
            (tmp_path / name).mkdir()
            save_file(tensor, tmp_path / name / WEIGHTS)
        mean = mean_weights([tmp_path / "a", tmp_path / "b"])
        assert mean["weight"].tolist() == [2.0, 5.0]
        assert mean["weight"].dtype == torch.float32
        assert mean["tracked"].item() == 7

    def test_norms_know_the_images_that_they_are_measured_on(self) -> None:
        torch.manual_seed(0)
        network = build_network("deep-cnn", 32).eval()
        batch = as_input(torch.from_numpy(rows(8).images[:24]))
        parts = dict(network.named_modules())
        convolution, norm = parts["backbone.blocks.0.0"], parts["backbone.blocks.0.1"]
        assert isinstance(norm, torch.nn.BatchNorm2d)
        momentum, before = norm.momentum, network(batch).logits
        measure_norms(network, [batch, batch.flip(3)])
        seen = convolution(batch * 2 - 1)
        torch.testing.assert_close(norm.running_mean, seen.mean(dim=(0, 2, 3)), rtol=1e-2, atol=1e-3)
        torch.testing.assert_close(norm.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-2, atol=1e-3)
        assert not any(part.training for part in network.modules())
        assert norm.momentum == momentum
        assert not torch.allclose(network(batch).logits, before)

    def test_a_network_without_norms_stays_as_it_is(self) -> None:
        network = build_network("light-cnn", 32)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        measure_norms(network, [as_input(torch.from_numpy(rows(2).images))])
        torch.testing.assert_close(network.state_dict(), before)

    def test_the_images_are_those_of_an_epoch_and_the_same_again(self) -> None:
        config, data = configure("light-cnn", ["image_size=32", "batch_size=8"]), rows(8)
        first, again = (list(batches_of_an_epoch(config, data)) for _ in range(2))
        torch.testing.assert_close(first, again)
        assert sum(len(batch) for batch in first) == data.distinct
        plain = list(
            batches_of_an_epoch(configure("light-cnn", ["image_size=32", "augmentation.preset=none"]), data)
        )
        assert {image.numpy().tobytes() for batch in plain for image in batch} <= {
            image.numpy().tobytes() for image in as_input(torch.from_numpy(data.images))
        }


@pytest.fixture(scope="module")
def data(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms of the tiny run in two folds."""
    folds = read_predictions(tiny_run.out).folds
    assert folds is not None
    manifest = read_manifest(tiny_run.data)
    half = [replace(row, fold=1 + int(fold) % 2) for row, fold in zip(manifest, folds, strict=True)]
    path = tmp_path_factory.mktemp("halves") / "data.csv"
    write_manifest(Manifest(tuple(half), manifest.root), path)
    return path


@pytest.fixture(scope="module")
def members(tiny_run: TinyRun, data: Path) -> tuple[Path, Path]:
    """Two runs that began with the same ImageNet weights."""
    folder = data.parent
    at = TINY.index("pretrained=false")
    settings = (*TINY[: at - 1], *TINY[at + 1 :])
    outs = folder / "first", folder / "second"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        for seed, out in enumerate(outs):
            command = ["train", "--data", str(data), "--out", str(out), *settings, "--set", f"seed={seed}"]
            command += ["--set", "image_size=64"]
            assert run([*command, "--folds"]) == 0
            assert run(command) == 0
    return outs


def _command(data: Path, out: Path, *members: Path) -> list[str]:
    named = [word for member in members for word in ("--average", str(member))]
    return ["train", "--data", str(data), "--out", str(out), *named, "--no-progress"]


class TestRun:
    """Without the export: networks of a few steps are too rough for its tolerance."""

    def test_a_mean_is_a_run_like_any_other(
        self,
        tiny_run: TinyRun,
        data: Path,
        members: tuple[Path, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        found = open_members(members)
        assert found is not None
        out, told = tmp_path / "mean", list[str]()
        manifest, images = load_images(read_manifest(data), 64)
        mean_run = start_run(out, found.config, manifest)
        with pytest.raises(MissingInput, match="make its folds with --folds first"):
            final_fit(mean_run, manifest, images, Averaging(found), announce=told.append)
        cross_fit(mean_run, manifest, images, Averaging(found), announce=told.append)
        final_fit(mean_run, manifest, images, Averaging(found), announce=told.append)
        assert "fold 1: the mean of 2 networks; its norms are measured on 40 images, 32 held out" in told
        for part in ("folds/1", "folds/2", "final"):
            first, second, mean = (load_file(folder / part / WEIGHTS) for folder in (*members, out))
            for name, tensor in mean.items():
                if tensor.is_floating_point() and "running" not in name:
                    torch.testing.assert_close(tensor, (first[name] + second[name]) / 2)
            assert (out / part / INITIAL_WEIGHTS).read_text() == (
                members[0] / part / INITIAL_WEIGHTS
            ).read_text()
        recorded = json.loads((out / "data.json").read_text())["members"]
        assert [member["run"] for member in recorded] == ["first", "second"]
        assert all(list(member["weights"]) == ["final", "folds/1", "folds/2"] for member in recorded)
        assert np.unique(np.asarray(read_predictions(out).folds)).tolist() == [1, 2]
        # What the mean of a fold was made from is what its members have learnt from.
        held_out = {row.sha256[:8] for row in read_manifest(data) if row.fold == 1}
        assert not held_out & set((out / "folds" / "1" / "seen.txt").read_text().split())

        before = (out / "predictions.csv").read_bytes()
        cross_fit(mean_run, manifest, images, Averaging(found), announce=told.append)
        assert told[-2:] == ["fold 1: finished before", "fold 2: finished before"]
        assert (out / "predictions.csv").read_bytes() == before
        with pytest.raises(InvalidConfiguration, match="go on with it by --average"):
            cross_fit(mean_run, manifest, images, Training(progress=False), announce=told.append)
        turned = Averaging(replace(found, runs=found.runs[::-1]))
        with pytest.raises(InvalidConfiguration, match="was made from other members"):
            cross_fit(mean_run, manifest, images, turned, announce=told.append)

    def test_a_final_fit_goes_on_from_what_it_was_made_from(
        self, tiny_run: TinyRun, members: tuple[Path, Path], tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(members[0], copy)
        found = open_members(members)
        assert found is not None
        of_folds = [{**each, "weights": {"folds/1": "0" * 64}} for each in found.record(folds=[1])]
        record_forebears(open_run(copy), "member", of_folds)
        with pytest.raises(InvalidConfiguration, match="was made from other members"):
            record_forebears(open_run(copy), "member", found.record(folds=None), begun=True)

    def test_the_card_names_those_of_its_fit(self) -> None:
        recorded = [
            {
                "run": name,
                "recipe": "efficientnet-lite0",
                "weights": {"final": digit * 64, "folds/1": digit * 64},
            }
            for name, digit in (("first", "1"), ("second", "2"))
        ]
        assert [each.name for each in made_from(recorded, None)] == ["first/final", "second/final"]
        assert [each.name for each in made_from(recorded, 1)] == ["first/folds/1", "second/folds/1"]
        assert [each.sha256[0] for each in made_from(recorded, 1)] == ["1", "2"]

    def test_a_trained_run_does_not_become_a_mean(
        self,
        tiny_run: TinyRun,
        data: Path,
        members: tuple[Path, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        out = tmp_path / "trained"
        shutil.copytree(members[0], out)
        assert run([*_command(data, out, *members), "--folds", "--resume"]) == 2
        assert "holds a run that was trained" in capsys.readouterr().err


class TestRefusals:
    @pytest.mark.parametrize(
        "more", [["--set", "epochs=3"], ["--recipe", "light-cnn"], ["--weights", "hub"], ["--devices", "2"]]
    )
    def test_a_mean_takes_no_settings(
        self,
        data: Path,
        members: tuple[Path, Path],
        tmp_path: Path,
        more: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run([*_command(data, tmp_path / "mean", *members), *more]) == 2
        assert "--average takes its settings from the runs that it names" in capsys.readouterr().err
        assert not (tmp_path / "mean").exists()

    def test_what_nothing_lies_between(
        self, tiny_run: TinyRun, members: tuple[Path, Path], tmp_path: Path
    ) -> None:
        first, second = members
        assert open_members([]) is None
        with pytest.raises(InvalidConfiguration, match="takes two or more"):
            open_members([first])
        with pytest.raises(InvalidConfiguration, match="a member is named twice"):
            open_members([first, first])
        with pytest.raises(MissingInput, match="is not the folder of a training run"):
            open_members([first, tmp_path])
        with pytest.raises(InvalidConfiguration, match="differ in initial weights"):
            open_members([first, tiny_run.out])
        copy = tmp_path / "copy"
        shutil.copytree(tiny_run.out, copy)
        with pytest.raises(InvalidConfiguration, match="began with random weights"):
            open_members([tiny_run.out, copy])
        text = (second / "config.yaml").read_text().replace("image_size: 64", "image_size: 96")
        larger = tmp_path / "larger"
        shutil.copytree(second, larger)
        (larger / "config.yaml").write_text(text)
        with pytest.raises(InvalidConfiguration, match=r"differ in image_size \(64, 96\)"):
            open_members([first, larger])

    def test_settings_are_those_of_the_first_without_its_teachers(self, members: tuple[Path, Path]) -> None:
        found = open_members(members)
        assert found is not None
        assert found.config == open_run(members[0]).config
        taught = found.runs[0].config.model_copy(update={"distillation": {"weight": 0.5}})
        student = replace(found, runs=(replace(found.runs[0], config=taught), found.runs[1]))
        assert not student.config.distillation.active
