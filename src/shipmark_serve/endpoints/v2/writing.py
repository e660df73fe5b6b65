"""The values that a model gives as the outputs of a v2 answer."""

import base64
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from shipmark_serve.codecs import json
from shipmark_serve.codecs.json import refuse_nan
from shipmark_serve.contract.errors import PredictFailed
from shipmark_serve.contract.schema import Binary, Tensors, Text
from shipmark_serve.contract.v2 import binary
from shipmark_serve.contract.v2.messages import (
    BASE64,
    BINARY_DATA_SIZE,
    CONTENT_TYPE,
    OutputTensor,
    Parameters,
    TensorMetadata,
)
from shipmark_serve.predictor import Interface

OUTPUT = "output"
_MOST_SHAPES = 1024
_encode = msgspec.json.Encoder().encode


class Writer(Protocol):
    """A list of what the predictor gave to outputs."""

    @property
    def tensors(self) -> tuple[TensorMetadata, ...]:
        """What it writes."""

    def __call__(self, index: int, value: list[Any], tail: list[bytes] | None) -> bytes:
        """Write one of the outputs as JSON; its bytes go to `tail` where that is given.

        Raises:
            PredictFailed: The protocol has no form for it.
        """


def writer(interface: Interface) -> Writer:
    """The writer of a model."""
    match interface.schema.output:
        case Tensors() as schema:
            stacked = not isinstance(interface.schema.input, Tensors)
            return _Tensors(schema, stacked=stacked)
        case Text():
            return _Items(_text)
        case Binary():
            return _Items(_bytes)
        case _:
            return _Items(_json(interface.output_type))


class _Tensors:
    def __init__(self, schema: Tensors, *, stacked: bool) -> None:
        from shipmark_serve.contract.v2 import arrays  # noqa: PLC0415 - text needs no numpy

        self._to_binary = arrays.to_binary
        self._stack = arrays.stack
        self._specs = schema.tensors
        self._stacked = stacked
        self._before: dict[tuple[int, tuple[int, ...]], bytes] = {}
        self.tensors = tuple(
            TensorMetadata(
                name=spec.name,
                datatype=spec.datatype,
                shape=(-1, *spec.shape) if stacked else spec.shape,
            )
            for spec in schema.tensors
        )

    def __call__(self, index: int, value: list[Any], tail: list[bytes] | None) -> bytes:
        spec = self._specs[index]
        name = spec.name
        array = (
            self._stack([item[name] for item in value], spec) if self._stacked else value[0][name]
        )
        shape = array.shape
        if tail is not None:
            data = self._to_binary(array, spec.datatype)
            tail.append(data)
            parameters = {BINARY_DATA_SIZE: len(data)}
            return _encode(
                OutputTensor(name=name, datatype=spec.datatype, shape=shape, parameters=parameters)
            )
        before = self._before.get((index, shape))
        if before is None:
            before = self._begin(index, shape)
        elements = array.ravel().tolist()
        try:
            data = _encode(elements)
        except (TypeError, UnicodeEncodeError) as error:
            raise PredictFailed(f"{name!r} cannot be written as JSON: {error}") from error
        if b"null" in data:
            refuse_nan(elements, name)
        return b"%b%b}" % (before, data)

    def _begin(self, index: int, shape: tuple[int, ...]) -> bytes:
        """A tensor of that shape in JSON as far as its data, which is most of what it takes."""
        spec = self._specs[index]
        if len(self._before) == _MOST_SHAPES:
            self._before.clear()
        tensor = OutputTensor(name=spec.name, datatype=spec.datatype, shape=shape)
        before = self._before[index, shape] = _encode(tensor)[:-1] + b',"data":'
        return before


class _Items:
    """One output of BYTES, an element for each item."""

    def __init__(self, element: Callable[[Any], bytes]) -> None:
        self._element = element
        self.tensors = (TensorMetadata(name=OUTPUT, datatype="BYTES", shape=(-1,)),)

    def __call__(self, index: int, value: list[Any], tail: list[bytes] | None) -> bytes:
        del index
        elements = [self._element(item) for item in value]
        parameters: Parameters | UnsetType = UNSET
        texts: list[str] | UnsetType = UNSET
        if tail is not None:
            data = binary.pack(elements)
            tail.append(data)
            parameters = {BINARY_DATA_SIZE: len(data)}
        else:
            try:
                texts = [element.decode() for element in elements]
            except UnicodeDecodeError:
                parameters = {CONTENT_TYPE: BASE64}
                texts = [base64.b64encode(element).decode() for element in elements]
        return _encode(
            OutputTensor(
                name=OUTPUT,
                datatype="BYTES",
                shape=(len(elements),),
                parameters=parameters,
                data=texts,
            )
        )


def _text(item: str) -> bytes:
    try:
        return item.encode()
    except UnicodeEncodeError as error:
        raise PredictFailed(f"the answer is not Unicode text: {error}") from error


def _bytes(item: bytes) -> bytes:
    return item


def _json(type_: Any) -> Callable[[Any], bytes]:
    encode = json.encoder(type_)
    return lambda item: encode(item, None, "").body
