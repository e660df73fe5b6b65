"""BentoML: batches of up to 32."""

import os
from typing import Annotated

import bentoml
import numpy as np
import onnxruntime
from bentoml.validators import DType


@bentoml.service(workers=1, traffic={"timeout": 60}, metrics={"enabled": True})
class Model:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000, route="/predict")
    def predict(self, x: Annotated[np.ndarray, DType("float32")]) -> np.ndarray:
        (y,) = self.session.run(None, {"x": x})
        return y
