"""Words and records that every room shares."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from bundle_factory import make_card
from tumorscope.core import errors
from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidConfiguration, MissingDependency, MissingInput, TumorscopeError
from tumorscope.core.files import atomic_stream, atomic_write
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.optional import require
from tumorscope.core.prediction import Prediction, SeriesPrediction, Verdict
from tumorscope.core.slice import Origin, Slice


class TestLabels:
    def test_the_order_is_alphabetical_and_fixed(self) -> None:
        assert [key.value for key in CLASS_ORDER] == ["glioma", "meningioma", "notumor", "pituitary"]
        assert [key.position for key in CLASS_ORDER] == [0, 1, 2, 3]
        assert Diagnosis("notumor").label == "no tumour"


class TestErrors:
    def test_every_leaf_has_a_code_of_its_own_and_a_builtin_behind_it(self) -> None:
        leaves = [getattr(errors, name) for name in errors.__all__ if name != "TumorscopeError"]
        assert all(issubclass(leaf, TumorscopeError) for leaf in leaves)
        assert len({leaf.code for leaf in leaves} | {TumorscopeError.code}) == len(leaves) + 1
        assert all(leaf.__mro__[2] is not Exception for leaf in leaves)

    def test_a_missing_input_shows_its_message_alone(self) -> None:
        # FileNotFoundError would show an errno where there is one.
        assert str(MissingInput("scan.png does not exist")) == "scan.png does not exist"
        assert isinstance(MissingInput("x"), FileNotFoundError)


class TestFiles:
    def test_a_file_appears_whole_with_the_usual_permissions(self, tmp_path: Path) -> None:
        target = tmp_path / "new" / "notes.txt"
        atomic_write(target, "größer\n")
        assert target.read_bytes() == "größer\n".encode()
        atomic_write(target, b"\x00\x01")
        assert target.read_bytes() == b"\x00\x01"
        assert [path.name for path in target.parent.iterdir()] == ["notes.txt"]
        if sys.platform != "win32":
            plain = tmp_path / "plain.txt"
            plain.touch()
            assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)

    def test_a_failed_write_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        target = tmp_path / "answers"
        target.mkdir()
        (target / "kept").touch()
        with pytest.raises(InvalidConfiguration, match="answers cannot be written: it is a folder"):
            atomic_write(target, b"x")
        assert [path.name for path in tmp_path.iterdir()] == ["answers"]

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "scan.png").touch()
        for target in (tmp_path / "scan.png" / "x", tmp_path / "scan.png" / "deeper" / "x"):
            with pytest.raises(InvalidConfiguration, match=r"scan\.png is not a folder"):
                atomic_write(target, b"x")

    def test_a_stream_takes_its_name_only_at_the_end(self, tmp_path: Path) -> None:
        target = tmp_path / "answers.jsonl"
        with atomic_stream(target) as stream:
            stream.write("one\n")
            assert not target.exists()
        assert target.read_bytes() == b"one\n"

    def test_a_broken_stream_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        target = tmp_path / "answers.jsonl"
        atomic_write(target, "old\n")
        with pytest.raises(KeyboardInterrupt), atomic_stream(target) as stream:
            stream.write("new\n")
            raise KeyboardInterrupt
        assert target.read_text() == "old\n"
        assert os.listdir(tmp_path) == ["answers.jsonl"]  # noqa: PTH208


class TestOptional:
    def test_an_installed_module_is_given(self) -> None:
        assert require("json.decoder", extra="train", purpose="testing").JSONDecoder

    def test_a_missing_one_names_the_cure(self) -> None:
        with pytest.raises(MissingDependency, match=r"flying needs .*pip install 'tumorscope\[train\]'"):
            require("no_such_module_anywhere.part", extra="train", purpose="flying")

    def test_a_module_that_breaks_inside_is_not_called_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "breaks_inside.py").write_text("import no_such_module_anywhere\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere") as caught:
            require("breaks_inside", extra="train", purpose="testing")
        assert not isinstance(caught.value, MissingDependency)


class TestSlice:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
    def test_whole_numbers_are_seen_over_the_range_of_their_dtype(self, dtype: type) -> None:
        limits = np.iinfo(dtype)
        pixels: NDArray[Any] = np.array([[limits.min, limits.max], [limits.min, limits.max]], dtype=dtype)
        view = Slice(pixels).as_float()
        assert view.dtype == np.float32
        np.testing.assert_allclose(view, [[0, 1], [0, 1]])

    def test_real_numbers_are_seen_over_their_own_range(self) -> None:
        image = Slice(np.array([[-2.0, 0.0, 2.0]], dtype=np.float32))
        np.testing.assert_allclose(image.as_float(), [[0, 0.5, 1]])
        assert image.shape == (1, 3)

    def test_a_given_range_is_kept_to(self) -> None:
        pixels = np.array([[-10, 0, 500, 2000]], dtype=np.int16)
        np.testing.assert_allclose(Slice(pixels, value_range=(0, 1000)).as_float(), [[0, 0, 0.5, 1]])
        np.testing.assert_array_equal(Slice(pixels, value_range=(3, 3)).as_float(), np.zeros((1, 4)))
        assert pixels.tolist() == [[-10, 0, 500, 2000]]

    def test_there_is_no_room_for_a_patient(self) -> None:
        with pytest.raises(TypeError):
            Origin(patient="somebody")  # type: ignore[call-arg]  # that it is refused is the point


class TestAnswers:
    def test_the_diagnosis_is_the_most_probable_class(self) -> None:
        probabilities = np.array([0.1, 0.2, 0.6, 0.1], dtype=np.float32)
        one = Prediction(
            probabilities, (Diagnosis.NOTUMOR,), 0.95, Verdict.ANSWERED, 0.0, "model 1", Origin()
        )
        assert one.diagnosis is Diagnosis.NOTUMOR
        assert one.confidence == pytest.approx(0.6)
        assert list(one.by_class()) == ["glioma", "meningioma", "notumor", "pituitary"]
        series = SeriesPrediction(probabilities, (0, 2), 9, "key", "model 1", None)
        assert series.diagnosis is Diagnosis.NOTUMOR
        assert series.by_class() == one.by_class()
        with pytest.raises(AttributeError):
            one.novelty = 3.0  # type: ignore[misc]  # frozen


class TestCard:
    def test_it_survives_its_own_json(self) -> None:
        card = make_card()
        assert ModelCard.model_validate_json(card.model_dump_json()) == card

    def test_one_from_before_vector_scaling_has_its_temperature(self) -> None:
        older = json.loads(make_card().model_dump_json())
        del older["vector_scaling"]
        card = ModelCard.model_validate_json(json.dumps(older))
        assert (card.temperature, card.vector_scaling) == (1.5, None)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("schema_version", 2),
            ("temperature", 0),
            ("vector_scaling", {"scale": [1, 1, 0, 1], "bias": [0, 0, 0, 0]}),
            ("vector_scaling", {"scale": [1, 1, 1, 1], "bias": [0, 0, 0]}),
            ("input_size", 16),
            ("class_order", ("a", "b", "c")),
            ("heatmap_kind", "drawn"),
            ("unheard_of", 1),
        ],
    )
    def test_what_the_schema_forbids_is_refused(self, key: str, value: object) -> None:
        document = make_card().model_dump() | {key: value}
        with pytest.raises(ValidationError, match=key):
            ModelCard.model_validate(document)
