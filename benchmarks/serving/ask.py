"""What a server is asked for one row of a model, and where in its answer the numbers stand."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.serving.models import Array, Model

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One way to ask."""

    form: str
    """In words, for the table."""
    path: str
    body: bytes
    read: Callable[[bytes, Mapping[str, str]], Array]
    """The numbers of an answer, by its body and its headers (in small letters)."""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


def plain(model: Model, path: str = "/predict", *, key: str | None = "y") -> Ask:
    """`{"x": [[...]]}`; the answer below `key`, or the answer itself."""
    body = _json({"x": [model.nested]})
    return Ask(form="JSON", path=path, body=body, read=_below(*([key] if key else [])))


def mlflow(model: Model) -> Ask:
    """MLflow's scoring protocol."""
    body = _json({"inputs": {"x": [model.nested]}})
    return Ask(form="JSON", path="/invocations", body=body, read=_below("predictions"))


def cog(model: Model) -> Ask:
    """Cog's protocol; it has no arrays of arrays, so they are JSON in a string."""
    body = _json({"input": {"x": _json([model.nested]).decode()}})

    def read(data: bytes, headers: Mapping[str, str]) -> Array:
        del headers
        return np.asarray(json.loads(json.loads(data)["output"]), dtype=np.float32)

    return Ask(form="JSON", path="/predictions", body=body, read=read)


def v2(model: Model) -> Ask:
    """Open Inference Protocol v2, JSON; data flat, as the protocol prefers it."""
    tensor = {
        "name": "x",
        "shape": [1, *model.shape],
        "datatype": "FP32",
        "data": np.round(model.row.astype(np.float64).ravel(), 4).tolist(),
    }
    return Ask(
        form="v2 JSON",
        path=f"/v2/models/{model.name}/infer",
        body=_json({"inputs": [tensor]}),
        read=_below("outputs", 0, "data"),
    )


def v2_binary(model: Model) -> Ask:
    """The same with the binary tensor extension, both ways."""
    data = model.row.tobytes()
    head = _json(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [1, *model.shape],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": len(data)},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    )

    def read(answer: bytes, headers: Mapping[str, str]) -> Array:
        begin = int(headers["inference-header-content-length"])
        return np.frombuffer(answer[begin:], dtype="<f4")

    return Ask(
        form="v2 binary",
        path=f"/v2/models/{model.name}/infer",
        body=head + data,
        read=read,
        headers={
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        },
    )


def _below(*keys: Any) -> Callable[[bytes, Mapping[str, str]], Array]:
    def read(data: bytes, headers: Mapping[str, str]) -> Array:
        del headers
        value = json.loads(data)
        for key in keys:
            value = value[key]
        if isinstance(value, dict):  # a single output, by its name
            (value,) = value.values()
        return np.asarray(value, dtype=np.float32)

    return read


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
