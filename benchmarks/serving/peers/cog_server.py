"""Cog: an async predictor. Run by coglet, its server in Rust."""

import json
import os

import numpy as np
import onnxruntime
from cog import BasePredictor, Input


class Predictor(BasePredictor):
    async def setup(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    async def predict(self, x: str = Input(description="nested lists, as JSON")) -> str:
        (y,) = self.session.run(None, {"x": np.asarray(json.loads(x), dtype=np.float32)})
        return json.dumps(y.tolist())
