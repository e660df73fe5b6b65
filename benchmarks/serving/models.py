"""The three models that every server serves, made here from a seed, and what they are asked."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SEED = 20260101
_OPSET = 17
_IR = 9
"""Old enough for the runtime of every peer."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model as a file, with one input `x` and one output `y`, both FP32."""

    name: str
    about: str
    path: Path
    row: Array
    """What one request asks for: (1, ...)."""

    @property
    def nested(self) -> Any:
        """The row as nested lists; four digits after the point, as people write JSON."""
        return np.round(self.row[0].astype(np.float64), 4).tolist()

    @property
    def shape(self) -> tuple[int, ...]:
        """The input's, without the batch."""
        return tuple(self.row.shape[1:])

    @property
    def classes(self) -> int:
        """How many numbers one row is answered with."""
        return 3 if self.name == "iris" else 10


def make(folder: Path) -> dict[str, Model]:
    """Write the three files into `folder`; by name."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, about, shape, graph in (
        ("iris", "4-16-3 with softmax: what a small scikit-learn model becomes", (4,), _iris),
        ("mlp", "64-256-256-10", (64,), _mlp),
        ("conv", "five convolutions on 3 x 116 x 116", (3, 116, 116), _conv),
    ):
        random = np.random.default_rng(SEED)
        path = folder / f"{name}.onnx"
        onnx.save(_model(name, shape, graph(random)), str(path))
        row = random.random((1, *shape), dtype=np.float32)
        found[name] = Model(name=name, about=about, path=path, row=np.round(row, 4))
    return found


def _iris(random: np.random.Generator) -> "_Graph":
    return _dense(random, (4, 16, 3), softmax=True)


def _mlp(random: np.random.Generator) -> "_Graph":
    return _dense(random, (64, 256, 256, 10), softmax=False)


class _Graph:
    """Nodes and weights in the order in which they are called."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = "x"

    def weight(self, values: NDArray[Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def then(self, operator: str, *others: str, **attributes: Any) -> None:
        output = f"t{len(self.nodes)}"
        node = helper.make_node(operator, [self.last, *others], [output], **attributes)
        self.nodes.append(node)
        self.last = output


def _dense(random: np.random.Generator, sizes: tuple[int, ...], *, softmax: bool) -> _Graph:
    graph = _Graph()
    layers = list(pairwise(sizes))
    for number, (rows, columns) in enumerate(layers):
        graph.then(
            "Gemm", graph.weight(_normal(random, rows, columns)), graph.weight(_zeros(columns))
        )
        if number < len(layers) - 1:
            graph.then("Relu")
    if softmax:
        graph.then("Softmax", axis=1)
    return graph


def _conv(random: np.random.Generator) -> _Graph:
    graph = _Graph()
    for channels, more, stride in (
        (3, 32, 2),
        (32, 64, 1),
        (64, 96, 1),
        (96, 128, 2),
        (128, 160, 2),
    ):
        kernel = _normal(random, more, channels, 3, 3)
        graph.then(
            "Conv",
            graph.weight(kernel),
            graph.weight(_zeros(more)),
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            strides=[stride, stride],
        )
        graph.then("Relu")
    graph.then("GlobalAveragePool")
    graph.then("Flatten", axis=1)
    graph.then("Gemm", graph.weight(_normal(random, 160, 10)), graph.weight(_zeros(10)))
    return graph


def _normal(random: np.random.Generator, *shape: int) -> Array:
    inputs = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
    return random.standard_normal(shape, dtype=np.float32) * np.float32((2 / inputs) ** 0.5)


def _zeros(size: int) -> Array:
    return np.zeros(size, dtype=np.float32)


def _model(name: str, shape: tuple[int, ...], graph: _Graph) -> onnx.ModelProto:
    graph.nodes[-1].output[0] = "y"
    classes = 3 if name == "iris" else 10
    made = helper.make_graph(
        graph.nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
        initializer=graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model)
    return model
