"""LitServe: batches of up to 32, in a worker process of its own."""

import os

import litserve
import numpy as np
import onnxruntime


class Api(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    def decode_request(self, request):
        return np.asarray(request["x"][0], dtype=np.float32)

    def predict(self, x):
        (y,) = self.session.run(None, {"x": np.asarray(x)})
        return y

    def encode_response(self, output):
        return {"y": [output.tolist()]}


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=32, batch_timeout=0.001), accelerator="cpu")
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
