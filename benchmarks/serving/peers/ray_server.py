"""Ray Serve: one replica behind its proxy."""

import os
import signal
import threading

import numpy as np
import onnxruntime
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Model:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    async def __call__(self, request: Request):
        x = np.asarray((await request.json())["x"], dtype=np.float32)
        (y,) = self.session.run(None, {"x": x})
        return {"y": y.tolist()}


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Model.bind(), route_prefix="/predict")
    stop.wait()
    serve.shutdown()
    ray.shutdown()
