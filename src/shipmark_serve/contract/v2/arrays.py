"""Tensors of the protocol as numpy arrays, from and to JSON and binary."""

import math
from functools import lru_cache
from typing import Any

import msgspec
import numpy

from shipmark_serve.contract import arrays
from shipmark_serve.contract.arrays import DTYPES, Array, fits
from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.schema import DATATYPES, TensorSpec
from shipmark_serve.contract.v2 import binary
from shipmark_serve.contract.validation import malformed

__all__ = ["fits", "from_binary", "from_json", "stack", "texts_of", "to_binary"]

_MAX_RANK = 32
_flat = {name: msgspec.json.Decoder(list[arrays.element(name)]) for name in DATATYPES}  # type: ignore[misc] # made at run time
_WIRE = {name: dtype.newbyteorder("<") for name, dtype in DTYPES.items()}


def from_json(data: msgspec.Raw, datatype: str, shape: tuple[int, ...], place: str) -> Array:
    """Read `data`, flat or nested.

    Raises:
        InvalidInput: An element is not of the datatype, or they are not as many as `shape` says.
    """
    text = bytes(data)
    try:
        if text[1:].lstrip()[:1] == b"[" and len(shape) > 1:
            array = _from_nested(text, datatype, shape, place)
        else:
            flat = _flat[datatype].decode(text)
            if len(flat) != math.prod(shape):
                raise _miscounted(f"{len(flat)} elements", shape, place)
            array = numpy.array(flat, DTYPES[datatype]).reshape(shape)
    except msgspec.MsgspecError as error:
        raise malformed(error, place) from error
    except OverflowError as error:
        raise arrays.out_of_range(datatype, place) from error
    return array


def _from_nested(text: bytes, datatype: str, shape: tuple[int, ...], place: str) -> Array:
    spec = TensorSpec(name="", datatype=datatype, shape=shape)
    array = arrays.of_lists(_nested(datatype, len(shape)).decode(text), spec, place)
    if array.shape != shape:
        raise _miscounted(f"nested lists of shape {list(array.shape)}", shape, place)
    return array


@lru_cache(maxsize=64)
def _nested(datatype: str, rank: int) -> msgspec.json.Decoder[Any]:
    if rank > _MAX_RANK:
        raise InvalidInput(f"a shape of {rank} dimensions is more than {_MAX_RANK}")
    return msgspec.json.Decoder(arrays.nested(datatype, (-1,) * rank))


def from_binary(data: memoryview, datatype: str, shape: tuple[int, ...], place: str) -> Array:
    """View the bytes as an array; nothing is copied where numbers can stay where they are.

    Raises:
        InvalidInput: They are not as many as datatype and shape say, or are no UTF-8.
    """
    if datatype == "BYTES":
        texts = texts_of(binary.unpack(data, place), place)
        if len(texts) != math.prod(shape):
            raise _miscounted(f"{len(texts)} elements", shape, place)
        return _objects(texts, shape)
    dtype = _WIRE[datatype]
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise _miscounted(f"{len(data)} bytes of {datatype}", shape, place)
    if datatype == "BOOL" and max(data, default=0) > 1:
        raise InvalidInput(f"at {place}: a byte of BOOL is 0 or 1")
    return numpy.frombuffer(data, dtype).reshape(shape)


def texts_of(elements: list[bytes], place: str) -> list[str]:
    """Decode the elements of a BYTES tensor.

    Raises:
        InvalidInput: One is not UTF-8.
    """
    texts = []
    for index, item in enumerate(elements):
        try:
            texts.append(item.decode())
        except UnicodeDecodeError as error:
            raise InvalidInput(f"at {place}[{index}]: the element is not UTF-8") from error
    return texts


def _objects(items: list[str], shape: tuple[int, ...]) -> Array:
    array = numpy.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def _miscounted(found: str, shape: tuple[int, ...], place: str) -> InvalidInput:
    return InvalidInput(f"at {place}: {found}, and the shape is {list(shape)}")


def to_binary(array: Array, datatype: str) -> bytes:
    """The bytes of a tensor, row-major and little-endian."""
    if datatype == "BYTES":
        try:
            return binary.pack([str(item).encode() for item in array.ravel()])
        except UnicodeEncodeError as error:
            raise PredictFailed(f"the answer is not Unicode text: {error}") from error
    return array.astype(_WIRE[datatype], copy=False).tobytes()


def stack(items: list[Array], spec: TensorSpec) -> Array:
    """One array with an axis before the others, for the answers to several items.

    Raises:
        PredictFailed: They differ in shape.
    """
    if not items:
        return numpy.empty((0, *(max(length, 0) for length in spec.shape)), DTYPES[spec.datatype])
    if len({array.shape for array in items}) > 1:
        raise PredictFailed(
            f"{spec.name!r} differs in shape between items: {[array.shape for array in items]}",
            hint="ask for one item at a time",
        )
    return numpy.stack(items)
