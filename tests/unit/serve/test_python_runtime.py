"""Shows which functions `predict` may be, and the schema that their annotations give."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shipmark_serve.contract.errors import LoadFailed, PredictFailed
from shipmark_serve.contract.schema import Binary, Json, Schema, Tensors, TensorSpec, Text
from shipmark_serve.predictor import ModelFiles, Predictor
from shipmark_serve.runtimes.python import load

Files = Callable[[str], ModelFiles]
IMPORTS = """
from __future__ import annotations
import dataclasses, numpy, numpy.typing, typing
from typing import Annotated
from shipmark_serve import Tensor

@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0

class Other: ...
"""


def loaded(files: Files, code: str) -> Predictor:
    model = files("entry.py")
    assert model.entry is not None
    model.entry.write_text(IMPORTS + code)
    return load(model)


def schema(files: Files, code: str) -> Schema:
    return loaded(files, code).interface.schema


def test_no_annotation_means_text(files: Files) -> None:
    for code in (
        "def predict(text): return text",
        "def predict(text: str, more: int = 1, *rest, **others) -> str: return text",
        "class Model:\n    def predict(self, text): return text\npredict = Model().predict",
        "predict = lambda text: text",
    ):
        assert schema(files, code) == Schema(input=Text(), output=Text())


def test_bytes_and_arrays(files: Files) -> None:
    code = """
Row = Annotated[numpy.ndarray, Tensor("float32", (-1, 4))]
def predict(pixels: bytes) -> Row: ...
"""
    row = TensorSpec(name="output", datatype="FP32", shape=(-1, 4))
    assert schema(files, code) == Schema(
        input=Binary(), output=Tensors(tensors=(row,), single=True)
    )
    code = 'def predict(x: Annotated[numpy.ndarray, Tensor("str", (2,))]) -> bytes: ...'
    given = TensorSpec(name="x", datatype="BYTES", shape=(2,))
    assert schema(files, code).input == Tensors(tensors=(given,), single=True)


def test_other_types_are_json_with_their_schema(files: Files) -> None:
    both = schema(files, "def predict(point: Point) -> list[float] | None: ...")
    assert isinstance(both.input, Json)
    assert isinstance(both.output, Json)
    assert b'"required":["x"]' in bytes(both.input.schema)
    assert msgspec.json.decode(both.output.schema) == {
        "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]
    }
    anything = schema(files, "def predict(value: typing.Any) -> dict: ...")
    assert anything.input == Json()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "has no function predict"),
        ("predict = 1", "has no function predict"),
        ("def predict(x, y): ...", "takes 2: (x, y)"),
        ("def predict(*, x): ...", "exactly one required positional parameter"),
        ("def predict(*x): ...", "exactly one required positional parameter"),
        ("def predict(): ...", "exactly one required positional parameter"),
        ("async def predict(x): ...", "is async"),
        ("def predict(x: Other) -> str: ...", "the 'x' annotation of predict in entry.py"),
        ("def predict(x) -> list[Other]: ...", "the return annotation of predict in entry.py"),
        ("def predict(x: Missing) -> str: ...", "name 'Missing' is not defined"),
        ("def predict(x: numpy.ndarray): ...", "does not say which array"),
        ("def predict(x: numpy.typing.NDArray[numpy.float32]): ...", "does not say which array"),
    ],
)
def test_what_predict_may_not_be(files: Files, code: str, said: str) -> None:
    with pytest.raises(LoadFailed) as caught:
        loaded(files, code)
    assert said in caught.value.message
    assert caught.value.hint


def test_init_runs_once_and_after_the_signature_was_read(files: Files) -> None:
    code = "calls = []\ndef init(): calls.append(1)\ndef predict(text): return str(calls)"
    predictor = loaded(files, code)
    assert predictor.predict("") == predictor.predict("") == "[1]"
    with pytest.raises(LoadFailed, match="exactly one"):
        loaded(files, "def init(): 1 / 0\ndef predict(): ...")


@pytest.mark.parametrize(("annotation", "answer"), [("str", b""), ("str", None), ("bytes", "")])
def test_an_answer_of_another_type_is_the_models_mistake(
    files: Files, annotation: str, answer: Any
) -> None:
    predictor = loaded(files, f"def predict(x) -> {annotation}: return {answer!r}")
    with pytest.raises(PredictFailed, match=f"annotation says {annotation}"):
        predictor.predict("")


def test_a_name_that_is_taken_is_no_obstacle(files: Files) -> None:
    model = files("json.py")
    assert model.entry is not None
    model.entry.write_text("def predict(text): return 'mine'")
    assert load(model).predict("") == "mine"
