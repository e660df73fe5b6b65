"""Shows that codecs take what the schema says, refuse the rest with its place, and lose nothing."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import hypothesis.extra.numpy as strategies
import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import Codec, prepare
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract import arrays
from shipmark_serve.contract.errors import InvalidInput, PredictFailed, UnsupportedMediaType
from shipmark_serve.contract.schema import (
    DATATYPES,
    Binary,
    Json,
    Schema,
    Tensors,
    TensorSpec,
    Text,
    Value,
)
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from shipmark_serve.predictor import Interface

JSON = MediaType("application/json")
PLAIN = MediaType("text/plain")


def codec(value: Value, type_: Any = Any) -> Codec:
    return prepare(
        Interface(schema=Schema(input=value, output=value), input_type=type_, output_type=type_)
    )


def tensors(*specs: TensorSpec, single: bool = False) -> Codec:
    return codec(Tensors(tensors=specs, single=single))


def spec(datatype: str, *shape: int, name: str = "x") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def refused(decode: Callable[[bytes, MediaType | None], Any], body: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        decode(body, JSON)
    return caught.value.message


# -- text and bytes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        (b" hi\n", PLAIN, " hi\n"),
        ("ü".encode(), None, "ü"),
        (b"", PLAIN, ""),
        (b'"a\\n\\u00fc"', JSON, "a\nü"),
        (b' "a" ', JSON, "a"),
        (b'{"a":  1}', JSON, '{"a":  1}'),
        (b" [1, 2]", JSON, " [1, 2]"),
        (b"3.50", JSON, "3.50"),
        (b"null", MediaType("application/ld+json"), "null"),
    ],
)
def test_text_is_decoded(body: bytes, media_type: MediaType | None, text: str) -> None:
    assert codec(Text()).decode(body, media_type) == text


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\xff"', b'"a', b"[" * 100_000, b'"a" "b"'])
def test_text_that_is_not_json_is_refused(body: bytes) -> None:
    assert refused(codec(Text()).decode, body)


def test_text_of_other_media_types_and_charsets_is_refused() -> None:
    decode = codec(Text()).decode
    for header in ("image/png", "application/x-www-form-urlencoded", "text/plain; charset=latin-1"):
        with pytest.raises(UnsupportedMediaType):
            decode(b"x", media.parse(header))
    with pytest.raises(InvalidInput, match="byte 1"):
        decode(b"a\xff", PLAIN)


@pytest.mark.parametrize(
    ("asked", "accept", "body"),
    [
        (PLAIN, "", b'"a"'),
        (None, "*/*", b'"a"'),
        (JSON, "", b'"\\"a\\""'),
        (JSON, "text/plain", b'"a"'),
        (PLAIN, "application/json", b'"\\"a\\""'),
        (PLAIN, "text/*;q=0.5, application/json;q=0.9", b'"\\"a\\""'),
        (JSON, "text/plain, application/json;q=0.1", b'"a"'),
        (JSON, "application/json;q=0, */*", b'"a"'),
        (PLAIN, "image/png", b'"a"'),
        (PLAIN, "application/json;q=nonsense", b'"a"'),
    ],
)
def test_the_answer_follows_accept(asked: MediaType | None, accept: str, body: bytes) -> None:
    assert codec(Text()).encode('"a"', asked, accept).body == body


@given(st.text())
def test_text_survives_both_ways(text: str) -> None:
    both = codec(Text())
    for media_type in (PLAIN, JSON):
        assert both.decode(both.encode(text, media_type, "").body, media_type) == text


def test_an_answer_that_is_no_unicode_is_the_models_mistake() -> None:
    for media_type in (PLAIN, JSON):
        with pytest.raises(PredictFailed):
            codec(Text()).encode("\ud800", media_type, "")


@given(st.binary())
def test_bytes_are_left_alone(data: bytes) -> None:
    both = codec(Binary())
    assert both.decode(data, MediaType("image/png")) == data
    assert both.encode(data, None, "").body == data


# -- JSON types --------------------------------------------------------------------------


@dataclass
class Question:
    text: str
    weights: list[float]
    top: int = 3


class Reply(TypedDict):
    score: float
    tags: list[str]


def test_json_is_decoded_to_the_type() -> None:
    decode = codec(Json(), Question).decode
    assert decode(b'{"text": "a", "weights": [1, 2.5]}', JSON) == Question("a", [1.0, 2.5])
    assert decode(b'{"text": "a", "weights": []}', None) == Question("a", [])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"text": "a", "weights": [1, "x"]}', "at $.weights[1]: expected float, got str"),
        (b'{"weights": []}', "at $: object missing required field text"),
        (b'{"text": "a", "weights": [], "top": 1.5}', "at $.top: expected int, got float"),
        (b"[]", "at $: expected object, got array"),
        (b'{"text": "a", "weights": [NaN]}', "not JSON"),
        (b'{"text": "a", "weights": [1e999]}', "at $.weights[0]: number out of range"),
        (b"", "not JSON"),
        (b'{"text": "\xff", "weights": []}', "not JSON"),
    ],
)
def test_json_of_another_type_is_refused_with_the_place(body: bytes, said: str) -> None:
    assert said in refused(codec(Json(), Question).decode, body)


def test_json_nested_without_end_is_refused() -> None:
    assert "too deeply" in refused(codec(Json(), Any).decode, b"[" * 1_000_000)


def test_json_refuses_another_media_type() -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        codec(Json(), Any).decode(b"1", PLAIN)


def test_an_answer_must_fit_its_annotation() -> None:
    encode = codec(Json(), Reply).encode
    assert encode({"score": 1, "tags": ["a"]}, JSON, "").body == b'{"score":1,"tags":["a"]}'
    with pytest.raises(PredictFailed, match=r"at \$.tags\[0\]: expected str, got int"):
        encode({"score": 1.0, "tags": [7]}, JSON, "")
    with pytest.raises(PredictFailed, match="missing required field tags"):
        encode({"score": 1.0}, JSON, "")
    # A dataclass does not check what it is given.
    wrong: Any = "many"
    with pytest.raises(PredictFailed, match=r"at \$\.top"):
        codec(Json(), Question).encode(Question("a", [], top=wrong), JSON, "")
    with pytest.raises(PredictFailed, match="object is not a JSON type"):
        encode(object(), JSON, "")
    circular: list[Any] = []
    circular.append(circular)
    with pytest.raises(PredictFailed):
        codec(Json(), Any).encode(circular, JSON, "")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_an_answer_with_no_json_number_is_refused_and_null_is_not(number: float) -> None:
    encode = codec(Json(), Any).encode
    assert encode({"a": [None, "null"]}, JSON, "").body == b'{"a":[null,"null"]}'
    with pytest.raises(PredictFailed, match=r"\$\.a\[1\]"):
        encode({"a": [None, number]}, JSON, "")
    optional = codec(Json(), dict[str, float | None]).encode
    with pytest.raises(PredictFailed, match=r"\$\.a"):
        optional({"a": number}, JSON, "")


def test_numbers_of_numpy_are_numbers() -> None:
    value = {"score": numpy.float32(0.5), "tags": numpy.array(["a"])}
    assert codec(Json(), Reply).encode(value, JSON, "").body == b'{"score":0.5,"tags":["a"]}'


# -- tensors -----------------------------------------------------------------------------


def test_tensors_come_by_name_or_bare() -> None:
    decode = tensors(spec("FP32", -1, 2)).decode
    for body in (b'{"x": [[1, 2], [3, 4.5]]}', b" [[1, 2], [3, 4.5]]"):
        array = decode(body, JSON)["x"]
        assert array.dtype == numpy.float32
        assert array.tolist() == [[1, 2], [3, 4.5]]
    several = tensors(spec("INT64", -1, name="a:0"), spec("BYTES", name="class")).decode
    value = several(b'{"class": "s", "a:0": []}', None)
    assert value["a:0"].shape == (0,)
    assert value["class"].item() == "s"
    assert "expected object" in refused(several, b"[1]")


@pytest.mark.parametrize(
    ("shape", "body", "result"),
    [
        ((), b"1.5", ()),
        ((-1,), b"[]", (0,)),
        ((-1, 4), b"[]", (0, 4)),
        ((-1, -1, 3), b"[]", (0, 0, 3)),
        ((-1, -1, 3), b"[[],[]]", (2, 0, 3)),
        ((2, -1), b"[[],[]]", (2, 0)),
        ((2, 0), b"[[],[]]", (2, 0)),
    ],
)
@pytest.mark.parametrize("datatype", ["FP64", "BYTES"])
def test_empty_axes_keep_the_shape(
    shape: tuple[int, ...], body: bytes, result: tuple[int, ...], datatype: str
) -> None:
    if datatype == "BYTES":
        body = body.replace(b"1.5", b'"s"')
    assert tensors(spec(datatype, *shape)).decode(body, JSON)["x"].shape == result


@pytest.mark.parametrize(
    ("one", "body", "said"),
    [
        (spec("FP32", -1, 4), b"[[1,2,3]]", "at $[0]: expected array of length >= 4"),
        (spec("FP32", -1, 4), b'{"x": [[1,2,3,4,5]]}', "at $.x[0]: expected array of length <= 4"),
        (spec("FP32", -1, 4), b"[1,2,3,4]", "at $[0]: expected array, got int"),
        (spec("FP32", -1), b"[[1]]", "at $[0]: expected float, got array"),
        (spec("FP32", -1, -1), b"[[1,2],[1]]", "at $[1]: ragged, 1 items"),
        (spec("BYTES", -1, -1), b'[["a"],["a","b"]]', "at $[1]: ragged, 2 items"),
        (spec("FP32", 2, -1, 2), b'{"x": [[[1,2]],[]]}', "at $.x[1]: ragged, 0 items"),
        (spec("FP32", -1), b"[1, null]", "at $[1]: expected float, got null"),
        (spec("FP32", -1), b"[1, true]", "at $[1]: expected float, got bool"),
        (spec("FP32", -1), b"[1e39]", "at $[0]: expected float <= 3.40"),
        (spec("FP16", -1), b"[1, -70000]", "at $[1]: expected float >= -65504"),
        (spec("FP64", -1), b"[1e400]", "at $[0]: number out of range"),
        (spec("FP64", -1), b"[NaN]", "not JSON"),
        (spec("FP64", -1), b"[Infinity]", "not JSON"),
        (spec("INT64", -1), b"[1.5]", "at $[0]: expected int, got float"),
        (spec("INT64", -1), b"[9223372036854775808]", "at $[0]: expected int <= 922"),
        (spec("INT8", -1), b"[127, 128]", "at $[1]: expected int <= 127"),
        (spec("UINT8", -1), b"[-1]", "at $[0]: expected int >= 0"),
        (spec("UINT64", -1), b"[18446744073709551616]", "out of range for uint64"),
        (spec("BOOL", -1), b"[1]", "at $[0]: expected bool, got int"),
        (spec("BYTES", -1), b"[1]", "at $[0]: expected str, got int"),
        (spec("FP32", -1), b'{"y": [1]}', "unknown field y"),
        (spec("FP32", -1), b"{}", "missing required field x"),
        (spec("FP32", -1), b'{"x": [1]} {"x": [2]}', "trailing"),
        (spec("FP32", -1), b"", "not JSON"),
        (spec("FP32", -1), b"[" * 100_000, "$[0]"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_the_place(
    one: TensorSpec, body: bytes, said: str
) -> None:
    assert said in refused(tensors(one).decode, body)


def test_the_schema_is_told_to_who_got_it_wrong() -> None:
    assert "the model takes x FP32 (-1, 4)" in refused(
        tensors(spec("FP32", -1, 4)).decode, b"[[1]]"
    )


@st.composite
def array_of_any_datatype(draw: st.DrawFn) -> tuple[TensorSpec, numpy.ndarray[Any, Any]]:
    datatype = draw(st.sampled_from(DATATYPES))
    shape = draw(strategies.array_shapes(min_dims=0, max_dims=3, max_side=3))
    if datatype == "BYTES":
        items = draw(
            st.lists(st.text(max_size=4), min_size=math.prod(shape), max_size=math.prod(shape))
        )
        array = numpy.empty(shape, dtype=object)
        array.flat[:] = items
    else:
        dtype = numpy.dtype(DTYPE_OF_DATATYPE[datatype])
        finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
        array = draw(strategies.arrays(dtype, shape, elements=finite))
    open_axes = draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    lengths = [-1 if free else n for free, n in zip(open_axes, shape, strict=True)]
    return spec(datatype, *lengths), array


@given(array_of_any_datatype(), st.booleans())
def test_every_array_survives_both_ways_bit_for_bit(
    case: tuple[TensorSpec, numpy.ndarray[Any, Any]], single: bool
) -> None:
    one, array = case
    both = tensors(one, single=single)
    body = both.encode({"x": array}, JSON, "").body
    again = both.decode(body, JSON)["x"]
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    if one.datatype == "BYTES":
        assert again.tolist() == array.tolist()
    else:
        assert again.tobytes() == array.tobytes()


def test_an_answer_is_bare_where_the_model_is() -> None:
    array = numpy.array([1, 2])
    assert tensors(spec("INT64", -1)).encode({"x": array}, JSON, "").body == b'{"x":[1,2]}'
    assert tensors(spec("INT64", -1), single=True).encode({"x": array}, JSON, "").body == b"[1,2]"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (numpy.zeros((2, 3)), "'x' is float64 (2, 3), and the schema says float32 (-1, 3)"),
        (numpy.zeros((2, 4), "float32"), "float32 (2, 4)"),
        (numpy.zeros(3, "float32"), "float32 (3,)"),
        ([[1.0, 2.0, 3.0]], "a list"),
    ],
)
def test_an_answer_that_does_not_fit_is_the_models_mistake(answer: Any, said: str) -> None:
    with pytest.raises(PredictFailed) as caught:
        arrays.checked(answer, spec("FP32", -1, 3))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [([[0, 1, math.nan]], "$.x[0][2]"), ([[0, -math.inf, 1]], "-inf at $.x[0][1]")],
)
def test_numbers_that_json_has_no_form_for_are_the_models_mistake(answer: Any, said: str) -> None:
    answer = numpy.array(answer, "float32")
    with pytest.raises(PredictFailed) as caught:
        tensors(spec("FP32", -1, 3)).encode({"x": answer}, JSON, "")
    assert said in caught.value.message


def test_objects_that_are_no_strings_are_the_models_mistake() -> None:
    with pytest.raises(PredictFailed):
        tensors(spec("BYTES", -1)).encode({"x": numpy.array([object()])}, JSON, "")


# -- media types -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        ("", None),
        (" ; charset=utf-8", None),
        ("Application/JSON", MediaType("application/json")),
        ('text/plain ; charset="UTF-8"', MediaType("text/plain")),
        ("text/plain; format=flowed; charset=latin-1", MediaType("text/plain", "latin-1")),
    ],
)
def test_media_types_are_read(header: str, parsed: MediaType | None) -> None:
    assert media.parse(header) == parsed


def test_the_schema_of_an_annotated_limit_is_kept() -> None:
    positive = Annotated[int, msgspec.Meta(gt=0)]
    assert "at $: expected int >= 1" in refused(
        codec(Json(), positive).decode, json.dumps(0).encode()
    )
