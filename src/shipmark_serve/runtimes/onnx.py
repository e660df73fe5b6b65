"""An ONNX file, run by onnxruntime."""

from typing import Any

import numpy
import onnxruntime

from shipmark_serve.contract.errors import InvalidInput, LoadFailed
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec
from shipmark_serve.predictor import Interface, Loader, ModelFiles, Predictor

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_ERRORS_ONLY = 3
Array = numpy.ndarray[Any, Any]


def load(files: ModelFiles) -> Predictor:
    """Make a session of the weights file and read its schema."""
    return OnnxPredictor(session(files, options(files)))


def options(files: ModelFiles) -> onnxruntime.SessionOptions:
    """How models are run here."""
    chosen = onnxruntime.SessionOptions()
    # One thread a request, several requests at once: the highest throughput, and a request
    # never waits for the threads of another.
    chosen.intra_op_num_threads = 1
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = _ERRORS_ONLY
    if files.deterministic:
        chosen.use_deterministic_compute = True
        chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        chosen.enable_mem_pattern = False
    return chosen


def session(files: ModelFiles, chosen: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Load the weights file.

    Raises:
        LoadFailed: There is none, or it is not one that this onnxruntime can run.
    """
    if files.weights is None:
        raise LoadFailed("the runtime onnx needs a weights file", hint="set [weights] path")
    onnxruntime.disable_telemetry_events()
    try:
        return onnxruntime.InferenceSession(
            str(files.weights), chosen, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise LoadFailed(
            f"onnxruntime {onnxruntime.__version__} cannot load {files.weights.name}: {error}",
            hint="export the model again, for an opset that this onnxruntime knows",
        ) from error


class OnnxPredictor:
    """A session; it may be run from any number of threads."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        nodes = session.get_inputs()
        inputs = tuple(_spec(node) for node in nodes)
        outputs = tuple(_spec(node) for node in session.get_outputs())
        self.interface = Interface(
            schema=Schema(input=Tensors(tensors=inputs), output=Tensors(tensors=outputs)),
            threads=None,
            rows=all(spec.shape[:1] == (-1,) for spec in (*inputs, *outputs)),
            pure=True,
        )
        self._run = session.run
        self._names = [spec.name for spec in outputs]
        self._shared = _shared_axes(nodes)

    def predict(self, value: dict[str, Array]) -> dict[str, Array]:
        """Run the session.

        Raises:
            InvalidInput: Axes that have one name in the file, such as `batch`, differ in length.
        """
        for symbol, axes in self._shared.items():
            lengths = {name: value[name].shape[axis] for name, axis in axes}
            if len(set(lengths.values())) > 1:
                raise InvalidInput(
                    f"the inputs differ in {symbol}: "
                    + ", ".join(f"{name} has {length}" for name, length in lengths.items())
                )
        return dict(zip(self._names, self._run(self._names, value), strict=True))


def _shared_axes(nodes: list[Any]) -> dict[str, list[tuple[str, int]]]:
    """By the name of an axis that several inputs have: those inputs, and which axis it is."""
    found: dict[str, list[tuple[str, int]]] = {}
    for node in nodes:
        for axis, length in enumerate(node.shape):
            if isinstance(length, str):
                found.setdefault(length, []).append((node.name, axis))
    return {symbol: axes for symbol, axes in found.items() if len(axes) > 1}


def _spec(node: Any) -> TensorSpec:
    datatype = _DATATYPES.get(node.type)
    if datatype is None:
        raise LoadFailed(
            f"{node.name!r} of the ONNX file is a {node.type}, which cannot be served",
            hint="export a scikit-learn classifier with options={'zipmap': False}"
            if node.type.startswith(("seq", "map"))
            else "convert the model so that its inputs and outputs are of ordinary tensor types",
        )
    shape = tuple(length if isinstance(length, int) else -1 for length in node.shape)
    return TensorSpec(name=node.name, datatype=datatype, shape=shape)


_: Loader = load
