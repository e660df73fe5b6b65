"""MLflow: write the ONNX file as an MLflow model into the folder that is named."""

import sys

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

if __name__ == "__main__":
    _, source, folder = sys.argv
    model = onnx.load(source)
    shape = [each.dim_value or -1 for each in model.graph.input[0].type.tensor_type.shape.dim]
    mlflow.onnx.save_model(
        model,
        folder,
        signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype("float32"), shape, "x")])),
        onnx_session_options={"intra_op_num_threads": 1},
        pip_requirements=["onnxruntime"],
    )
