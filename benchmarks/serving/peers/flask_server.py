"""Flask: run by gunicorn."""

import os

import numpy as np
import onnxruntime
from flask import Flask, jsonify, request

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)
app = Flask(__name__)


@app.post("/predict")
def predict():
    x = np.asarray(request.get_json()["x"], dtype=np.float32)
    (y,) = session.run(None, {"x": x})
    return jsonify(y=y.tolist())
