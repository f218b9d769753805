"""The ONNX file format, without the ``onnx`` package.

Owns the message class that parses a model. The schema is the standard's own (``onnx-ml.proto`` of ONNX, Apache-2.0, as
a serialized descriptor beside this module); protobuf, which ONNX Runtime brings, does the parsing. The package itself
would add 40 MB to every hospital's installation and a fifth of a second to every start for a few checks.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["EXTERNAL", "FLOAT", "UINT8", "NotOnnx", "data_type_name", "parse_model"]

FLOAT, UINT8 = 1, 2
"""``TensorProto.DataType``."""
EXTERNAL = 1
"""``TensorProto.DataLocation``: the values lie in another file."""

_SCHEMA = Path(__file__).with_name("onnx-ml.proto.bin")
_DATA_TYPES = "onnx.TensorProto.DataType"


class NotOnnx(ValueError):
    """The bytes are no ONNX model."""


def parse_model(content: bytes) -> ModelProto:
    """Parse a serialized ``ModelProto``.

    Raises
    ------
    NotOnnx
        If the bytes are not the serialization of one.
    """
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass

    try:
        model = GetMessageClass(_pool().FindMessageTypeByName("onnx.ModelProto")).FromString(content)
    except DecodeError as error:
        raise NotOnnx from error
    return cast("ModelProto", model)


def data_type_name(number: int) -> str:
    """Name of an element type in lower case, such as ``uint8``; the number where the standard has no name."""
    found = _pool().FindEnumTypeByName(_DATA_TYPES).values_by_number.get(number)
    return found.name.lower() if found else str(number)


@cache
def _pool():  # type: ignore[no-untyped-def]  # protobuf is untyped
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    # A pool of its own: the package onnx, where it is installed, registers the same names in the common one.
    pool = DescriptorPool()
    pool.Add(FileDescriptorProto.FromString(_SCHEMA.read_bytes()))
    return pool
