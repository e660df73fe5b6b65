"""What a model takes and gives, in one small language that every protocol is made from."""

import msgspec

from shipmark_serve.contract.records import Record

DATATYPES = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BYTES",
)  # fmt: skip
"""Tensor datatypes. Source: Open Inference Protocol v2, "Tensor Data Types"."""


class TensorSpec(Record, frozen=True, kw_only=True):
    """One named tensor; -1 in `shape` is a dimension of any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Text(Record, frozen=True, kw_only=True, tag="text", tag_field="kind"):
    """A string."""


class Binary(Record, frozen=True, kw_only=True, tag="bytes", tag_field="kind"):
    """Bytes as they are."""


class Json(Record, frozen=True, kw_only=True, tag="json", tag_field="kind"):
    """A JSON value of a Python type; `schema` is its JSON Schema (empty: any value)."""

    schema: msgspec.Raw = msgspec.Raw(b"{}")


class Tensors(Record, frozen=True, kw_only=True, tag="tensors", tag_field="kind"):
    """Named tensors, in order.

    `single` says that the package's own function takes or returns one bare array, so that
    `/predict` speaks of the array itself and not of an object with one key.
    """

    tensors: tuple[TensorSpec, ...]
    single: bool = False


Value = Text | Binary | Json | Tensors


class Schema(Record, frozen=True, kw_only=True):
    """Input and output of `predict`."""

    input: Value
    output: Value
