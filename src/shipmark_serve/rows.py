"""How the inputs of several requests become one, and its output one for each again."""

from collections.abc import Callable

import numpy

from shipmark_serve.contract.arrays import Array
from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.golden import TOLERANCE
from shipmark_serve.contract.schema import Tensors

Named = dict[str, Array]


class Rows:
    """Counts, joins and parts tensors whose axis 0 is of independent rows."""

    def __init__(self, schema: Tensors) -> None:
        self._first = schema.tensors[0].name
        self._others = [spec.name for spec in schema.tensors[1:]]
        self._names = [spec.name for spec in schema.tensors]
        self._fixed = all(length != -1 for spec in schema.tensors for length in spec.shape[1:])

    def count(self, value: Named) -> int:
        """How many rows there are.

        Raises:
            InvalidInput: The tensors do not have the same number.
        """
        rows = len(value[self._first])
        if not self._others:
            return rows
        for name in self._others:
            if len(value[name]) != rows:
                raise InvalidInput(
                    "the inputs differ in rows: "
                    + ", ".join(f"{name} has {len(array)}" for name, array in value.items())
                )
        return rows

    def key(self, value: Named) -> object:
        """What values that can be joined have in common: the shapes of their rows."""
        return None if self._fixed else tuple(value[name].shape[1:] for name in self._names)

    def join(self, values: list[Named]) -> Named:
        """One value with the rows of all, in order."""
        return {name: numpy.concatenate([value[name] for value in values]) for name in self._names}

    def follows(self, output: Named, rows: int) -> bool:
        """Whether an output has a row for each row of the input."""
        return all(array.ndim and len(array) == rows for array in output.values())


def part(value: Named, counts: list[int]) -> list[Named]:
    """Give each request its rows of an output back.

    Args:
        value: Arrays whose axis 0 follows the requests.
        counts: Rows of each request, in order.

    Raises:
        PredictFailed: An array has more or fewer rows than were asked.
    """
    total = sum(counts)
    for name, array in value.items():
        if array.ndim == 0 or len(array) != total:
            raise PredictFailed(
                f"{name!r} has the shape {array.shape} where {total} rows were asked",
                hint="row i of the answer must belong to row i of the question",
            )
    parts = []
    end = 0
    for count in counts:
        begin, end = end, end + count
        parts.append({name: array[begin:end] for name, array in value.items()})
    return parts


def independent(predict: Callable[[Named], Named], one: Named, other: Named) -> bool:
    """Whether a model answers two rows together as it answers them apart, as far as these show.

    A model whose outputs are not one row for each row of the input, or whose rows depend on each
    other, has shapes that look as if requests could be joined.

    Args:
        predict: The model.
        one: A row.
        other: Another.

    Raises:
        Exception: The model's.
    """
    together = predict({name: numpy.concatenate([one[name], other[name]]) for name in one})
    for index, row in enumerate((one, other)):
        for name, array in predict(row).items():
            both = numpy.asarray(together[name])
            if numpy.shape(array)[:1] != (1,) or both.shape[:1] != (2,):
                return False
            if not _close(numpy.asarray(array)[0], both[index]):
                return False
    return True


def _close(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    scale = numpy.abs(one).max(initial=0.0)
    return bool(numpy.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True))
