"""Between lists, as JSON has them, and numpy arrays of exactly a datatype and shape."""

from typing import Annotated, Any

import numpy
from msgspec import Meta

from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.schema import TensorSpec
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE

Array = numpy.ndarray[Any, Any]
array = numpy.array

DTYPES = {
    datatype: numpy.dtype(object if dtype == "str" else dtype)
    for datatype, dtype in DTYPE_OF_DATATYPE.items()
}
"""numpy's dtype of each datatype; BYTES is an object array of str."""

_FLOAT_MAX = {name: float(numpy.finfo(name).max) for name in ("float16", "float32")}


def element(datatype: str) -> Any:
    """The type that msgspec decodes one element to: what it checks, numpy need not."""
    dtype = DTYPE_OF_DATATYPE[datatype]
    if dtype in ("bool", "str", "float64"):
        return {"bool": bool, "str": str, "float64": float}[dtype]
    if dtype in _FLOAT_MAX:
        return Annotated[float, Meta(ge=-_FLOAT_MAX[dtype], le=_FLOAT_MAX[dtype])]
    limits = numpy.iinfo(dtype)
    if dtype == "uint64":  # its maximum is beyond what Meta takes; numpy checks it
        return Annotated[int, Meta(ge=0)]
    return Annotated[int, Meta(ge=int(limits.min), le=int(limits.max))]


def nested(datatype: str, shape: tuple[int, ...]) -> Any:
    """The type of nested lists of that shape."""
    lists = element(datatype)
    for length in reversed(shape):
        fixed = Meta() if length == -1 else Meta(min_length=length, max_length=length)
        lists = Annotated[list[lists], fixed]  # type: ignore[valid-type] # made at run time
    return lists


def fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a shape is one that a schema allows."""
    return shape == wanted or (
        len(shape) == len(wanted)
        and all(length in (-1, given) for given, length in zip(shape, wanted, strict=True))
    )


def of_lists(lists: Any, spec: TensorSpec, place: str) -> Array:
    """Turn nested lists of the right elements and depth into an array.

    Raises:
        InvalidInput: They are ragged, or a number is out of range.
    """
    dtype = DTYPES[spec.datatype]
    rank = len(spec.shape)
    try:
        array = numpy.array(lists, dtype=dtype)
    except OverflowError as error:
        raise out_of_range(spec.datatype, place) from error
    except ValueError:
        array = None
    if array is not None and array.ndim == rank:
        return array
    lengths: list[int | None] = [None] * rank
    _measure(lists, lengths, place, 0)
    # Not ragged, and numpy cannot see the axes below an empty one.
    shape = [
        length if length is not None else max(wanted, 0)
        for length, wanted in zip(lengths, spec.shape, strict=True)
    ]
    return numpy.empty(shape, dtype=dtype)


def out_of_range(datatype: str, place: str) -> InvalidInput:
    """The error for a number that numpy could not take."""
    return InvalidInput(f"at {place}: a number is out of range for {DTYPE_OF_DATATYPE[datatype]}")


def _measure(lists: Any, lengths: list[int | None], place: str, axis: int) -> None:
    """Find the length of each axis, or the place where two differ."""
    if axis == len(lengths):
        return
    if lengths[axis] is None:
        lengths[axis] = len(lists)
    elif lengths[axis] != len(lists):
        raise InvalidInput(
            f"at {place}: ragged, {len(lists)} items where the lists before it have {lengths[axis]}"
        )
    for index, item in enumerate(lists):
        _measure(item, lengths, f"{place}[{index}]", axis + 1)


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
    right = (
        array.dtype.kind in "OU"
        if spec.datatype == "BYTES"
        else array.dtype == DTYPES[spec.datatype]
    )
    if not right or not fits(array.shape, spec.shape):
        raise PredictFailed(
            f"{spec.name!r} is {array.dtype} {array.shape}, and the schema says "
            f"{DTYPE_OF_DATATYPE[spec.datatype]} {spec.shape}",
            hint="change the annotation, or convert with .astype and .reshape",
        )
    return array
