"""A stranger's .onnx is checked from end to end before it runs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundle_factory import NOVELTY_LIMIT, SIZE, make_card, make_model
from tumorscope import load
from tumorscope.core import card as card_module
from tumorscope.core.card import Thresholds
from tumorscope.core.errors import InvalidBundle, InvalidConfiguration, MissingInput, TumorscopeError
from tumorscope.inference import bundle as bundle_module
from tumorscope.inference.bundle import CARD_KEY, OUTPUTS, BundleFacts, read_bundle, read_card, shipped_path
from tumorscope.inference.session import Session, available_threads

Damage = Callable[[onnx.ModelProto], None]


def save(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def damaged(tmp_path: Path, damage: Damage) -> Path:
    model = make_model()
    damage(model)
    return save(tmp_path / "damaged.onnx", model)


def output(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    found: onnx.ValueInfoProto = next(value for value in model.graph.output if value.name == name)
    return found


def test_the_key_of_the_card_is_one_name() -> None:
    assert CARD_KEY == card_module.CARD_KEY


def test_a_sound_bundle_passes_and_its_facts_are_those_of_its_card(bundle_path: Path) -> None:
    classifier = load(bundle_path)
    assert classifier.card == make_card()
    facts = classifier.facts
    assert facts.label == "quadrants 1.0.0"
    assert (facts.input_size, facts.novelty_limit, facts.default_coverage) == (SIZE, NOVELTY_LIMIT, "0.95")
    assert facts.conformal["0.90"] == (0.3,) * 4
    assert BundleFacts.from_json(read_card(bundle_path)) == facts


def test_the_default_coverage_may_be_left_out_of_the_stored_card() -> None:
    text = make_card().model_dump_json(exclude_defaults=True)
    assert "default_coverage" not in text
    assert BundleFacts.from_json(text).default_coverage == Thresholds.model_fields["default_coverage"].default


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is a text file, not a model\n" * 20, "not an ONNX"),
        (np.random.default_rng(0).bytes(5000), "not an ONNX"),
        (make_model().SerializeToString()[:2000], "ONNX"),
    ],
    ids=["empty", "text", "random", "truncated"],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidBundle, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        load(tmp_path / "nothing.onnx")
    with pytest.raises(InvalidBundle, match="folder"):
        load(tmp_path)


def test_a_bundle_beyond_the_size_limit_is_not_read(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 1000)
    with pytest.raises(InvalidBundle, match="more than a bundle may have"):
        load(bundle_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no model card"),
        ("{", "not valid"),
        ("[]", "not valid"),
        (
            make_card().model_dump_json().replace('"schema_version":1', '"schema_version":2'),
            "schema version 1",
        ),
        (make_card().model_dump_json().replace('"temperature":1.5', '"temperature":-1'), "temperature"),
        (make_card().model_dump_json().replace('"name"', '"nickname"'), "name"),
        (make_card(preprocessing="stretch-v0").model_dump_json(), "stretch-v0"),
        (
            make_card(class_order=("glioma", "notumor", "meningioma", "pituitary")).model_dump_json(),
            "glioma, notumor, meningioma",
        ),
        (make_card(input_size=128).model_dump_json(), "128, 128"),
        (
            make_card(
                thresholds=Thresholds(
                    conformal={"0.90": (1, 1, 1, 1)}, novelty_limit=1, novelty_false_rejection=0.1
                )
            ).model_dump_json(),
            "default coverage",
        ),
    ],
    ids=[
        "none",
        "broken",
        "list",
        "schema",
        "range",
        "field",
        "preprocessing",
        "classes",
        "size",
        "coverage",
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = save(tmp_path / "model.onnx", make_model(card_text=text))
    with pytest.raises(InvalidBundle, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def external_initializer(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "quadrants")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def external_in_a_branch(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    out = helper.make_tensor_value_info("branch", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Constant", [], ["branch"], value=tensor)], "b", [], [out])
    condition = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    model.graph.node.insert(0, helper.make_node("Constant", [], ["yes"], value=condition))
    model.graph.node.insert(
        1, helper.make_node("If", ["yes"], ["unused"], then_branch=branch, else_branch=branch)
    )


def custom_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example.ops", 1))
    model.graph.node.append(helper.make_node("Run", ["logits"], ["own"], domain="com.example.ops"))


def undeclared_custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Run", ["logits"], ["own"], domain="com.microsoft"))


def local_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("", "Own", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [])
    )


def renamed_output(model: onnx.ModelProto) -> None:
    output(model, "novelty").name = "distance"


def output_of_three(model: onnx.ModelProto) -> None:
    output(model, "logits").type.tensor_type.shape.dim[1].dim_value = 3


def output_without_shape(model: onnx.ModelProto) -> None:
    output(model, "embedding").type.tensor_type.ClearField("shape")


def output_of_integers(model: onnx.ModelProto) -> None:
    output(model, "probabilities").type.tensor_type.elem_type = TensorProto.INT64


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def two_cards(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key=CARD_KEY, value=make_card().model_dump_json())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (external_initializer, "another file"),
        (external_in_a_branch, "another file"),
        (custom_operator, "com.example.ops"),
        (undeclared_custom_operator, "com.microsoft"),
        (local_function, "local functions"),
        (renamed_output, "'novelty' is missing"),
        (output_of_three, r"float \[N, 3\]"),
        (output_without_shape, "without a shape"),
        (output_of_integers, "int64"),
        (float_input, "float"),
        (second_input, "age"),
        (fixed_batch, r"uint8 \[1, 64, 64\]"),
        (two_cards, "2 model cards"),
    ],
)
def test_a_graph_that_breaks_a_promise_is_refused(tmp_path: Path, damage: Damage, reason: str) -> None:
    with pytest.raises(InvalidBundle, match=reason) as caught:
        load(damaged(tmp_path, damage))
    assert "\n" not in str(caught.value)


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def temperature_of_zero(model: onnx.ModelProto) -> None:
    next(t for t in model.graph.initializer if t.name == "temperature").CopyFrom(
        onnx.numpy_helper.from_array(np.zeros((), dtype=np.float32), "temperature")
    )


def logits_as_probabilities(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.op_type = "Identity"
    node.ClearField("attribute")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (unknown_operator, "cannot run this model"),
        (temperature_of_zero, "not finite"),
        (logits_as_probabilities, "do not sum to 1"),
    ],
)
def test_a_graph_that_looks_right_and_computes_nonsense_is_refused(
    tmp_path: Path, damage: Damage, reason: str
) -> None:
    with pytest.raises(InvalidBundle, match=reason) as caught:
        load(damaged(tmp_path, damage))
    assert "\n" not in str(caught.value)


def test_the_shipped_bundle_is_recognised_by_its_recorded_hash(
    tmp_path: Path, bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shipped.onnx"
    path.write_bytes(bundle_path.read_bytes())
    monkeypatch.setattr(bundle_module, "shipped_path", lambda: path)
    assert not read_bundle().shipped, "without a record it is checked like any other"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(f"{digest}  shipped.onnx\n")
    assert read_bundle().shipped
    path.write_bytes(make_model(make_card(version="6.6.6")).SerializeToString())
    with pytest.raises(InvalidBundle, match="reinstall"):
        load()
    path.unlink()
    with pytest.raises(InvalidBundle, match="has no bundle of its own"):
        load()


def test_the_bundle_in_the_package_is_sound_and_the_one_on_record() -> None:
    path = shipped_path()
    if not path.is_file():
        pytest.skip("the package holds no bundle yet")
    digest = path.with_suffix(".sha256").read_text().split()[0]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert path.stat().st_size <= 16 * 1024**2
    stranger = load(path)  # with every check that any other file passes
    assert load().facts == stranger.facts


def test_coverages_are_those_of_the_card(bundle_path: Path) -> None:
    facts = load(bundle_path).facts
    assert facts.coverage_key(None) == "0.95"
    assert facts.coverage_key(0.9) == facts.coverage_key("0.9") == facts.coverage_key("0.90") == "0.90"
    for wrong in (0.5, "high", float("nan")):
        with pytest.raises(InvalidConfiguration, match=r"0\.90, 0\.95"):
            facts.coverage_key(wrong)


def test_threads_and_devices(bundle_path: Path) -> None:
    assert available_threads() >= 1
    with pytest.raises(InvalidConfiguration, match="threads is 0"):
        load(bundle_path, threads=0)
    with pytest.raises(InvalidConfiguration, match="cpu, cuda, auto"):
        load(bundle_path, device="tpu")
    assert load(bundle_path, threads=1, device="auto").session.providers[-1] == "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in load(bundle_path, device="auto").session.providers:
        with pytest.raises(InvalidConfiguration, match="onnxruntime-gpu"):
            load(bundle_path, device="cuda")


def test_a_session_gives_only_what_is_asked_for(bundle_path: Path) -> None:
    session = Session(read_bundle(bundle_path), threads=1)
    images = np.zeros((3, SIZE, SIZE), dtype=np.uint8)
    results = session.run(images, OUTPUTS)
    assert [result.shape for result in results] == [(3, 4), (3, 4), (3, 4, 4, 4), (3, 16), (3,)]
    (novelty,) = session.run(images, ["novelty"])
    np.testing.assert_array_equal(novelty, results[4])
    with pytest.raises(InvalidBundle, match="failed while it ran"):
        session.run(np.zeros((1, 8, 8), dtype=np.uint8), ["novelty"])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_many_images_are_shared_out_and_answered_alike(bundle_path: Path, threads: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, SIZE, SIZE), dtype=np.uint8)
    expected = Session(read_bundle(bundle_path), threads=1).run(images[:100], OUTPUTS)
    session = Session(read_bundle(bundle_path), threads=threads)
    before = threading.active_count()
    session.run(images[:100], OUTPUTS)
    assert threading.active_count() == before  # few images are not worth a second copy of the graph
    session.run(images, OUTPUTS)
    assert before < threading.active_count() <= before + threads
    for at in (1, 2, 3, 7, 20, 100):
        for result, answer in zip(session.run(images[:at], OUTPUTS), expected, strict=True):
            assert result.dtype == answer.dtype
            np.testing.assert_allclose(result, answer[:at], rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidBundle, match="failed while it ran"):
        session.run(np.zeros((200, 8, 8), dtype=np.uint8), OUTPUTS)


def test_a_session_that_shares_out_may_be_shared(bundle_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (200, SIZE, SIZE), dtype=np.uint8)
    session = Session(read_bundle(bundle_path), threads=2)
    (expected,) = Session(read_bundle(bundle_path), threads=1).run(images, ["logits"])
    with ThreadPoolExecutor(8) as pool:
        for (logits,) in pool.map(lambda _: session.run(images, ["logits"]), range(16)):
            np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_every_refusal_is_an_error_of_this_project(tmp_path: Path) -> None:
    with pytest.raises(TumorscopeError):
        load(damaged(tmp_path, custom_operator))
