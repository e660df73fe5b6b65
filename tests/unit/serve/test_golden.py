"""Shows that golden records are read with precise complaints, and compared by their law."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark_serve.contract import golden
from shipmark_serve.contract.errors import ShipmarkError
from shipmark_serve.contract.golden import Difference

numbers = st.floats(-1e6, 1e6)
vectors = st.lists(numbers, min_size=1, max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | numbers | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_a_value_is_itself(value: Any) -> None:
    difference = golden.compare(value, json.loads(json.dumps(value)), 0)
    assert difference.within
    assert difference.relative == difference.absolute == 0
    assert difference.reason == ""


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_the_absolute_distance_is_symmetric(pairs: list[tuple[float, float]]) -> None:
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert golden.compare(left, right).absolute == golden.compare(right, left).absolute


@given(json_values, json_values)
def test_to_be_equal_is_symmetric(left: Any, right: Any) -> None:
    assert golden.compare(left, right, 0).within == golden.compare(right, left, 0).within


@given(vectors, st.lists(numbers, min_size=8, max_size=8), st.floats(0, 10))
def test_within_means_relative_l2_at_most_the_tolerance(
    expected: list[float], noise: list[float], tolerance: float
) -> None:
    actual = [number + more for number, more in zip(expected, noise, strict=False)]
    difference = golden.compare(expected, actual, tolerance)
    assert difference.within == (difference.relative <= tolerance)
    norm = math.hypot(*expected) or 1.0
    assert difference.relative == pytest.approx(math.dist(expected, actual) / norm)


@given(vectors, st.floats(1e-3, 1e3))
def test_the_relative_distance_does_not_depend_on_the_unit(
    expected: list[float], unit: float
) -> None:
    actual = [number * 1.01 for number in expected]
    scaled = golden.compare([n * unit for n in expected], [n * unit for n in actual])
    if math.hypot(*expected) > 1e-100:
        assert golden.compare(expected, actual).relative == pytest.approx(scaled.relative, rel=1e-6)


def test_a_larger_tolerance_lets_more_through() -> None:
    assert not golden.compare([1.0, 2.0], [1.0, 2.01], 1e-3).within
    assert golden.compare([1.0, 2.0], [1.0, 2.01], 1e-2).within


def test_numbers_of_one_array_are_one_vector_and_keys_are_apart() -> None:
    assert golden.compare([1000.0, 1.0], [1000.0, 1.5]).within
    apart = golden.compare({"big": 1000.0, "small": 1.0}, {"big": 1000.0, "small": 1.5})
    assert not apart.within
    assert apart.place == "$.small"
    assert apart.relative == pytest.approx(0.5)
    assert "tolerance 0.001" in apart.reason


def test_the_worst_place_is_named() -> None:
    difference = golden.compare(
        {"rows": [{"score": 1.0}, {"score": 1.0}]}, {"rows": [{"score": 1.1}, {"score": 3.0}]}
    )
    assert difference.place == "$.rows[1].score"


def test_zeros_are_compared_by_absolute_distance() -> None:
    assert golden.compare([0.0, 0.0], [1e-9, 0.0]).within
    assert not golden.compare([0.0, 0.0], [0.1, 0.0]).within


def test_nan_equals_nan_and_nothing_else() -> None:
    nan = math.nan
    assert golden.compare([1.0, nan], [1.0, nan]).within
    assert golden.compare([1.0, math.inf], [1.0, math.inf]).within
    for actual in ([1.0, 2.0], [nan, 2.0], [nan, nan], [1.0, math.inf]):
        difference = golden.compare([1.0, nan], actual, 1e9)
        assert not difference.within
        assert difference.relative == math.inf
    assert not golden.compare([math.inf], [-math.inf], 1e9).within
    assert not golden.compare([1.0], [math.inf], 1e9).within


@pytest.mark.parametrize(
    ("expected", "actual", "place"),
    [
        (1, True, "$"),
        (1, "1", "$"),
        (None, 0, "$"),
        (b"abc", b"abd", "$[2]"),
        (b"abc", b"ab", "$[2]"),
        ([1, 2], [1, 2, 3], "$"),
        ([[1], [2, 3]], [[1, 2], [3]], "$[0]"),
        ({"a": 1}, {"b": 1}, "$"),
        ({"a": ["x", "y"]}, {"a": ["x", "z"]}, "$.a[1]"),
        ([True, 1.0], [True, 2.0], "$[1]"),
        ([True, 1.0], [False, 1.0], "$[0]"),
        (10**400, 10**400 + 1, "$"),
        ({"a": 1}, [1], "$"),
    ],
)
def test_what_differs_is_named(expected: Any, actual: Any, place: str) -> None:
    difference = golden.compare(expected, actual, 1e-3)
    assert not difference.within
    assert difference.place == place
    assert difference.reason


def test_one_is_one_point_zero() -> None:
    assert golden.compare([1, 2], [1.0, 2.0], 0) == Difference()


def test_strings_that_are_json_objects_are_compared_as_json() -> None:
    assert golden.compare('{"a": 1, "b": [1.0]}', '{"b":[1.0000001],"a":1}').within
    assert not golden.compare('{"a": 1}', '{"a": 2}').within
    assert not golden.compare("1.0", "1.00").within
    assert not golden.compare('"a"', '"a" ').within
    assert not golden.compare("{", "[").within


def test_a_file_holds_one_record_or_a_list() -> None:
    one = golden.load(b'{"input": "a", "output": "b"}', "g.json")
    assert [(record.input, record.output, record.tolerance) for record in one] == [("a", "b", 1e-3)]
    two = golden.load(
        b'[{"input": null, "output": 1}, {"name": "x", "input": 1, "output": 2, "tolerance": 0}]',
        "g.json",
    )
    assert [record.name for record in two] == [None, "x"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "golden/a.json"),
        (b"\xff", "golden/a.json"),
        (b"[" * 100_000, "golden/a.json"),
        (b"[]", "golden/a.json holds no record"),
        (b'[{"input": 1, "output": 1}, {"input": 1}]', "record 2 of the golden file golden/a.json"),
        (b'{"input": 1, "output": 1, "tolerance": -1}', "$.tolerance"),
        (b'{"input": 1, "output": 1, "tolerence": 1}', "tolerence"),
        (b'["text"]', "record 1"),
    ],
)
def test_a_file_that_is_not_right_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ShipmarkError) as caught:
        golden.load(data, "golden/a.json")
    assert said in caught.value.message
    assert caught.value.hint


def test_bytes_are_written_as_base64() -> None:
    assert golden.as_bytes({"base64": "AAE="}) == b"\x00\x01"
    for value in ("AAE=", {"base64": "?"}, {"base64": 1}, {"base64": "", "x": 1}):
        with pytest.raises(ShipmarkError):
            golden.as_bytes(value)
