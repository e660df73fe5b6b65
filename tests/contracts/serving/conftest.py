"""Servers that many tests of this folder share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from tests.contracts.runtimes.serving import Answer, Server, described, python_package, serving

TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}

ITEMS = """
import os, time
from dataclasses import dataclass

@dataclass
class Question:
    word: str
    times: int = 1

def predict(question: Question) -> str:
    return question.word * question.times
"""

TEXT = """
def predict(text: str) -> str:
    if text == "raise":
        raise ValueError(text)
    return text.upper()

def predict_batch(texts: list[str]) -> list[str]:
    answers = [predict(text) for text in texts]
    return answers[1:] if "short" in texts else answers
"""

Ask = Callable[..., Answer]


def identity(path: Path) -> None:
    """An ONNX file that answers what it is asked, in every datatype."""
    inputs, outputs, nodes = [], [], []
    for name, kind in TYPES.items():
        inputs.append(helper.make_tensor_value_info(name, kind, ["batch", 2]))
        outputs.append(helper.make_tensor_value_info(f"{name}_out", kind, ["batch", 2]))
        nodes.append(helper.make_node("Identity", [name], [f"{name}_out"]))
    graph = helper.make_graph(nodes, "identity", inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="session")
def tensors(folder: Path) -> Iterator[Server]:
    """Every datatype, back as it came."""
    root = folder / "identity"
    root.mkdir()
    identity(root / "model.onnx")
    model = described(root, runtime="onnx", weights="model.onnx")
    with serving(root, model, SHIPMARK_MAX_BODY_BYTES="200000") as server:
        yield server


@pytest.fixture(scope="session")
def texts(folder: Path) -> Iterator[Server]:
    """A string in, a string out, several at once."""
    model = python_package(folder / "texts", TEXT)
    with serving(folder / "texts", model) as server:
        yield server


@pytest.fixture(scope="session")
def items(folder: Path) -> Iterator[Server]:
    """JSON in."""
    model = python_package(folder / "items", ITEMS)
    with serving(folder / "items", model) as server:
        yield server


@pytest.fixture(scope="session")
def blobs(folder: Path) -> Iterator[Server]:
    """Bytes in, bytes out."""
    model = python_package(folder / "blobs", "def predict(b: bytes) -> bytes: return b[::-1]")
    with serving(folder / "blobs", model) as server:
        yield server


@pytest.fixture(params=["fast", "full"])
def infer(request: pytest.FixtureRequest) -> Ask:
    """Ask for inference over v2, by the fast path or by the ASGI app: a query is not hot."""
    query = "" if request.param == "fast" else "?by=app"

    def ask(server: Server, body: bytes, model: str, **headers: Any) -> Answer:
        given = {key.replace("_", "-"): str(value) for key, value in headers.items()}
        return server.request("POST", f"/v2/models/{model}/infer{query}", body, given)

    return ask
