"""Shows how an ONNX file's own types and axes become a schema, and what it cannot take."""

from collections.abc import Callable
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

from shipmark_serve.contract.errors import InvalidInput, LoadFailed
from shipmark_serve.contract.schema import Tensors
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from shipmark_serve.predictor import ModelFiles, Predictor
from shipmark_serve.runtimes.onnx import load

Files = Callable[[str], ModelFiles]
Shape = list[int | str]

DATATYPES = {
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


def loaded(
    files: Files, operator: str, kind: int, inputs: dict[str, Shape], out: Shape
) -> Predictor:
    """A file of one operator, over inputs of the given axes."""
    graph = helper.make_graph(
        [helper.make_node(operator, list(inputs), ["y"])],
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", kind, out)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    weights = files("model.onnx")
    assert weights.weights is not None
    onnx.save(model, str(weights.weights))
    return load(weights)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype(files: Files, datatype: str) -> None:
    predictor = loaded(files, "Identity", DATATYPES[datatype], {"x": ["n", 2]}, ["n", 2])
    interface = predictor.interface
    assert isinstance(interface.schema.input, Tensors)
    (spec,) = interface.schema.input.tensors
    assert (spec.datatype, spec.shape) == (datatype, (-1, 2))
    assert interface.rows
    assert interface.threads is None
    values: Any = [["a", "ü"]] if datatype == "BYTES" else [[0, 1]]
    dtype = "object" if datatype == "BYTES" else DTYPE_OF_DATATYPE[datatype]
    array = numpy.array(values, dtype=dtype)
    answer = predictor.predict({"x": array})["y"]
    assert answer.dtype == array.dtype
    assert answer.tolist() == array.tolist()


def test_a_fixed_first_axis_is_not_one_of_rows(files: Files) -> None:
    predictor = loaded(files, "Identity", TensorProto.FLOAT, {"x": [1, "n"]}, [1, "n"])
    assert not predictor.interface.rows


def test_axes_of_one_name_must_agree(files: Files) -> None:
    inputs: dict[str, Shape] = {"a": ["batch", 2], "b": ["batch", 2]}
    predictor = loaded(files, "Add", TensorProto.FLOAT, inputs, ["batch", 2])
    ones = numpy.ones((3, 2), "float32")
    assert predictor.predict({"a": ones, "b": ones})["y"].tolist() == [[2, 2]] * 3
    with pytest.raises(InvalidInput, match="differ in batch: a has 3, b has 1"):
        predictor.predict({"a": ones, "b": ones[:1]})


def test_a_type_that_v2_lacks_is_refused(files: Files) -> None:
    with pytest.raises(LoadFailed, match=r"'x' of the ONNX file is a tensor\(bfloat16\)"):
        loaded(files, "Identity", TensorProto.BFLOAT16, {"x": ["n"]}, ["n"])
