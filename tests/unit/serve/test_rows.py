"""Shows that requests are joined only where rows are independent, and parted as they were."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec
from shipmark_serve.measuring import rows_are_independent
from shipmark_serve.predictor import Interface
from shipmark_serve.rows import Rows, part

X = TensorSpec(name="x", datatype="FP32", shape=(-1, 2))
Z = TensorSpec(name="z", datatype="INT64", shape=(-1, -1))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_what_was_joined_is_parted_again(counts: list[int]) -> None:
    rows = Rows(Tensors(tensors=(X,)))
    values = [{"x": numpy.full((count, 2), index, "float32")} for index, count in enumerate(counts)]
    joined = rows.join(values)
    assert rows.count(joined) == sum(counts)
    for value, back in zip(values, part(joined, counts), strict=True):
        assert (value["x"] == back["x"]).all()
        assert value["x"].shape == back["x"].shape


def test_only_rows_of_one_shape_are_joined() -> None:
    rows = Rows(Tensors(tensors=(Z,)))
    short, long = ({"z": numpy.zeros((1, n), "int64")} for n in (3, 4))
    assert rows.key(short) == rows.key(short)
    assert rows.key(short) != rows.key(long)


def test_inputs_that_differ_in_rows_are_refused() -> None:
    rows = Rows(Tensors(tensors=(X, Z)))
    value = {"x": numpy.zeros((2, 2), "float32"), "z": numpy.zeros((1, 2), "int64")}
    with pytest.raises(InvalidInput, match="x has 2, z has 1"):
        rows.count(value)


@pytest.mark.parametrize("shape", [(2,), (4,), ()])
def test_another_number_of_rows_is_the_models_mistake(shape: tuple[int, ...]) -> None:
    with pytest.raises(PredictFailed, match="where 3 rows were asked"):
        part({"y": numpy.zeros(shape)}, [1, 2])


class Function:
    def __init__(self, function: Any) -> None:
        tensors = Tensors(tensors=(X,))
        self.interface = Interface(schema=Schema(input=tensors, output=tensors), rows=True)
        self._function = function

    def predict(self, value: Any) -> Any:
        return {"y": self._function(value["x"])}


@pytest.mark.parametrize(
    ("function", "independent"),
    [
        (lambda x: x.sum(axis=1), True),
        (lambda x: x * numpy.float32(1 + 1e-7), True),
        (lambda x: x - x.mean(axis=0), False),
        (lambda x: x[x[:, 0] > 0], False),
        (lambda x: x.sum(axis=0), False),
        (lambda x: x.sum(), False),
        (lambda x: x[::-1], False),
        (lambda x: x / 0 if len(x) > 1 else x, False),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning")
def test_models_whose_rows_depend_on_each_other_are_found(function: Any, independent: bool) -> None:
    one = {"x": numpy.array([[1, 2]], "float32")}
    other = {"x": numpy.array([[3, -4]], "float32")}
    for samples in ([], [one], [one, other]):
        assert rows_are_independent(Function(function), samples) == independent
