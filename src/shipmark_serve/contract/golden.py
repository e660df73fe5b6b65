"""Golden records: inputs with the outputs expected of them, and how far an answer may be off.

A file holds one record or a list of them. Values are written as JSON: a string for text,
`{"base64": "..."}` for bytes, the value itself for JSON types, and for tensors what `/predict`
takes and answers.
"""

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from shipmark_serve.contract.errors import ShipmarkError
from shipmark_serve.contract.records import Record

TOLERANCE = 1e-3
"""Relative L2 distance that an answer may have where its record does not say."""


class Golden(Record, frozen=True, kw_only=True):
    """One record."""

    name: str | None = None
    input: Any
    output: Any
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far an answer is from what was expected, at its worst place.

    Numbers of one array are one vector: `absolute` is the L2 norm of the difference, `relative`
    that divided by the norm of the expected vector (or by 1 where that is zero). Both are
    infinite where the difference is not one of numbers.
    """

    relative: float = 0.0
    absolute: float = 0.0
    place: str = "$"
    """Where: `$` is the whole answer, `$.probabilities[0]` a part of it."""
    within: bool = True
    """Whether it is within the tolerance."""
    reason: str = ""
    """What differs, in words; empty where nothing does."""


def load(data: bytes, file: str) -> tuple[Golden, ...]:
    """Read the records of one file.

    Args:
        data: The file's bytes.
        file: What messages call it.

    Raises:
        ShipmarkError: It is not JSON, or a record is not one; file and record are named.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ShipmarkError(
            f"cannot read the golden records {file}: {error}", hint="the file must be JSON"
        ) from error
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ShipmarkError(
            f"the golden file {file} holds no record", hint="add a record, or delete the file"
        )
    records = []
    for number, item in enumerate(items, start=1):
        try:
            records.append(msgspec.convert(item, Golden))
        except msgspec.ValidationError as error:
            raise ShipmarkError(
                f"record {number} of the golden file {file} is not right: {error}",
                hint='a record is {"input": ..., "output": ...}, with "name" and "tolerance" if '
                "wanted",
            ) from error
    return tuple(records)


def as_bytes(value: object) -> bytes:
    """The bytes that a record's `{"base64": "..."}` stands for.

    Raises:
        ShipmarkError: It is not of that form.
    """
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except binascii.Error as error:
            raise ShipmarkError(f"a golden value is not base64: {error}") from error
    raise ShipmarkError(
        "a golden value of a model of bytes must be an object with the one key base64",
        hint='write it as {"base64": "..."}',
    )


def compare(expected: object, actual: object, tolerance: float = TOLERANCE) -> Difference:
    """Compare an answer with the one expected; the worst place is reported.

    Strings, booleans, nulls, bytes and keys must be equal. A string that is a JSON object or
    array is compared as that value with another such, whatever its spacing and key order.
    """
    if isinstance(expected, str) and isinstance(actual, str) and expected != actual:
        parsed = _container(expected), _container(actual)
        if parsed[0] is not None and parsed[1] is not None:
            expected, actual = parsed
    return _compare(expected, actual, tolerance, "$")


def _container(text: str) -> object | None:
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _compare(expected: object, actual: object, tolerance: float, place: str) -> Difference:
    wanted, given = _numbers(expected), _numbers(actual)
    if wanted is not None and given is not None and _shape(expected) == _shape(actual):
        return _distance(wanted, given, tolerance, place)
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        pairs = [(f"{place}.{key}", expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = [
            (f"{place}[{index}]", left, right)
            for index, (left, right) in enumerate(zip(expected, actual, strict=True))
        ]
    else:
        return _leaf(expected, actual, place)
    return max(
        (_compare(left, right, tolerance, where) for where, left, right in pairs),
        key=lambda difference: (not difference.within, difference.relative),
        default=Difference(place=place),
    )


def _distance(
    expected: list[float], actual: list[float], tolerance: float, place: str
) -> Difference:
    if _same(expected, actual):
        return Difference(place=place)
    absolute = math.dist(expected, actual)
    norm = math.hypot(*expected)
    relative = absolute / norm if norm > 0 else absolute
    if not math.isfinite(absolute):
        absolute = relative = math.inf
    return Difference(
        relative=relative,
        absolute=absolute,
        place=place,
        within=relative <= tolerance,
        reason=f"expected {_shown(expected)}, got {_shown(actual)}: relative L2 distance "
        f"{relative:.3g}, absolute {absolute:.3g}, tolerance {tolerance:g}",
    )


def _same(expected: list[float], actual: list[float]) -> bool:
    return all(
        left == right or (left != left and right != right)  # noqa: PLR0124 - NaN
        for left, right in zip(expected, actual, strict=True)
    )


def _numbers(value: object) -> list[float] | None:
    """The numbers of a number or of a nested list of numbers, in order; else None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return [float(value)]
        except OverflowError:
            return None  # too large for a float: compared exactly
    if not isinstance(value, list):
        return None
    numbers: list[float] = []
    for item in value:
        inner = _numbers(item)
        if inner is None:
            return None
        numbers += inner
    return numbers


def _shape(value: object) -> object:
    """What two nested lists of numbers share when they can be compared one by one."""
    return [_shape(item) for item in value] if isinstance(value, list) else None


def _leaf(expected: object, actual: object, place: str) -> Difference:
    if type(expected) is type(actual) and expected == actual:
        return Difference(place=place)
    wanted, given = _shown(expected), _shown(actual)
    if isinstance(expected, bytes) and isinstance(actual, bytes):
        both = zip(expected, actual, strict=False)
        shorter = min(len(expected), len(actual))
        index = next((i for i, (left, right) in enumerate(both) if left != right), shorter)
        place = f"{place}[{index}]"
        wanted = f"{len(expected)} bytes, here {_shown(expected[index : index + 16])}"
        given = f"{len(actual)} bytes, here {_shown(actual[index : index + 16])}"
    return Difference(
        relative=math.inf,
        absolute=math.inf,
        place=place,
        within=False,
        reason=f"expected {wanted}, got {given}",
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        text = f"an object with the keys {sorted(map(str, value))}"
    elif isinstance(value, list):
        text = f"{len(value)} items: {value!r}"
    else:
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
