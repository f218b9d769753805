"""A run becomes one file that says what the network says."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tiny_run import SIZE, TinyRun
from tumorscope import __version__
from tumorscope.core.card import ModelCard
from tumorscope.core.errors import MissingInput, ParityError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.calibration import (
    Scaling,
    choose_method,
    cross_fitted_logits,
    fit_temperature,
    fit_vector_scaling,
    scaling_of,
)
from tumorscope.evaluation.conformal import class_conditional_quantiles, draw_weights
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import read_predictions, write_predictions
from tumorscope.export.folds import export_folds
from tumorscope.export.graph import AnswerGraph
from tumorscope.export.onnx import export_run
from tumorscope.export.parity import check_parity, parity_images
from tumorscope.inference.bundle import OUTPUTS, BundleBytes
from tumorscope.inference.classifier import load
from tumorscope.inference.session import Session
from tumorscope.inference.verify import verify
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.training.answers import answer
from tumorscope.training.fit import load_fitted
from tumorscope.training.folder import RunFolder, open_run
from tumorscope.training.module import as_input
from tumorscope.training.novelty import SPACE, NoveltySpace, load_space

MIB = 1024**2
SPOIL = Scaling(np.array([0.6, 1.0, 2.0, 1.5]), np.array([1.0, -1.0, 0.5, -0.5]))


@pytest.fixture(scope="module")
def run(tiny_run: TinyRun) -> RunFolder:
    torch.set_num_threads(1)
    return open_run(tiny_run.out)


@pytest.fixture(scope="module")
def content(run: RunFolder) -> bytes:
    return run.bundle.read_bytes()


@pytest.fixture(scope="module")
def session(content: bytes) -> Session:
    return Session(BundleBytes(content, "bundle.onnx", shipped=False), threads=1)


@pytest.fixture(scope="module")
def card(content: bytes) -> ModelCard:
    return verify(content, "bundle.onnx")


@pytest.fixture(scope="module")
def space(run: RunFolder) -> NoveltySpace:
    return load_space(run.final / SPACE)[0]


@pytest.fixture(scope="module")
def exported(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The same run, whose out-of-fold answers find that classes need different scales and a bias."""
    copy = tmp_path_factory.mktemp("vector") / "run"
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("bundle.onnx"))
    table = read_predictions(run.predictions)
    noise = np.random.default_rng(11).normal(size=table.logits.shape)
    honest = 1.5 * np.eye(4)[table.labels] + noise
    write_predictions(replace(table, logits=SPOIL.apply(honest)), copy / run.predictions.name)
    export_run(open_run(copy))
    return open_run(copy)


@pytest.fixture(scope="module")
def graph(run: RunFolder, card: ModelCard, space: NoveltySpace) -> AnswerGraph:
    """What was exported, put together again from the run's folder."""
    return AnswerGraph(load_fitted(run.config, run.final), scaling_of(card), space).eval()


def _others(count: int = 12) -> NDArray[np.uint8]:
    """Images that neither the training nor the parity check has seen, and two extremes."""
    images = [preprocess(make_phantom(CLASS_ORDER[k % 4], 900 + k).pixels, SIZE) for k in range(count - 2)]
    return np.stack([*images, np.zeros((SIZE, SIZE), np.uint8), np.full((SIZE, SIZE), 255, np.uint8)])


def _answers(session: Session, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    return dict(zip(OUTPUTS, session.run(images, OUTPUTS), strict=True))


class TestOutputs:
    def test_all_five_have_their_shapes(self, session: Session, card: ModelCard) -> None:
        outputs = _answers(session, _others(5))
        places = SIZE // card.heatmap_stride
        assert {name: value.shape for name, value in outputs.items()} == {
            "logits": (5, 4),
            "probabilities": (5, 4),
            "heatmap": (5, 4, places, places),
            "embedding": (5, 1280),
            "novelty": (5,),
        }
        assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in outputs.values())

    def test_they_are_those_of_torch_on_other_images(self, session: Session, graph: AnswerGraph) -> None:
        images = _others()
        with torch.inference_mode():
            expected = [value.numpy() for value in graph(torch.from_numpy(images))]
        for name, reference, value in zip(OUTPUTS, expected, session.run(images, OUTPUTS), strict=True):
            np.testing.assert_allclose(value, reference, atol=1e-4, rtol=1e-4, err_msg=name)
            if (
                name != "probabilities"
            ):  # the temperature of a model that learnt for one epoch makes them nearly equal
                assert np.ptp(reference, axis=0).max() > 1e-3, name  # the images are told apart

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
    def test_the_batch_does_not_matter(self, session: Session, count: int) -> None:
        images = _others(10)
        whole = _answers(session, images)
        for first in range(0, 10, count):
            for name, value in _answers(session, images[first : first + count]).items():
                np.testing.assert_allclose(
                    value, whole[name][first : first + count], atol=1e-5, rtol=1e-5, err_msg=name
                )

    def test_the_map_summed_over_space_plus_the_bias_is_the_logit(
        self, session: Session, graph: AnswerGraph
    ) -> None:
        outputs = _answers(session, _others())
        bias = graph.network.bias.detach().numpy()
        np.testing.assert_allclose(outputs["heatmap"].sum(axis=(2, 3)) + bias, outputs["logits"], atol=1e-4)

    def test_probabilities_are_the_calibrated_softmax(self, session: Session, card: ModelCard) -> None:
        outputs = _answers(session, _others())
        scaled = np.exp(outputs["logits"].astype(np.float64) / card.temperature)
        expected = scaled / scaled.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)

    def test_novelty_is_what_training_images_do_not_have(
        self, session: Session, graph: AnswerGraph, space: NoveltySpace
    ) -> None:
        images = _others()
        with torch.inference_mode():
            looks = graph.network(as_input(torch.from_numpy(images))).look.numpy().astype(np.float64)
        standard = (looks - space.mean) / space.scale
        basis = space.basis.astype(np.float64)
        left = standard.T - basis @ np.linalg.lstsq(basis, standard.T, rcond=None)[0]
        expected = np.linalg.norm(left, axis=0)
        np.testing.assert_allclose(_answers(session, images)["novelty"], expected, atol=1e-3, rtol=1e-3)


class TestFile:
    def test_it_passes_the_checks_of_a_stranger_and_answers(self, run: RunFolder) -> None:
        classifier = load(run.bundle, threads=1)
        prediction = classifier.predict(make_phantom(CLASS_ORDER[1], 3).pixels)
        assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert prediction.model == f"{run.path.name} {__version__}"

    def test_it_is_one_small_file_of_standard_operators(self, content: bytes) -> None:
        assert len(content) <= 16 * MIB
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx"}
        assert len(model.functions) == 0
        tensors = list(model.graph.initializer)
        assert len(tensors) > 50
        assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in tensors)
        assert not any(tensor.external_data for tensor in tensors)

    def test_nothing_of_the_machine_it_was_made_on_is_inside(self, content: bytes, tiny_run: TinyRun) -> None:
        names = {
            "site-packages",
            str(tiny_run.out),
            str(tiny_run.data),
            str(Path.home()) + "/",
            ".py",
            "Users\\",
        }
        names |= {str(Path(__file__).parents[2]), str(Path(torch.__file__).parent), 'File "'}
        assert [name for name in names if name.encode() in content] == []
        assert re.findall(rb"/(?:home|root|tmp|usr|work|opt|var)/[\w.-]+", content) == []


class TestCard:
    def test_it_says_what_the_run_was(self, card: ModelCard, run: RunFolder, tiny_run: TinyRun) -> None:
        manifest = read_manifest(tiny_run.data)
        assert card.configuration_sha256 == run.config.sha256
        assert card.configuration == run.config.model_dump()
        assert (card.input_size, card.initial_weights) == (SIZE, "random")
        assert card.data.manifest_sha256 == manifest.digest
        assert (card.data.images, card.data.patients) == (72, 0)
        assert card.data.groups == len({row.group for row in manifest})
        assert sum(card.data.images_by_class.values()) == 72

    def test_it_lists_the_images_of_the_fit_and_of_its_calibration(
        self, card: ModelCard, run: RunFolder, tiny_run: TinyRun
    ) -> None:
        calibration = read_predictions(run.final / "calibration.csv")
        everything = {row.sha256[:8] for row in read_manifest(tiny_run.data)}
        kept_back = {digest[:8] for digest in calibration.hashes or ()}
        assert card.data.calibration_images == len(calibration) == len(kept_back) > 0
        assert kept_back < everything
        assert set(card.data.image_sha256_prefixes) == everything

    def test_its_constants_come_from_images_not_learnt_from(
        self, card: ModelCard, run: RunFolder, session: Session, tiny_run: TinyRun
    ) -> None:
        out_of_fold = read_predictions(run.predictions)
        answers = out_of_fold.logits, out_of_fold.labels, out_of_fold.weights
        method = choose_method(*answers, out_of_fold.folds)
        assert method in ("none", "temperature")
        assert card.vector_scaling is None
        assert card.temperature == pytest.approx(1.0 if method == "none" else fit_temperature(*answers))
        calibration = read_predictions(run.final / "calibration.csv")
        images = tiny_run.images
        rows = {row.sha256: k for k, row in enumerate(read_manifest(tiny_run.data))}
        kept_back = images[[rows[digest] for digest in calibration.hashes or ()]]
        outputs = _answers(session, kept_back)
        np.testing.assert_allclose(outputs["logits"], calibration.logits, atol=1e-3)
        assert card.thresholds.novelty_score == "look-residual"
        assert outputs["novelty"].min() <= card.thresholds.novelty_limit <= outputs["novelty"].max() * 1.001

    def test_its_figures_are_those_of_the_fold_models(self, card: ModelCard, run: RunFolder) -> None:
        table = read_predictions(run.predictions)
        (measured,) = card.evaluation
        correct = (table.logits.argmax(axis=1) == table.labels) * table.weights
        assert measured.figures["accuracy"].value == pytest.approx(correct.sum() / table.weights.sum())
        assert (measured.images, measured.patients) == (72, 0)


class TestVectorScaling:
    """The same run, whose out-of-fold answers find that classes need different scales and a bias."""

    def test_the_graph_and_the_card_hold_the_one_that_was_fitted(self, exported: RunFolder) -> None:
        content = exported.bundle.read_bytes()
        card = verify(content, "bundle.onnx")
        table = read_predictions(exported.predictions)
        fitted = fit_vector_scaling(table.logits, table.labels, table.weights)
        assert card.vector_scaling is not None
        np.testing.assert_allclose(card.vector_scaling.scale, fitted.scale)
        np.testing.assert_allclose(card.vector_scaling.bias, fitted.bias)
        assert np.ptp(fitted.scale) > 0.5
        assert card.temperature == pytest.approx(fit_temperature(table.logits, table.labels, table.weights))

    def test_onnx_runtime_gives_its_softmax(self, exported: RunFolder, session: Session) -> None:
        card = load(exported.bundle, threads=1).card
        assert card.vector_scaling is not None
        scale, bias = np.array(card.vector_scaling.scale), np.array(card.vector_scaling.bias)
        images = _others()
        content = BundleBytes(exported.bundle.read_bytes(), "bundle.onnx", shipped=False)
        outputs = _answers(Session(content, threads=1), images)
        logits = outputs["logits"].astype(np.float64)
        np.testing.assert_allclose(outputs["probabilities"], softmax(scale * logits + bias), atol=1e-6)
        np.testing.assert_array_equal(
            outputs["probabilities"].argmax(axis=1), (scale * logits + bias).argmax(axis=1)
        )
        # Everything else is what it was, and what the temperature would have said is something else.
        before = _answers(session, images)
        for name in set(OUTPUTS) - {"probabilities"}:
            np.testing.assert_allclose(outputs[name], before[name], atol=1e-5, err_msg=name)
        assert np.abs(outputs["probabilities"] - softmax(logits / card.temperature)).max() > 0.1

    def test_sets_come_from_probabilities_calibrated_the_same_way(self, exported: RunFolder) -> None:
        table = read_predictions(exported.predictions)
        assert table.folds is not None
        probabilities = softmax(
            cross_fitted_logits("vector", table.logits, table.labels, table.weights, table.folds)
        )
        draws = draw_weights(table.labels, table.groups)
        found = verify(exported.bundle.read_bytes(), "bundle.onnx").thresholds.conformal
        for coverage in ("0.80", "0.90", "0.95"):
            expected = class_conditional_quantiles(probabilities, table.labels, draws, float(coverage))
            np.testing.assert_allclose(found[coverage], expected)

    def test_parity_finds_a_wrong_scale_or_bias(
        self, exported: RunFolder, graph: AnswerGraph, space: NoveltySpace
    ) -> None:
        content = exported.bundle.read_bytes()
        right = scaling_of(verify(content, "bundle.onnx"))
        assert 0 < check_parity(AnswerGraph(graph.network, right, space).eval(), content, SIZE) <= 1
        for wrong in (
            Scaling(np.full(4, 1.0 / 1.8), right.bias),  # logits after one epoch are small
            Scaling(right.scale, right.bias + 0.01 * np.eye(4)[0]),
        ):
            with pytest.raises(ParityError, match="output 'probabilities'"):
                check_parity(AnswerGraph(graph.network, wrong, space).eval(), content, SIZE)

    def test_a_fold_model_takes_it_from_the_other_folds(self, run: RunFolder, tmp_path: Path) -> None:
        shutil.copytree(run.path, tmp_path / "run")
        copy = open_run(tmp_path / "run")
        table = read_predictions(copy.predictions)
        rng = np.random.default_rng(0)
        honest = 2.5 * np.eye(4)[table.labels] + rng.normal(0.0, 1.5, (len(table), 4))
        # Its own fold has a fault that must not be learnt.
        own = np.asarray(table.folds) == 1
        logits = np.where(own[:, None], honest[:, ::-1], Scaling(np.ones(4), 3 * SPOIL.bias).apply(honest))
        write_predictions(replace(table, logits=logits), copy.predictions)
        copy.fold_bundle(1).unlink()
        export_folds(copy, announce=lambda _: None)
        others = fit_vector_scaling(logits[~own], table.labels[~own], table.weights[~own])
        found = verify(copy.fold_bundle(1).read_bytes(), "bundle.onnx")
        np.testing.assert_allclose(scaling_of(found).bias, others.bias)
        np.testing.assert_allclose(scaling_of(found).scale, others.scale)
        assert others.bias[0] < -1
        assert found.data.held_out_fold == 1


class TestParity:
    def test_it_looks_at_every_class_and_at_noise(self) -> None:
        images = parity_images(SIZE)
        assert images.shape == (17, SIZE, SIZE)
        assert len({image.tobytes() for image in images}) == 17

    def test_the_exported_file_passes(self, graph: AnswerGraph, content: bytes) -> None:
        assert 0 < check_parity(graph, content, SIZE) <= 1

    @pytest.mark.parametrize("name", OUTPUTS)
    def test_a_change_of_any_output_is_found(
        self, graph: AnswerGraph, content: bytes, card: ModelCard, space: NoveltySpace, name: str
    ) -> None:
        changed = _Faulty(graph.network, scaling_of(card), space).eval()
        changed.position = OUTPUTS.index(name)
        with pytest.raises(ParityError, match=f"output '{name}' .*the bundle was not written"):
            check_parity(changed, content, SIZE)

    def test_a_failed_export_writes_nothing_and_keeps_the_old_bundle(
        self, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The graph that is written is another network's: the fault that the check is there for."""
        other = run.bundle.read_bytes()

        def faulty(graph: AnswerGraph, size: int) -> bytes:
            with torch.no_grad():
                graph.network.bias[2] += 0.01
            return other

        monkeypatch.setattr("tumorscope.export.onnx.to_onnx", faulty)
        old = tmp_path / "old.onnx"
        old.write_bytes(b"as it was")
        with pytest.raises(ParityError, match="output 'logits'"):
            export_run(run, old)
        assert [path.name for path in tmp_path.iterdir()] == ["old.onnx"]
        assert old.read_bytes() == b"as it was"


class _Faulty(AnswerGraph):
    """One output is off by a hundredth."""

    position: int

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = list(super().forward(image))
        outputs[self.position] = outputs[self.position] * 1.01 + 1e-3
        return tuple(outputs)


def test_a_run_without_a_final_fit_cannot_be_exported(run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns("folds", "calibration.csv"))
    with pytest.raises(MissingInput, match="has no finished final fit"):
        export_run(replace(run, path=tmp_path / "run"), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_out_of_fold_answers_are_those_of_the_fold_models(run: RunFolder, tiny_run: TinyRun) -> None:
    """Each image is answered by the network that did not learn from its fold."""
    table = read_predictions(run.predictions)
    manifest = read_manifest(tiny_run.data)
    images = tiny_run.images
    folds = np.array([row.fold for row in manifest])
    for number in (1, 3):
        rows: NDArray[Any] = np.flatnonzero(folds == number)
        logits = answer(load_fitted(run.config, run.fold(number)), images, rows).logits
        np.testing.assert_allclose(table.logits[rows], logits, atol=1e-4)
