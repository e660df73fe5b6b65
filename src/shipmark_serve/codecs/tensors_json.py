"""Tensors as nested JSON lists, of exactly the datatype and shape of the schema."""

from typing import Annotated, Any

import msgspec
import numpy
from msgspec import Meta

from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import Answer, Decode, Encode
from shipmark_serve.codecs.json import malformed, refuse_nan
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.schema import Tensors, TensorSpec
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE

_JSON = b"application/json"
Array = numpy.ndarray[Any, Any]


def decoder(schema: Tensors) -> Decode:
    """Decode an object of nested lists, or one bare nested list where there is one input."""
    fields = {f"f{index}": spec for index, spec in enumerate(schema.tensors)}
    named = msgspec.json.Decoder(
        msgspec.defstruct(
            "Request",
            [(field, _nested(spec)) for field, spec in fields.items()],
            rename={field: spec.name for field, spec in fields.items()},
            forbid_unknown_fields=True,
        )
    )
    only = schema.tensors[0] if len(schema.tensors) == 1 else None
    bare = msgspec.json.Decoder(_nested(only)) if only is not None else None

    def decode(body: bytes, media_type: MediaType | None) -> dict[str, Array]:
        media.require_json(media_type)
        try:
            if only is not None and bare is not None and body.lstrip()[:1] != b"{":
                return {only.name: _array(bare.decode(body), only, "$")}
            request = named.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _described(malformed(error), schema) from error
        return {
            spec.name: _array(getattr(request, field), spec, f"$.{spec.name}")
            for field, spec in fields.items()
        }

    return decode


def encoder(schema: Tensors) -> Encode:
    """Encode an object of nested lists, or the bare list of a schema that is `single`."""

    def encode(value: dict[str, Array], media_type: MediaType | None, accept: str) -> Answer:
        del media_type, accept
        lists: Any = {
            spec.name: checked(value[spec.name], spec).tolist() for spec in schema.tensors
        }
        if schema.single:
            lists = lists[schema.tensors[0].name]
        try:
            body = msgspec.json.encode(lists)
        except (TypeError, UnicodeEncodeError) as error:
            raise PredictFailed(f"the answer cannot be written as JSON: {error}") from error
        if b"null" in body:
            refuse_nan(lists, "$")
        return Answer(_JSON, body)

    return encode


def checked(array: Any, spec: TensorSpec) -> Array:
    """An output that is what its schema says.

    Raises:
        PredictFailed: It is not an array, or of another dtype or shape.
    """
    if not isinstance(array, numpy.ndarray):
        raise PredictFailed(
            f"{spec.name!r} is a {type(array).__name__}, and the schema says an array",
            hint="return a numpy array",
        )
    fits = (
        array.dtype.kind in "OU"
        if spec.datatype == "BYTES"
        else array.dtype.name == DTYPE_OF_DATATYPE[spec.datatype]
    )
    if not fits or not _has_shape(array.shape, spec.shape):
        raise PredictFailed(
            f"{spec.name!r} is {array.dtype} {array.shape}, and the schema says "
            f"{DTYPE_OF_DATATYPE[spec.datatype]} {spec.shape}",
            hint="change the annotation, or convert with .astype and .reshape",
        )
    return array


def _has_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        length in (-1, given) for given, length in zip(shape, wanted, strict=True)
    )


_FLOAT_MAX = {name: float(numpy.finfo(name).max) for name in ("float16", "float32")}


def _nested(spec: TensorSpec) -> Any:
    """The type that msgspec decodes to: what it checks, numpy need not."""
    element = _element(spec.datatype)
    for length in reversed(spec.shape):
        fixed = Meta() if length == -1 else Meta(min_length=length, max_length=length)
        element = Annotated[list[element], fixed]  # type: ignore[valid-type] # made at run time
    return element


def _element(datatype: str) -> Any:
    dtype = DTYPE_OF_DATATYPE[datatype]
    if dtype in ("bool", "str", "float64"):
        return {"bool": bool, "str": str, "float64": float}[dtype]
    if dtype in _FLOAT_MAX:
        return Annotated[float, Meta(ge=-_FLOAT_MAX[dtype], le=_FLOAT_MAX[dtype])]
    limits = numpy.iinfo(dtype)
    if dtype == "uint64":  # its maximum is beyond what Meta takes; numpy checks it
        return Annotated[int, Meta(ge=0)]
    return Annotated[int, Meta(ge=int(limits.min), le=int(limits.max))]


def _array(nested: Any, spec: TensorSpec, place: str) -> Array:
    """Turn lists into an array.

    Raises:
        InvalidInput: They are ragged, or a number is out of range.
    """
    dtype = "object" if spec.datatype == "BYTES" else DTYPE_OF_DATATYPE[spec.datatype]
    rank = len(spec.shape)
    try:
        array = numpy.array(nested, dtype=dtype)
    except OverflowError as error:
        raise InvalidInput(f"at {place}: a number is out of range for {dtype}") from error
    except ValueError:
        array = None
    if array is not None and array.ndim == rank:
        return array
    lengths: list[int | None] = [None] * rank
    _measure(nested, lengths, place, 0)
    # Not ragged, and numpy cannot see the axes below an empty one.
    shape = [
        length if length is not None else max(wanted, 0)
        for length, wanted in zip(lengths, spec.shape, strict=True)
    ]
    return numpy.empty(shape, dtype=dtype)


def _measure(nested: Any, lengths: list[int | None], place: str, axis: int) -> None:
    """Find the length of each axis, or the place where two differ."""
    if axis == len(lengths):
        return
    if lengths[axis] is None:
        lengths[axis] = len(nested)
    elif lengths[axis] != len(nested):
        raise InvalidInput(
            f"at {place}: ragged, {len(nested)} items where the lists before it have "
            f"{lengths[axis]}"
        )
    for index, item in enumerate(nested):
        _measure(item, lengths, f"{place}[{index}]", axis + 1)


def _described(error: InvalidInput, schema: Tensors) -> InvalidInput:
    tensors = ", ".join(f"{spec.name} {spec.datatype} {spec.shape}" for spec in schema.tensors)
    return InvalidInput(f"{error.message}; the model takes {tensors}", hint=error.hint)
