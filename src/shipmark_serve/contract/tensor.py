"""The marker of a tensor in the annotations of `predict`; importable without numpy.

from shipmark_serve import Tensor

def predict(x: Annotated[numpy.ndarray, Tensor("float32", (-1, 4))]) -> ...
"""

from dataclasses import dataclass

from shipmark_serve.contract.schema import TensorSpec

DATATYPE_OF_DTYPE = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "str": "BYTES",
}
"""v2 datatype of each numpy dtype; `str` is an object array of strings."""

DTYPE_OF_DATATYPE = {datatype: dtype for dtype, datatype in DATATYPE_OF_DTYPE.items()}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Datatype and shape of an array.

    Args:
        dtype: A numpy name: bool, (u)int8 to (u)int64, float16 to float64, or str.
        shape: One number per axis; -1 is an axis of any length.

    Raises:
        ValueError: The dtype is not one of those, or the shape holds something else.
    """

    dtype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.dtype not in DATATYPE_OF_DTYPE:
            raise ValueError(f"dtype {self.dtype!r} is none of {', '.join(DATATYPE_OF_DTYPE)}")
        if not all(type(length) is int and length >= -1 for length in self.shape):
            raise ValueError(f"shape {self.shape!r} is not a tuple of lengths (-1 for any)")

    def spec(self, name: str) -> TensorSpec:
        """The tensor under the name that requests and answers call it by."""
        return TensorSpec(
            name=name, datatype=DATATYPE_OF_DTYPE[self.dtype], shape=tuple(self.shape)
        )
