"""Tell which digit is drawn: 64 grey values, separated by commas, in; the digit out."""

import os

import numpy as np
import onnxruntime

ROUNDING = 0  # a build is measured after this line has changed


def init():
    global session
    path = os.path.join(os.environ["MODEL_PATH"], "digits.onnx")
    session = onnxruntime.InferenceSession(path)


def predict(text: str) -> str:
    image = np.array([text.split(",")], dtype=np.float32)
    return str(session.run(["label"], {"image": image})[0][0])
