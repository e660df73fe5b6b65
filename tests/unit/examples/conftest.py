"""The examples read as plain files, and their models called without any of Shipmark's server."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"

Records = list[dict[str, Any]]


def read_records(path: Path) -> Records:
    """The golden records of a file."""
    records: Records = json.loads(path.read_text("utf-8"))
    return records


def assert_close(expected: object, actual: object) -> None:
    """Numbers of an array within a relative L2 distance of 1e-3; all else equal."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict)
        assert expected.keys() == actual.keys()
        for key in expected:
            assert_close(expected[key], actual[key])
        return
    wanted, given = np.asarray(expected), np.asarray(actual)
    assert wanted.shape == given.shape
    if wanted.dtype.kind in "if":
        assert np.linalg.norm(given - wanted) <= 1e-3 * np.linalg.norm(wanted)
    else:
        assert wanted.tolist() == given.tolist()


def onnx_session(path: Path) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the processor."""
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run_onnx(session: onnxruntime.InferenceSession, request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request of nested lists with nested lists."""
    names = [output.name for output in session.get_outputs()]
    tensors = {name: np.asarray(value, dtype=np.float32) for name, value in request.items()}
    return dict(zip(names, (v.tolist() for v in session.run(names, tensors)), strict=True))


def import_sentiment() -> ModuleType:
    """A fresh copy of the sentiment example's own module."""
    spec = importlib.util.spec_from_file_location("sentiment", EXAMPLES / "sentiment" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sentiment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The sentiment example with its shipped weights loaded."""
    monkeypatch.delenv("MODEL_PATH", raising=False)
    module = import_sentiment()
    module.init()
    return module
