"""Shows where equal requests get equal bits in deterministic mode, and where they cannot."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipmark_serve import determinism
from shipmark_serve.determinism import Deterministic
from shipmark_serve.predictor import ModelFiles
from shipmark_serve.runtimes import onnx as runtime
from shipmark_serve.runtimes import python

Files = Callable[[str], ModelFiles]
Array = numpy.ndarray[Any, Any]
ROWS = 33
SOURCE = Path(__file__).parents[3] / "src"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Convolution, pooling, two dense layers and a softmax."""
    draw = numpy.random.default_rng(1).standard_normal
    constants = {"kernel": (16, 3, 3, 3), "first": (16, 256), "second": (256, 10), "bias": (10,)}
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "first"], ["e"]),
        helper.make_node("Tanh", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "second", "bias"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [
            numpy_helper.from_array(draw(shape).astype("float32"), name)
            for name, shape in constants.items()
        ],
    )
    path = tmp_path / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def rows() -> Array:
    return numpy.random.default_rng(2).standard_normal((ROWS, 3, 16, 16)).astype("float32")


def files_of(weights: Path) -> ModelFiles:
    return ModelFiles(root=weights.parent, entry=None, weights=weights, deterministic=True)


def test_onnx_gives_equal_bits_whatever_the_batch_size(weights: Path) -> None:
    predict = runtime.load(files_of(weights)).predict
    x = rows()
    whole = predict({"x": x})["y"]
    for size in (1, 2, 3, 5, 8, 16):
        parts = [predict({"x": x[i : i + size]})["y"] for i in range(0, ROWS, size)]
        assert numpy.concatenate(parts).tobytes() == whole.tobytes()


def test_onnx_gives_equal_bits_whatever_the_number_of_threads(weights: Path) -> None:
    files = files_of(weights)
    x = rows()
    wanted = runtime.load(files).predict({"x": x})["y"].tobytes()
    for threads in (2, 3):
        options = runtime.options(files)
        options.intra_op_num_threads = threads
        predict = runtime.OnnxPredictor(runtime.session(files, options)).predict
        assert predict({"x": x})["y"].tobytes() == wanted
        with ThreadPoolExecutor(threads) as pool:
            answers = pool.map(lambda _, run=predict: run({"x": x})["y"].tobytes(), range(20))
            assert set(answers) == {wanted}


CODE = """
import hashlib, numpy
from pathlib import Path
from shipmark_serve.predictor import ModelFiles
from shipmark_serve.runtimes import onnx
weights = Path({path!r})
files = ModelFiles(root=weights.parent, entry=None, weights=weights, deterministic=True)
x = numpy.random.default_rng(2).standard_normal(({rows}, 3, 16, 16)).astype("float32")
print(hashlib.sha256(onnx.load(files).predict({{"x": x}})["y"].tobytes()).hexdigest())
"""


def test_onnx_gives_equal_bits_in_every_run(weights: Path) -> None:
    here = runtime.load(files_of(weights)).predict({"x": rows()})["y"].tobytes()
    for seed in ("0", "7"):
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(path=str(weights), rows=ROWS)],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


DICE = """
import random, numpy
def predict(text: str) -> str:
    return f"{text} {random.random()} {numpy.random.random()}"
def predict_batch(texts: list[str]) -> list[str]:
    return [predict(text) for text in texts]
"""


def test_a_model_that_draws_numbers_draws_the_same_for_every_request(files: Files) -> None:
    model = files("dice.py")
    assert model.entry is not None
    model.entry.write_text(DICE)
    determinism.prepare()
    plain = python.load(model)
    assert plain.predict("a") != plain.predict("a")
    fixed = Deterministic(plain)
    first = fixed.predict("a")
    random.random()
    fixed.predict("b")
    assert fixed.predict("a") == first


def test_requests_are_not_joined(files: Files, weights: Path) -> None:
    model = files("dice.py")
    assert model.entry is not None
    model.entry.write_text(DICE)
    for predictor in (python.load(model), runtime.load(files_of(weights))):
        interface = Deterministic(predictor).interface
        assert (interface.threads, interface.rows, interface.predict_batch) == (1, False, None)


def test_numpy_is_why(files: Files) -> None:
    """BLAS chooses another kernel, and sums in another order, where a matrix has other rows.

    So a row has the same bits whoever else asks only because requests are not joined, and rows
    that one request holds together may differ in the last bits from the same rows alone.
    """
    draw = numpy.random.default_rng(1).standard_normal
    x, w = draw((ROWS, 64)), draw((64, 10))
    whole = x @ w
    alone = numpy.concatenate([x[i : i + 1] @ w for i in range(ROWS)])
    numpy.testing.assert_allclose(whole, alone, rtol=1e-9)
    assert (x @ w).tobytes() == whole.tobytes()
    if alone.tobytes() == whole.tobytes():
        pytest.skip("not on this machine: its BLAS sums in one order")


def test_numerical_libraries_are_told_before_they_are_loaded() -> None:
    environ = {"OMP_NUM_THREADS": "8", "HOME": "/"}
    determinism.one_thread(environ)
    assert environ["OMP_NUM_THREADS"] == environ["OPENBLAS_NUM_THREADS"] == "1"
    assert environ["HOME"] == "/"
