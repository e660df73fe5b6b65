"""How good the answers to a data set are, in one number, added up record by record."""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from shipmark_serve.contract import golden


class Incomparable(ValueError):
    """An answer that the metric has no meaning for; the message says why."""


class Metric(Protocol):
    """One number over all records added so far, of which there must be one."""

    @property
    def greater_is_better(self) -> bool:
        """Whether the threshold is the least value or the greatest."""

    @property
    def value(self) -> float:
        """The number."""

    def add(self, expected: object, actual: object) -> str:
        """Take one record into account.

        Args:
            expected: What the record says; an object may lack keys that the answer has.
            actual: The answer.

        Returns:
            Why it counts against the model, for a person; empty where it does not, or where
            that cannot be said of one record.

        Raises:
            Incomparable: They cannot be compared.
        """


class Accuracy:
    """The share of records whose given keys agree exactly."""

    greater_is_better = True

    def __init__(self) -> None:
        self._right = 0
        self._all = 0

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self._right / self._all

    def add(self, expected: object, actual: object) -> str:
        """Count it; one that differs in any way is wrong."""
        expected, actual = _meant(expected), _meant(actual)
        actual = _of_given_keys(expected, actual)
        right = golden.compare(expected, actual, 0.0).within
        self._all += 1
        self._right += right
        return "" if right else f"expected {_shown(expected)}, got {_shown(actual)}"


class MeanError:
    """The mean of what each number's distance from the expected one costs.

    Args:
        cost: What a distance costs.
        undo: From the mean cost back to the unit of the numbers.
    """

    greater_is_better = False

    def __init__(self, cost: Callable[[float], float], undo: Callable[[float], float]) -> None:
        self._cost = cost
        self._undo = undo
        self._sum = 0.0
        self._numbers = 0

    @property
    def value(self) -> float:
        """In the unit of the numbers."""
        return self._undo(self._sum / self._numbers)

    def add(self, expected: object, actual: object) -> str:
        """Add what all its numbers cost."""
        costs = [self._cost(given - wanted) for wanted, given in _pairs(expected, actual, "$")]
        if not costs:
            raise Incomparable("the record expects no number")
        self._sum += sum(costs)
        self._numbers += len(costs)
        return ""


def _square(distance: float) -> float:
    return distance * distance


_MAKERS: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "mean_absolute_error": lambda: MeanError(abs, float),
    "root_mean_squared_error": lambda: MeanError(_square, math.sqrt),
}


def metric(name: str) -> Metric:
    """A new metric, by the name that `[validate]` gives it."""
    return _MAKERS[name]()


def _meant(value: object) -> object:
    """The object or array that a text is, where it is one; else the value itself."""
    if not isinstance(value, str):
        return value
    try:
        parsed: object = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError):
        return value
    return parsed if isinstance(parsed, dict | list) else value


def _of_given_keys(expected: object, actual: object) -> object:
    """The answer without the keys that the record does not speak of."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {
            key: _of_given_keys(expected[key], value)
            for key, value in actual.items()
            if key in expected
        }
    return actual


def _pairs(expected: object, actual: object, place: str) -> Iterator[tuple[float, float]]:
    """Each expected number with the one that was answered in its place."""
    if isinstance(expected, str) and isinstance(actual, str):
        expected, actual = _parsed(expected, place), _parsed(actual, place)
    if isinstance(expected, dict) and isinstance(actual, dict):
        if missing := sorted(expected.keys() - actual.keys()):
            raise Incomparable(f"the answer has no {missing[0]!r} at {place}")
        for key, value in expected.items():
            yield from _pairs(value, actual[key], f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            raise Incomparable(
                f"the answer has {len(actual)} items at {place}, and {len(expected)} are expected"
            )
        for index, (wanted, given) in enumerate(zip(expected, actual, strict=True)):
            yield from _pairs(wanted, given, f"{place}[{index}]")
    else:
        yield _number(expected, "the expected value", place), _number(actual, "the answer", place)


def _number(value: object, what: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Incomparable(f"{what} is no number at {place}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _parsed(text: str, place: str) -> object:
    """What a model of text means by its answer: a number, or JSON of numbers."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        value = text
    if isinstance(value, str):
        raise Incomparable(f"{_shown(text)} at {place} holds no number")
    return value
