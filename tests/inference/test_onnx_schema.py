"""The schema beside the module is the standard's, and parses what the onnx package writes."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import tumorscope.inference.onnx_schema as schema
from tumorscope.inference.onnx_schema import EXTERNAL, FLOAT, UINT8, NotOnnx, data_type_name, parse_model


def test_parses_what_the_package_writes(bundle_path: Path) -> None:
    content = bundle_path.read_bytes()
    ours, theirs = parse_model(content), onnx.load_model_from_string(content)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    assert [node.op_type for node in ours.graph.node] == [node.op_type for node in theirs.graph.node]


def test_constants_are_those_of_the_standard() -> None:
    assert (FLOAT, UINT8) == (onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8)
    assert EXTERNAL == onnx.TensorProto.EXTERNAL
    assert data_type_name(UINT8) == "uint8"
    assert data_type_name(999) == "999"


def test_no_field_of_the_installed_standard_is_unknown() -> None:
    """A field that the checks could not see might hide what they refuse."""
    pool = schema._pool()
    for message in onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values():
        known = pool.FindMessageTypeByName(message.full_name).fields_by_number
        assert set(message.fields_by_number) <= set(known), message.full_name


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", b"not a model at all", b"\x08"])
def test_other_bytes_are_no_model(content: bytes) -> None:
    with pytest.raises(NotOnnx):
        parse_model(content)
