"""A run that looks closer where a finished one looks; what does not fit is refused in one line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fit_once import rows

from tiny_run import SIZE, TINY, TinyRun
from tumorscope import Prediction, load
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.training.config import configure
from tumorscope.training.fit import fit, load_fitted
from tumorscope.training.folder import open_run
from tumorscope.training.guides import GUIDE, check_guide, open_guide
from tumorscope.training.members import open_members
from tumorscope.training.run import load_images

AT = TINY.index(f"image_size={SIZE}")
SETTINGS = (*TINY[: AT - 1], *TINY[AT + 1 :])  # the size follows from the guide


def command(guide: TinyRun, out: Path, *more: str) -> list[str]:
    named = ["--recipe", "light-cnn", "--guide", str(guide.out)]
    return ["train", "--data", str(guide.data), "--out", str(out), *named, *SETTINGS, *more]


@pytest.fixture(scope="module")
def closer(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four folds and a final fit under the tiny run."""
    out = tmp_path_factory.mktemp("closer") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        assert run(command(tiny_run, out, "--folds")) == 0
        assert run(command(tiny_run, out)) == 0
    return out


class TestRun:
    def test_each_fold_has_the_guide_that_has_not_seen_it(self, tiny_run: TinyRun, closer: Path) -> None:
        finished = open_run(closer)
        assert (finished.config.image_size, finished.config.network_size) == (2 * SIZE, SIZE)
        for number in (1, 2, 3, 4, None):
            network = load_fitted(finished.config, finished.fit(number))
            assert isinstance(network, CloseUpNetwork)
            guide = load_fitted(open_run(tiny_run.out).config, open_run(tiny_run.out).fit(number))
            torch.testing.assert_close(network.guide.state_dict(), guide.state_dict())
            assert not any(part.training for part in network.modules())
        recorded = json.loads((closer / "data.json").read_text())["guides"]
        assert [guide["run"] for guide in recorded] == ["run"]
        assert sorted(recorded[0]["weights"]) == ["final", "folds/1", "folds/2", "folds/3", "folds/4"]

    def test_its_answers_are_those_of_both(
        self, tiny_run: TinyRun, closer: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        table = read_predictions(closer)
        finished = open_run(closer)
        manifest, images = load_images(read_manifest(tiny_run.data), finished.config.image_size)
        assert table.hashes == tuple(row.sha256 for row in manifest)
        assert table.folds is not None
        number = int(table.folds[0])
        rows = np.flatnonzero(table.folds == number)
        network = load_fitted(finished.config, finished.fold(number))
        with torch.inference_mode():
            said = network(torch.from_numpy(images[rows]).unsqueeze(1).float() / 255).logits
        np.testing.assert_allclose(said, table.logits[rows], atol=1e-4)

    def test_the_bundle_names_its_guide_and_answers(self, tiny_run: TinyRun, closer: Path) -> None:
        classifier = load(closer / "bundle.onnx")
        card = classifier.card
        assert card.input_size == 2 * SIZE
        assert [guide.name for guide in card.guides] == ["run/final"]
        seen = set((closer / "final" / "seen.txt").read_text().split())
        assert seen == {row.sha256[:8] for row in read_manifest(tiny_run.data)}
        image = next(tiny_run.data.glob("glioma/*.png"))
        answer = classifier.predict(image, heatmap=True)
        assert isinstance(answer, Prediction)
        assert answer.heatmap is not None
        assert run(["evaluate", "--model", str(closer), "--protocol", "patient-wise"]) == 0

    def test_it_goes_on_only_with_its_guide(
        self,
        tiny_run: TinyRun,
        closer: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        copy = tmp_path / "run"
        shutil.copytree(closer, copy)
        before = read_predictions(copy).logits
        shutil.rmtree(copy / "folds" / "2")
        assert run(command(tiny_run, copy, "--folds", "--resume")) == 0
        assert np.array_equal(read_predictions(copy).logits, before)
        other = tmp_path / "other"
        shutil.copytree(tiny_run.out, other)
        shutil.copy(other / "folds" / "1" / "weights.safetensors", other / "folds" / "2")
        capsys.readouterr()
        asked = command(tiny_run, copy, "--folds", "--resume")
        asked[asked.index("--guide") + 1] = str(other)
        assert run(asked) == 2
        assert "was made from other guides" in capsys.readouterr().err


class TestRefusals:
    @pytest.mark.parametrize(
        ("more", "told"),
        [
            (["--set", "zoom=1"], "zoom is 1, so nothing is looked at closely"),
            (
                ["--set", "image_size=128"],
                "the guide would get 64 pixels, and it takes 32; set image_size=64",
            ),
            (["--show-augmentation", "sheet.png"], "--show-augmentation shows whole slices"),
        ],
    )
    def test_settings_that_do_not_fit(
        self,
        tiny_run: TinyRun,
        tmp_path: Path,
        more: list[str],
        told: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(command(tiny_run, tmp_path / "out", *more)) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_a_zoom_without_a_guide(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["train", "--data", str(tiny_run.data), "--out", str(tmp_path / "out"), "--set", "zoom=2"]
        assert run(asked) == 2
        assert "zoom is 2, but no guide is named" in capsys.readouterr().err
        # What trains without asking for guides, such as a search, is refused by the fit.
        data = rows(2)
        whole = replace(data, images=data.images.repeat(2, axis=1).repeat(2, axis=2))
        config = configure("light-cnn", ["image_size=64", "zoom=2"])
        with pytest.raises(InvalidConfiguration, match="a zoom needs 'tumorscope train --guide RUN'"):
            fit(config, whole, whole, tmp_path / "fit", progress=False)

    def test_guides_and_members_that_cannot_be(self, tiny_run: TinyRun, closer: Path, tmp_path: Path) -> None:
        assert open_guide(None) is None
        with pytest.raises(MissingInput, match="is not the folder of a training run"):
            open_guide(tmp_path)
        with pytest.raises(InvalidConfiguration, match="has a guide itself"):
            open_guide(closer)
        with pytest.raises(InvalidConfiguration, match="has a guide, so its network sees other close-ups"):
            open_members([closer, tiny_run.out])
        guide = open_guide(tiny_run.out)
        assert guide is not None
        taught = configure("light-cnn", [*guide.settings, "distillation.weight=0.5"])
        with pytest.raises(InvalidConfiguration, match="--guide and --teacher do not go together"):
            check_guide(taught, guide)
        folds_only = tmp_path / "folds-only"
        shutil.copytree(tiny_run.out, folds_only)
        shutil.rmtree(folds_only / "final")
        without = open_guide(folds_only)
        assert without is not None
        with pytest.raises(MissingInput, match="has no final fit"):
            without.network(None)

    def test_a_fit_without_its_guide_is_told(self, closer: Path, tmp_path: Path) -> None:
        copy = tmp_path / "run"
        shutil.copytree(closer, copy)
        (copy / "final" / GUIDE).unlink()
        with pytest.raises(MissingInput, match=r"lacks guide\.safetensors"):
            load_fitted(open_run(copy).config, copy / "final")
