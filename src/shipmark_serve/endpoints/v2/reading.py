"""The inputs of a v2 request as values that the model takes."""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from shipmark_serve.contract.errors import InvalidInput
from shipmark_serve.contract.schema import Binary, Tensors, TensorSpec, Text
from shipmark_serve.contract.v2 import binary
from shipmark_serve.contract.v2.binary import Buffer, Tail
from shipmark_serve.contract.v2.messages import (
    BASE64,
    BINARY_DATA_SIZE,
    CONTENT_TYPE,
    InputTensor,
    TensorMetadata,
)
from shipmark_serve.contract.validation import malformed
from shipmark_serve.predictor import Interface

INPUT = "input"
_strings = msgspec.json.Decoder(list[str])
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Reader(Protocol):
    """Inputs to a list of what the predictor takes."""

    @property
    def tensors(self) -> tuple[TensorMetadata, ...]:
        """What it reads."""

    def __call__(self, inputs: list[InputTensor], tail: Tail) -> list[Any]:
        """Read the inputs, those in binary from `tail`.

        Raises:
            InvalidInput: They are not what the schema says.
        """


def reader(interface: Interface) -> Reader:
    """The reader of a model."""
    match interface.schema.input:
        case Tensors() as schema:
            return _Tensors(schema)
        case Text():
            return _Items(_text)
        case Binary():
            return _Items(_bytes)
        case _:
            return _Items(_json(interface.input_type))


def usual(interface: Interface) -> Callable[[Buffer], list[Any] | None] | None:
    """A reader of the requests that most are: one tensor of numbers, flat, with nothing asked.

    msgspec checks names, datatype and shape while it decodes. It answers None to any other
    request; the ordinary reader then knows what is wrong with it, if anything. None where the
    model has not one such tensor.
    """
    given = interface.schema.input
    if not isinstance(given, Tensors) or len(given.tensors) != 1:
        return None
    (spec,) = given.tensors
    if spec.datatype == "BYTES" or not spec.shape:
        return None
    from shipmark_serve.contract import arrays  # noqa: PLC0415 - text needs no numpy

    lengths = [
        Annotated[int, Meta(ge=0)] if length == -1 else Annotated[int, Meta(ge=length, le=length)]
        for length in spec.shape
    ]
    tensor = msgspec.defstruct(
        "UsualInput",
        [
            ("name", Literal[spec.name]),
            ("datatype", Literal[spec.datatype]),
            ("shape", tuple[tuple(lengths)]),  # type: ignore[misc] # made at run time
            ("data", list[arrays.element(spec.datatype)]),  # type: ignore[misc] # likewise
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "UsualRequest",
        [("inputs", tuple[tensor])],  # type: ignore[valid-type] # likewise
        forbid_unknown_fields=True,
        gc=False,
    )
    decode: Callable[[Buffer], Any] = msgspec.json.Decoder(request).decode
    name, dtype, array = spec.name, arrays.DTYPES[spec.datatype], arrays.array

    def read(body: Buffer) -> list[Any] | None:
        try:
            (given,) = decode(body).inputs
            return [{name: array(given.data, dtype).reshape(given.shape)}]
        except (ValueError, OverflowError, RecursionError):
            return None

    return read


class _Tensors:
    def __init__(self, schema: Tensors) -> None:
        from shipmark_serve.contract.v2 import arrays  # noqa: PLC0415 - text needs no numpy

        self._from_json = arrays.from_json
        self._from_binary = arrays.from_binary
        self._fits = arrays.fits
        self._specs = {spec.name: spec for spec in schema.tensors}
        self.tensors = tuple(_metadata(spec) for spec in schema.tensors)

    def __call__(self, inputs: list[InputTensor], tail: Tail) -> list[Any]:
        if len(inputs) != len(self._specs):
            raise self._misnamed(inputs)
        found = {}
        for index, given in enumerate(inputs):
            spec = self._specs.get(given.name)
            if spec is None:
                raise self._misnamed(inputs)
            place = f"$.inputs[{index}]"
            if given.datatype != spec.datatype or not self._fits(given.shape, spec.shape):
                raise InvalidInput(
                    f"at {place}: {given.name!r} is {given.datatype} {list(given.shape)}, and the "
                    f"model takes {spec.datatype} {list(spec.shape)}"
                )
            data = _data(given, tail, place)
            read = self._from_binary if type(data) is memoryview else self._from_json
            found[spec.name] = read(data, spec.datatype, given.shape, f"{place}.data")  # type: ignore[arg-type] # by its type
        if len(found) != len(inputs):
            raise self._misnamed(inputs)
        return [found]

    def _misnamed(self, inputs: list[InputTensor]) -> InvalidInput:
        names = ", ".join(repr(given.name) for given in inputs) or "none"
        return InvalidInput(
            f"at $.inputs: the model takes each of {', '.join(map(repr, self._specs))} once, and "
            f"the request has {names}"
        )


class _Items:
    """One input of BYTES, an item each."""

    def __init__(self, item: Callable[[bytes], Any]) -> None:
        self._item = item
        self.tensors = (TensorMetadata(name=INPUT, datatype="BYTES", shape=(-1,)),)

    def __call__(self, inputs: list[InputTensor], tail: Tail) -> list[Any]:
        if len(inputs) != 1 or inputs[0].name != INPUT:
            raise InvalidInput(f"at $.inputs: the model takes one input, {INPUT!r}")
        (given,) = inputs
        place = "$.inputs[0]"
        if given.datatype != "BYTES" or len(given.shape) != 1:
            raise InvalidInput(
                f"at {place}: {given.name!r} is {given.datatype} {list(given.shape)}, and the "
                "model takes BYTES [-1]"
            )
        data = _data(given, tail, place)
        place = f"{place}.data"
        if isinstance(data, memoryview):
            elements = binary.unpack(data, place)
        else:
            try:
                elements = [item.encode() for item in _strings.decode(data)]
            except _DECODE_ERRORS as error:
                raise malformed(error, place) from error
            if (given.parameters or {}).get(CONTENT_TYPE) == BASE64:
                elements = [_unbase64(item, place) for item in elements]
        if len(elements) != given.shape[0]:
            raise InvalidInput(
                f"at {place}: {len(elements)} elements, and the shape is {list(given.shape)}"
            )
        items = []
        for index, element in enumerate(elements):
            try:
                items.append(self._item(element))
            except _DECODE_ERRORS as error:
                raise malformed(error, f"{place}[{index}]") from error
        return items


def _data(given: InputTensor, tail: Tail, place: str) -> msgspec.Raw | memoryview:
    size = None if given.parameters is None else given.parameters.get(BINARY_DATA_SIZE)
    if isinstance(given.data, msgspec.Raw):
        if size is None:
            return given.data
        raise InvalidInput(f"at {place}: {given.name!r} has data, and binary_data_size too")
    if size is None:
        raise InvalidInput(f"at {place}: {given.name!r} has no data")
    return tail.take(size, place)


def _text(element: bytes) -> str:
    return element.decode()


def _bytes(element: bytes) -> bytes:
    return element


def _json(type_: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(type_).decode


def _unbase64(element: bytes, place: str) -> bytes:
    try:
        return base64.b64decode(element, validate=True)
    except binascii.Error as error:
        raise InvalidInput(f"at {place}: an element is not base64: {error}") from error


def _metadata(spec: TensorSpec) -> TensorMetadata:
    return TensorMetadata(name=spec.name, datatype=spec.datatype, shape=spec.shape)
