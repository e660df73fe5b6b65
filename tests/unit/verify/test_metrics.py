"""The metrics are what their names say in scikit-learn, and refuse what they cannot compare."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from shipmark.package.config_rules import METRICS
from shipmark.verify.metrics import Incomparable, metric

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1)
numbers = st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1)


def measured(name: str, pairs: list[tuple[Any, Any]]) -> float:
    made = metric(name)
    for expected, actual in pairs:
        made.add(expected, actual)
    return made.value


def test_every_name_that_a_package_may_give_is_known() -> None:
    assert [metric(name).greater_is_better for name in METRICS] == [True, False, False]


@given(labels)
def test_accuracy(pairs: list[tuple[int, int]]) -> None:
    expected, actual = zip(*pairs, strict=True)

    assert measured("accuracy", pairs) == sklearn.accuracy_score(expected, actual)


@given(numbers)
def test_mean_errors(pairs: list[tuple[float, float]]) -> None:
    expected, actual = zip(*pairs, strict=True)

    assert measured("mean_absolute_error", pairs) == pytest.approx(
        sklearn.mean_absolute_error(expected, actual)
    )
    assert measured("root_mean_squared_error", pairs) == pytest.approx(
        sklearn.root_mean_squared_error(expected, actual)
    )


@pytest.mark.parametrize(
    ("expected", "actual", "right"),
    [
        ({"label": [7]}, {"label": [7], "probabilities": [[0.1, 0.9]]}, True),
        ({"label": [7]}, {"label": [8], "probabilities": [[0.1, 0.9]]}, False),
        ({"label": [7]}, {"probabilities": [[0.1, 0.9]]}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, True),
        (7, 7.0, True),
        (0.3, 0.30000001, False),
        ("7", 7, False),
        (True, 1, False),
        ("cat", "cat", True),
        ("cat", "dog", False),
        ('{"label": "cat"}', '{"score": 0.5, "label":"cat"}', True),
        ({"label": "cat"}, '{"score": 0.5, "label":"cat"}', True),
        ({"label": "cat"}, "cat", False),
        (b"x", b"x", True),
        (b"x", b"y", False),
        ([1, 2], [1, 2, 3], False),
    ],
)
def test_what_agrees(expected: object, actual: object, right: bool) -> None:
    accuracy = metric("accuracy")

    told = accuracy.add(expected, actual)

    assert accuracy.value == right
    assert (told == "") == right


def test_what_is_wrong_is_shown_in_short() -> None:
    told = metric("accuracy").add({"label": [7]}, {"label": list(range(100)), "more": 1})

    assert told.startswith("expected {'label': [7]}, got {'label': [0, 1, 2,")
    assert len(told) < 200


@pytest.mark.parametrize(
    ("expected", "actual", "error"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 8]], 1.0),
        ({"y": 1}, {"y": 3, "note": "x"}, 2.0),
        ("1.5", "2", 0.5),
        ('{"y": 1}', '{"y": 2}', 1.0),
        (10**400, 1, math.inf),
    ],
)
def test_mean_absolute_error_of(expected: object, actual: object, error: float) -> None:
    assert measured("mean_absolute_error", [(expected, actual)]) == error


def test_errors_too_large_for_a_float_are_infinite() -> None:
    assert measured("root_mean_squared_error", [(1e300, -1e300)]) == math.inf


@pytest.mark.parametrize(
    ("expected", "actual", "words"),
    [
        ([1, 2], [1], "the answer has 1 items at $, and 2 are expected"),
        ({"y": [1]}, {"x": [1]}, "the answer has no 'y' at $"),
        ({"y": [1]}, {"y": ["1"]}, "the answer is no number at $.y[0]"),
        ({"y": "cat"}, {"y": 1}, "the expected value is no number at $.y"),
        (True, 1, "the expected value is no number at $"),
        (None, 1, "the expected value is no number at $"),
        ([1], 1, "the expected value is no number at $"),
        ("cat", "dog", "'cat' at $ holds no number"),
        ([], [], "expects no number"),
    ],
)
def test_what_has_no_distance(expected: object, actual: object, words: str) -> None:
    with pytest.raises(Incomparable) as caught:
        metric("mean_absolute_error").add(expected, actual)

    assert words in str(caught.value)
