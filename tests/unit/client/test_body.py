"""Values become bodies that say the same, or are refused."""

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.client import body_of, sniffed
from shipmark.client.body import JSON, OCTETS, TEXT
from shipmark.errors import ShipmarkError
from shipmark_serve.contract.errors import InvalidInput

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_json_comes_back(value: object) -> None:
    body = body_of(value, JSON)

    assert msgspec.json.decode(body.data) == value


@given(st.text())
def test_text_is_sent_as_it_is(text: str) -> None:
    assert body_of(text) == body_of(text.encode(), TEXT)


def test_bytes_are_sent_as_they_are() -> None:
    assert (body_of(b"\xff").data, body_of(b"\xff").media_type) == (b"\xff", OCTETS)
    assert body_of(b"\xff", "image/png").media_type == "image/png"


def test_arrays_and_records() -> None:
    @dataclass
    class Point:
        x: float

    assert body_of(numpy.array([[1, 2]])).data == b"[[1,2]]"
    assert body_of({"x": numpy.float32(0.5), "p": Point(1)}).data == b'{"x":0.5,"p":{"x":1}}'


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        [1.0, math.inf],
        {"a": [-math.inf]},
        numpy.array([math.nan]),
        object(),
        {1, object()},
    ],
)
def test_what_json_has_no_form_for(value: object) -> None:
    with pytest.raises(InvalidInput, match="cannot be written as JSON"):
        body_of(value)


def test_null_is_not_taken_for_nan() -> None:
    assert body_of({"null": None}).data == b'{"null":null}'


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("x.json", b"broken {", JSON),
        ("x", b' {"a": 1}', JSON),
        ("x", b"[1]", JSON),
        ("x", b"4.5", JSON),
        ("x", b"null", JSON),
        ("x", b'"quoted"', TEXT),
        ("x", b"NaN", TEXT),
        ("x", b"007", TEXT),
        ("x", b"", TEXT),
        ("x.csv", b"a,b", TEXT),
        ("x", "grüß".encode(), TEXT),
        ("x.png", b"\x89PNG\xff", "image/png"),
        ("x.bin", b"\xff", OCTETS),
        ("x", b"\xff", OCTETS),
        ("x", b"[" * 100_000, TEXT),
    ],
)
def test_what_a_file_holds(tmp_path: Path, name: str, data: bytes, media_type: str) -> None:
    (tmp_path / name).write_bytes(data)

    assert sniffed(data, name) == media_type
    assert body_of(tmp_path / name).media_type == media_type
    assert body_of(tmp_path / name, "application/x-own").media_type == "application/x-own"
    assert body_of(tmp_path / name).data == data


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ShipmarkError, match="no such file or directory"):
        body_of(tmp_path / "absent")
    with pytest.raises(ShipmarkError, match="is a directory"):
        body_of(tmp_path)
