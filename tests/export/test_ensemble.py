"""Several models in one file that answers with their mean, and a run by which the mean is measured without leaks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from bundle_factory import BIAS, make_card, make_model
from tiny_run import SIZE, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidBundle, ParityError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.calibration import Scaling, scaling_of
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import read_predictions, write_predictions
from tumorscope.export.ensemble_graph import check_mean, merge
from tumorscope.export.graph import AnswerGraph, to_onnx
from tumorscope.export.members import check_members, open_member
from tumorscope.inference.bundle import OUTPUTS, BundleBytes
from tumorscope.inference.classifier import Classifier, load
from tumorscope.inference.fold_models import open_fold_models
from tumorscope.inference.session import Session
from tumorscope.models.grid import shares
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom, write_phantoms
from tumorscope.training.fit import load_fitted
from tumorscope.training.folder import open_run
from tumorscope.training.novelty import SPACE, load_space


@pytest.fixture(scope="module")
def both(tiny_run: TinyRun, student_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run and its student, networks of different kinds, as one run."""
    out = tmp_path_factory.mktemp("ensemble") / "both"
    assert run(["ensemble", str(tiny_run.out), str(student_run), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def classifier(both: Path) -> Classifier:
    return load(both / "bundle.onnx", threads=1)


def _images(count: int = 6) -> NDArray[np.uint8]:
    images = [preprocess(make_phantom(CLASS_ORDER[k % 4], 700 + k).pixels, SIZE) for k in range(count - 1)]
    return np.stack([*images, np.zeros((SIZE, SIZE), np.uint8)])


def _answers(path: Path) -> dict[str, NDArray[np.float32]]:
    return dict(zip(OUTPUTS, load(path, threads=1).session.run(_images(), OUTPUTS), strict=True))


class TestGraph:
    def test_it_answers_with_the_mean_of_its_members(
        self, both: Path, tiny_run: TinyRun, student_run: Path
    ) -> None:
        paths = tiny_run.out / "bundle.onnx", student_run / "bundle.onnx"
        one, other = (_answers(path) for path in paths)
        said = _answers(both / "bundle.onnx")
        np.testing.assert_allclose(said["logits"], (one["logits"] + other["logits"]) / 2, atol=1e-5)
        np.testing.assert_allclose(said["heatmap"], (one["heatmap"] + other["heatmap"]) / 2, atol=1e-5)
        whole = np.concatenate([one["embedding"], other["embedding"]], axis=1)
        np.testing.assert_allclose(said["embedding"], whole, atol=1e-5)
        limits = [load(path).facts.novelty_limit for path in paths]
        relative = (one["novelty"] / limits[0] + other["novelty"] / limits[1]) / 2
        np.testing.assert_allclose(said["novelty"], relative, rtol=1e-4)
        assert np.abs(one["logits"] - other["logits"]).max() > 1e-2  # they are two

    def test_of_maps_on_two_grids_the_mean_is_on_the_finer(self, tiny_run: TinyRun) -> None:
        fit = open_run(tiny_run.out).final
        network = load_fitted(open_run(tiny_run.out).config, fit)
        plain = Scaling(np.ones(4), np.zeros(4))
        graph = AnswerGraph(network, plain, load_space(fit / SPACE)[0]).eval()
        fine = to_onnx(graph, SIZE)
        graph.map.spread = None
        coarse = to_onnx(graph, SIZE)
        merged = merge([coarse, fine], SIZE, plain, [1.0, 1.0])
        one, other, both = (
            Session(BundleBytes(content, "graph", shipped=False), threads=1).run(_images(), ("heatmap",))[0]
            for content in (coarse, fine, merged)
        )
        assert (one.shape[2], other.shape[2], both.shape[2]) == (2, 4, 4)
        spread = np.repeat(np.repeat(one, 2, axis=2), 2, axis=3) / 4
        np.testing.assert_allclose(both, (spread + other) / 2, atol=1e-5)

    def test_the_map_summed_over_space_plus_a_constant_is_the_logit(self, both: Path) -> None:
        said = _answers(both / "bundle.onnx")
        constant = said["logits"] - said["heatmap"].sum(axis=(2, 3))
        np.testing.assert_allclose(constant, np.broadcast_to(constant[:1], constant.shape), atol=1e-4)
        assert np.ptp(said["logits"], axis=0).max() > 1e-2

    def test_probabilities_are_its_own_calibration(self, both: Path, classifier: Classifier) -> None:
        said = _answers(both / "bundle.onnx")
        expected = softmax(scaling_of(classifier.card).apply(said["logits"]))
        np.testing.assert_allclose(said["probabilities"], expected, atol=1e-5)

    def test_the_batch_does_not_matter(self, classifier: Classifier) -> None:
        images = _images()
        whole = classifier.session.run(images, OUTPUTS)
        for k in range(len(images)):
            for name, all_of_it, one in zip(
                OUTPUTS, whole, classifier.session.run(images[k : k + 1], OUTPUTS), strict=True
            ):
                np.testing.assert_allclose(one[0], all_of_it[k], atol=1e-4, rtol=1e-4, err_msg=name)

    def test_a_graph_that_says_something_else_is_refused(self, both: Path, tiny_run: TinyRun) -> None:
        contents = [(tiny_run.out / "folds" / str(k) / "bundle.onnx").read_bytes() for k in (1, 2)]
        calibration = Scaling(np.full(4, 0.5), np.zeros(4))
        merged = merge(contents, SIZE, calibration, [1.0, 2.0])
        check_mean(merged, contents, SIZE, calibration, [1.0, 2.0])
        with pytest.raises(ParityError, match="output 'novelty' of the ensemble differs from the mean"):
            check_mean(merged, contents, SIZE, calibration, [1.0, 1.0])
        with pytest.raises(ParityError, match="output 'probabilities'"):
            check_mean(merged, contents, SIZE, Scaling(np.ones(4), np.zeros(4)), [1.0, 2.0])


@pytest.mark.parametrize(("cells", "wanted"), [(2, 4), (10, 14), (7, 7), (5, 3), (1, 6)])
def test_a_finer_grid_keeps_the_sum(cells: int, wanted: int) -> None:
    weights = shares(cells, wanted)
    assert weights.shape == (wanted, cells)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert weights.min() >= 0
    # An even map stays even.
    np.testing.assert_allclose(weights @ np.full(cells, 1 / cells), 1 / wanted)


class TestCard:
    def test_it_names_its_members_its_cost_and_where_its_constants_are_from(
        self, both: Path, tiny_run: TinyRun, student_run: Path, classifier: Classifier
    ) -> None:
        card = classifier.card
        members = [open_member(path / "bundle.onnx") for path in (tiny_run.out, student_run)]
        made = card.ensemble
        assert made is not None
        assert [(m.name, m.sha256) for m in made.members] == [
            (tiny_run.out.name, members[0].sha256),
            (student_run.name, members[1].sha256),
        ]
        assert 0 <= (both / "bundle.onnx").stat().st_size - made.graph_bytes < 2**18
        assert 0 < made.milliseconds < 60_000
        assert card.heatmap_stride == 8
        assert card.architecture == "mean of 2: tf_efficientnet_lite0, light-cnn"
        table = read_predictions(both)
        assert (card.data.calibration_images, card.data.images) == (len(table), 72)
        (measured,) = card.evaluation
        accuracy = np.average(table.logits.argmax(axis=1) == table.labels, weights=table.weights)
        assert measured.figures["accuracy"].value == pytest.approx(accuracy)
        assert {teacher.name for teacher in card.teachers} == {f"{tiny_run.out.name}/final"}
        assert ModelCard.model_validate_json(card.model_dump_json()) == card

    def test_few_of_what_it_was_made_from_are_novel_to_it(
        self, classifier: Classifier, tiny_run: TinyRun
    ) -> None:
        (novelty,) = classifier.session.run(tiny_run.images, ("novelty",))
        assert 0.2 < float(np.median(novelty)) < 3
        assert (novelty > classifier.facts.novelty_limit).mean() < 0.25


class TestRunOfAnEnsemble:
    def test_answers_are_the_mean_of_models_that_have_not_seen_the_image(
        self, both: Path, tiny_run: TinyRun, student_run: Path
    ) -> None:
        one, other, mean = (read_predictions(path) for path in (tiny_run.out, student_run, both))
        assert tuple(one.hashes) == tuple(other.hashes) == tuple(mean.hashes)
        np.testing.assert_allclose(mean.logits, (one.logits + other.logits) / 2)
        # The same, asked anew of the fold bundles, each of which refuses what it has seen.
        models = open_fold_models(both, threads=1)
        folds = models.folds_of(mean.hashes)
        again = models.run(tiny_run.images, folds, ("logits", "novelty"))
        np.testing.assert_allclose(again["logits"], mean.logits, atol=1e-4)
        assert (again["novelty"] > models.limits(folds)).mean() < 0.25

    def test_no_constant_of_a_fold_knows_the_fold(
        self, both: Path, tiny_run: TinyRun, student_run: Path, tmp_path: Path
    ) -> None:
        """Other answers and novelties inside fold 2 change the bundles of all other folds and not its own."""
        runs = [tmp_path / "one", tmp_path / "other"]
        for copy, original in zip(runs, (tiny_run.out, student_run), strict=True):
            shutil.copytree(original, copy)
        table = read_predictions(runs[0])
        inside = np.asarray(table.folds) == 2
        spoilt = np.where(inside[:, None], -20 * table.logits + 1, table.logits)
        write_predictions(replace(table, logits=spoilt), runs[0] / "predictions.csv")
        space = dict(np.load(runs[0] / "folds" / "2" / "novelty.npz"))
        np.savez(runs[0] / "folds" / "2" / "novelty.npz", **space | {"held_out": space["held_out"] * 9})
        out = tmp_path / "spoilt"
        assert run(["ensemble", *map(str, runs), "--out", str(out)]) == 0
        changed = []
        for number in (1, 2, 3, 4):
            old, new = (load(folder / "folds" / str(number) / "bundle.onnx").card for folder in (both, out))
            same = (old.thresholds, old.temperature, old.vector_scaling) == (
                new.thresholds,
                new.temperature,
                new.vector_scaling,
            )
            if not same:
                changed.append(number)
        assert changed == [1, 3, 4]

    def test_evaluate_measures_it(
        self, both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "evaluation.json"
        command = ["evaluate", "--model", str(both), "--protocol", "patient-wise", "--out", str(out)]
        assert run(command) == 0
        document = json.loads(out.read_text())
        assert (document["model"], document["images"], document["leaks"]) == ("both", 72, {})
        assert "Synthetic images" in json.dumps(document["notes"])
        record = json.loads((both / "ensemble.json").read_text())
        assert [member["recipe"] for member in record["members"]] == ["efficientnet-lite0", "light-cnn"]


def test_all_fold_models_of_one_run_make_a_bundle(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "folds.onnx"
    assert run(["ensemble", str(tiny_run.out), "--fold-models", "--out", str(out)]) == 0
    assert "mean of 4: tf_efficientnet_lite0 (4)" in capsys.readouterr().out
    card = load(out).card
    assert card.ensemble is not None
    assert len(card.ensemble.members) == 4
    assert card.data.held_out_fold is None
    assert "those of the 1 of them that had not seen an image" in card.limits[0]
    manifest = read_manifest(tiny_run.data)
    assert set(card.data.image_sha256_prefixes) == {row.sha256[:8] for row in manifest}
    mean = np.mean(
        [_answers(tiny_run.out / "folds" / str(k) / "bundle.onnx")["logits"] for k in (1, 2, 3, 4)], axis=0
    )
    np.testing.assert_allclose(_answers(out)["logits"], mean, atol=1e-5)


def _quadrants(path: Path, name: str, bias: float) -> Path:
    """A bundle made by hand, whose logits differ from another's by a constant."""
    model = make_model(make_card(name=name))
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            values = np.array([BIAS], dtype=np.float32) + np.float32(bias)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, "bias"))
    path.write_bytes(model.SerializeToString())
    return path


class TestBundles:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> list[str]:
        return [str(_quadrants(tmp_path / f"{k}.onnx", f"member-{k}", k)) for k in (1, 2)]

    def test_bundles_are_calibrated_on_images_that_none_has_seen(
        self, pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        unseen, out = tmp_path / "unseen", tmp_path / "pair.onnx"
        list(write_phantoms(unseen, 12, size=64))
        assert run(["ensemble", *pair, "--calibration", str(unseen), "--out", str(out)]) == 0
        card = load(out).card
        assert (card.data.calibration_images, card.evaluation) == (12, ())
        seen = {row.sha256[:8] for row in read_manifest(unseen)}
        assert seen < set(card.data.image_sha256_prefixes)
        capsys.readouterr()
        assert run(["evaluate", "--model", str(out), "--protocol", "external", "--data", str(unseen)]) == 2
        assert "12 of 12 images were used to train" in capsys.readouterr().err

    def test_without_such_images_they_are_refused(
        self, pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["ensemble", *pair, "--out", str(tmp_path / "pair.onnx")]) == 2
        errors = capsys.readouterr().err
        assert "is a bundle and cannot say how it did on unseen images" in errors
        assert errors.count("\n") == 1
        assert not (tmp_path / "pair.onnx").exists()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"heatmap_kind": "supervised-box"}, "kind of heat-map (class-activation and supervised-box)"),
            ({"input_size": 96}, "input size (64 and 96)"),
            ({"preprocessing": "other"}, "differ in their preprocessing"),
            ({"class_order": ("a", "b", "c", "d")}, "differ in their class order"),
        ],
    )
    def test_members_that_do_not_fit_together_are_refused(
        self, pair: list[str], change: dict[str, object], words: str
    ) -> None:
        one, other = (open_member(Path(path)) for path in pair)
        check_members([one, other])
        changed = replace(other, card=other.card.model_copy(update=change))
        with pytest.raises(InvalidBundle) as caught:
            check_members([one, changed])
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


class TestRefusals:
    def test_one_line_each(
        self, tiny_run: TinyRun, student_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "other"
        shutil.copytree(student_run, other)
        table = read_predictions(other)
        write_predictions(replace(table, folds=5 - np.asarray(table.folds)), other / "predictions.csv")
        unfinished = tmp_path / "unfinished"
        shutil.copytree(student_run, unfinished)
        (unfinished / "bundle.onnx").unlink()
        one, out = str(tiny_run.out), str(tmp_path / "made.onnx")
        for arguments, words in (
            ([one, "--out", out], "an ensemble of 1 member is none"),
            ([one, one, "--out", out], "a member is named twice"),
            ([one, "--out", str(tmp_path / "made")], "the run of an ensemble has at least two members"),
            ([one, str(other), "--out", out], "have different folds for 72 of 72 images"),
            ([one, str(unfinished), "--out", out], "has no bundle.onnx; train its final fit"),
            ([one, str(tmp_path), "--out", out], "is not the folder of a training run"),
            (
                [one, str(student_run), "--out", str(student_run)],
                "holds a training run; choose another --out",
            ),
        ):
            assert run(["ensemble", *arguments]) == 2, arguments
            errors = capsys.readouterr().err
            assert words in errors
            assert errors.count("\n") == 1
        assert not (tmp_path / "made").exists()
        assert not (tmp_path / "made.onnx").exists()


def test_info_predict_and_explain_take_it(
    both: Path, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, image = str(both / "bundle.onnx"), str(next((tiny_run.data / "glioma").glob("*.png")))
    assert run(["info", bundle]) == 0
    printed = capsys.readouterr().out
    assert "mean of logits" in printed
    assert "ms an image" in printed
    assert run(["predict", image, "--model", bundle, "--format", "jsonl"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[0])
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert run(["explain", image, "--model", bundle, "--out", str(tmp_path / "pictures")]) == 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1


def test_the_head_of_every_member_can_be_shuffled(both: Path) -> None:
    from tumorscope.explanation.randomised import with_shuffled_head
    from tumorscope.inference.bundle import read_bundle
    from tumorscope.inference.session import Session

    bundle = read_bundle(both / "bundle.onnx")
    shuffled = Session(with_shuffled_head(bundle), threads=1).run(_images(), ("heatmap",))[0]
    told = _answers(both / "bundle.onnx")["heatmap"]
    assert np.abs(shuffled - told).max() > 1e-4
    before, after = (
        onnx.load_model_from_string(content)
        for content in (bundle.content, with_shuffled_head(bundle).content)
    )
    changed = {
        tensor.name.partition("/")[0]
        for tensor, other in zip(before.graph.initializer, after.graph.initializer, strict=True)
        if tensor.raw_data != other.raw_data
    }
    assert changed == {"member0", "member1"}
