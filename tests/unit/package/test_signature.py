"""The entry file is read from its text alone: faults with their lines, schemas where certain."""

from pathlib import Path

import msgspec
import pytest

from shipmark_serve.contract.schema import Binary, Json, Tensors, TensorSpec, Text, Value
from tests.unit.package.making import PREDICT, complaints, read_files, the_only

HEAD = """
from __future__ import annotations
import typing as t, numpy as np, numpy.typing as npt
from typing import Annotated, Any, Optional, Union
from numpy.typing import NDArray
from shipmark_serve import Tensor
Row = Annotated[np.ndarray, Tensor("float32", (-1, 4))]
Again = Row
Words = "list[str]"
"""


@pytest.mark.parametrize(
    ("source", "place", "message"),
    [
        ("def predict(x:\n    pass", "model.py:1", "is not Python 3.11"),
        ("def predict(x)\n    pass", "model.py:1", "expected ':'"),
        ("\n\nx = 'open", "model.py:3", "unterminated string"),
        ("def predict(x): return x\0", "model.py", "is not Python"),
        ("(" * 2000 + ")" * 2000, "model.py:1", "too many nested"),
        ("-" * 100_000 + "1", "model.py", "nested too deeply"),
        ("x" + ".a" * 100_000, "model.py", "recursion"),
        ("# -*- coding: nothing -*-", "model.py", "is not Python"),
        ("type X = int\ndef predict(x): ...", "model.py:1", "is not Python 3.11"),
        ("", "model.py", "defines no function predict"),
        ("class A:\n    def predict(self, x): ...", "model.py", "defines no function predict"),
        ("def predict(): ...", "model.py:1", "takes none"),
        ("\ndef predict(a, b): ...", "model.py:2", "takes a, b"),
        ("def predict(a=1): ...", "model.py:1", "takes none"),
        ("def predict(*a): ...", "model.py:1", "takes none"),
        ("def predict(a, *, b): ...", "model.py:1", "takes a, b"),
        ("def predict(*, b): ...", "model.py:1", "takes b"),
        ("async def predict(a): ...", "model.py:1", "predict is async"),
        ("def init(path): ...\ndef predict(a): ...", "model.py:1", "init must take nothing"),
        ("async def init(): ...\ndef predict(a): ...", "model.py:1", "init is async"),
        ("def predict(a): ...\ndef predict_batch(): ...", "model.py:2", "predict_batch must"),
        ("def predict(a: '('): ...", "model.py:1", "the annotation of 'a'"),
        (f"{HEAD}def predict(a: np.ndarray): ...", "model.py:10", "needs its datatype"),
        (f"{HEAD}def predict(a) -> NDArray[np.float32]: ...", "model.py:10", "return value"),
        (
            f"{HEAD}def predict(a: Annotated[np.ndarray, Tensor('f4', (1,))]): ...",
            "model.py:10",
            "dtype 'f4' is none of",
        ),
    ],
)
def test_fault(tmp_path: Path, source: str, place: str, message: str) -> None:
    toml = "[python]\nversion = '3.11'"
    found = the_only(complaints(tmp_path, {"model.py": source, "shipmark.toml": toml}))
    assert found.place == place
    assert message in found.message
    assert found.mend


def test_class_with_predict_is_explained(tmp_path: Path) -> None:
    source = "class Predictor:\n    def predict(self, x): ..."
    assert (
        "the class Predictor has one" in the_only(complaints(tmp_path, {"model.py": source})).mend
    )


FOUR = Tensors(tensors=(TensorSpec(name="x", datatype="FP32", shape=(-1, 4)),), single=True)


def json_of(kind: object) -> Json:
    """The schema that the server makes of the same annotation."""
    return Json(schema=msgspec.Raw(msgspec.json.encode(msgspec.json.schema(kind))))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("", Text()),
        (": str", Text()),
        (": 'str'", Text()),
        (": bytes", Binary()),
        (": int", json_of(int)),
        (": float", json_of(float)),
        (": bool", json_of(bool)),
        (": list", json_of(list)),
        (": dict", json_of(dict)),
        (": list[dict[str, float]]", json_of(list[dict[str, float]])),
        (": Words", json_of(list[str])),
        (": t.List[int]", json_of(list[int])),
        (": Optional[int]", json_of(int | None)),
        (": int | str | None", json_of(int | str | None)),
        (": Union[int, list[str]]", json_of(int | list[str])),
        (": Row", FOUR),
        (": Again", FOUR),
        (": t.Annotated[npt.NDArray[np.float32], Tensor('float32', (-1, 4))]", FOUR),
        (": Annotated[np.ndarray, Tensor(shape=(-1, 4), dtype='float32')]", FOUR),
    ],
)
def test_input(tmp_path: Path, annotation: str, expected: Value) -> None:
    source = f"{HEAD}def predict(x{annotation}) -> str: ..."
    schema = read_files(tmp_path, {"model.py": source}).model.schema
    assert schema is not None
    assert (schema.input, schema.output) == (expected, Text())


def test_output_tensor_is_called_output(tmp_path: Path) -> None:
    schema = read_files(
        tmp_path, {"model.py": f"{HEAD}def predict(x: Row) -> Row: ..."}
    ).model.schema
    assert schema is not None
    assert isinstance(schema.output, Tensors)
    assert [spec.name for spec in schema.output.tensors] == ["output"]


@pytest.mark.parametrize(
    "source",
    [
        "from other import predict",
        "from other import *",
        "from other import f as predict",
        "import other\npredict = other.predict",
        "if True:\n    def predict(a, b): ...",
        "try:\n    from a import predict\nexcept ImportError:\n    predict = None",
        "@decorated\ndef predict(a, b): ...",
        "class predict: ...",
        "def predict(x: House): ...\nclass House: ...",
        "class str: ...\ndef predict(x: str): ...",
        "from mine import str\ndef predict(x: str): ...",
        "import mine\ndef predict(x: mine.Tensor): ...",
        "A = int\nA = str\ndef predict(x: A): ...",
        "A = 'B'\nB = 'A'\ndef predict(x: A): ...",
        f"{HEAD}SHAPE = (1,)\ndef predict(x: Annotated[np.ndarray, Tensor('float32', SHAPE)]): ...",
        "def predict(x: 3): ...",
        "def predict(x: list[3]): ...",
        "def predict(x: " + "list[" * 60 + "int" + "]" * 60 + "): ...",
        "\n".join(["A0 = int", *(f"A{n + 1} = dict[str, A{n}] | list[A{n}]" for n in range(40))])
        + "\ndef predict(x: A40): ...",
    ],
)
def test_left_to_the_server(tmp_path: Path, source: str) -> None:
    package = read_files(tmp_path, {"model.py": source})
    assert package.model.schema is None
    package.source.close()


def test_nothing_is_executed(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    files = {
        "model.py": f"open({str(trap)!r}, 'w')\n{PREDICT}",
        "sitecustomize.py": f"open({str(trap)!r}, 'w')",
        "conftest.py": f"open({str(trap)!r}, 'w')",
    }
    read_files(tmp_path, files)
    assert not trap.exists()


def test_newer_syntax_than_the_host_reads_is_only_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipmark.package.signature.HOST_MINOR", 11)
    files = {
        "model.py": "def predict(x):\n    match ::= 3",
        "shipmark.toml": "[python]\nversion = '3.13'",
    }
    note = read_files(tmp_path, files).notes[0]
    assert (note.place, "this host's Python 3.11" in note.message) == ("model.py:2", True)


def test_arrays_without_numpy_are_noted(tmp_path: Path) -> None:
    source = f"{HEAD}def predict(x: Row) -> str: ..."
    notes = read_files(tmp_path, {"model.py": source}).notes
    assert any("numpy is not among the requirements" in each.message for each in notes)
    files = {"model.py": source, "requirements.txt": "numpy"}
    assert not any("numpy" in each.message for each in read_files(tmp_path, files).notes)
