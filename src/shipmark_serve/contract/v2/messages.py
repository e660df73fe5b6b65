"""The JSON of the protocol. Source: Open Inference Protocol v2, "Inference", "Metadata"."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

Parameters = dict[str, Any]
"""Values are strings, numbers or booleans; each reader checks those that it knows."""

BINARY_DATA = "binary_data"
"""Of a requested output: whether it should be answered in binary."""
BINARY_DATA_OUTPUT = "binary_data_output"
"""Of a request: the same for every output that does not say."""
BINARY_DATA_SIZE = "binary_data_size"
"""Of a tensor: its bytes after the JSON; it has no `data` then."""
CONTENT_TYPE = "content_type"
"""Of a BYTES tensor in JSON: BASE64 where its elements are no text."""
BASE64 = "base64"

EXTENSIONS = ("binary_tensor_data",)
JSON_LENGTH = "Inference-Header-Content-Length"
"""The header with the length of the JSON in a body that goes on in binary."""


class InputTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor of a request, with `data` as it was sent."""

    name: str
    datatype: str
    shape: tuple[Annotated[int, Meta(ge=0)], ...]
    parameters: Parameters | None = None
    data: Raw | UnsetType = UNSET


class RequestedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output that the caller wants, and how."""

    name: str
    parameters: Parameters | None = None


class InferRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The body of `POST /v2/models/{m}/infer`, or the JSON that begins it."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[RequestedOutput] | None = None


class OutputTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor of an answer; `data` is a flat list, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: Parameters | UnsetType = UNSET
    data: Any = UNSET


class InferResponse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to an InferRequest."""

    model_name: str
    model_version: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    parameters: Parameters | UnsetType = UNSET
    outputs: list[OutputTensor]


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /v2`."""

    name: str
    version: str
    extensions: tuple[str, ...] = EXTENSIONS


class TensorMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that a model takes or gives; -1 in `shape` is a dimension of any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /v2/models/{m}`."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is none."""

    error: str
