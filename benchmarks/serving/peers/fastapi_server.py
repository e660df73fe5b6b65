"""FastAPI: an async function with a typed body. Run by uvicorn."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel, create_model

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

nested: type = float
for _ in range(int(os.environ["BENCH_RANK"])):
    nested = list[nested]
Question: type[BaseModel] = create_model("Question", x=(nested, ...))


class Answer(BaseModel):
    y: list[list[float]]


app = FastAPI()


@app.post("/predict")
async def predict(question: Question) -> Answer:
    x = np.asarray(question.x, dtype=np.float32)
    (y,) = session.run(None, {"x": x})
    return Answer(y=y.tolist())
