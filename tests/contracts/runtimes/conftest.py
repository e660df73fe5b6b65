"""Tiny models, one of each runtime, trained here."""

from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from shipmark_serve.contract.model import Model
from tests.contracts.runtimes.serving import Server, described, python_package, serving

ARRAY_MODEL = """
from typing import Annotated
import numpy
from shipmark_serve import Tensor

def predict(
    features: Annotated[numpy.ndarray, Tensor("float32", (-1, 2))],
) -> Annotated[numpy.ndarray, Tensor("float32", (-1,))]:
    return features.sum(axis=1)
"""


@pytest.fixture(scope="session")
def classifier() -> LogisticRegression:
    """Tells which of two numbers is the greater; its classes are strings."""
    points = numpy.random.default_rng(0).normal(size=(200, 2))
    return LogisticRegression().fit(
        points, numpy.where(points[:, 0] > points[:, 1], "left", "right")
    )


@pytest.fixture(scope="session")
def packages(
    tmp_path_factory: pytest.TempPathFactory, classifier: LogisticRegression
) -> dict[str, tuple[Path, Model]]:
    """Packages that take `features` [-1, 2], by runtime and form of file."""
    folder = tmp_path_factory.mktemp("packages")
    made: dict[str, tuple[Path, Model]] = {}
    record = {"input": {"features": [[1.0, 0.0]]}}
    label = {"output": {"label": ["left"], "probabilities": _probabilities(classifier)}}

    root = folder / "python"
    golden = {"input": [[1.0, 2.0]], "output": [3.0]}
    made["python"] = root, python_package(root, ARRAY_MODEL, golden)

    root = folder / "onnx"
    root.mkdir()
    exported = to_onnx(
        classifier,
        initial_types=[("features", _float_rows())],
        options={"zipmap": False},
        target_opset=17,
    )
    (root / "model.onnx").write_bytes(exported.SerializeToString())
    made["onnx"] = root, described(root, record | label, runtime="onnx", weights="model.onnx")

    root = folder / "joblib"
    root.mkdir()
    joblib.dump(classifier, root / "model.joblib")
    made["joblib"] = (
        root,
        described(root, record | label, runtime="sklearn", weights="model.joblib"),
    )

    root = folder / "skops"
    root.mkdir()
    skops.io.dump(classifier, root / "model.skops")
    made["skops"] = root, described(root, record | label, runtime="sklearn", weights="model.skops")
    return made


@pytest.fixture(scope="session", params=["python", "onnx", "joblib", "skops"])
def runtime_server(
    request: pytest.FixtureRequest, packages: dict[str, tuple[Path, Model]]
) -> Iterator[Server]:
    """A ready server of each runtime; its body limit is small."""
    root, model = packages[request.param]
    with serving(root, model, SHIPMARK_MAX_BODY_BYTES="100000") as server:
        yield server


def _probabilities(classifier: LogisticRegression) -> list[list[float]]:
    answer: list[list[float]] = classifier.predict_proba([[1.0, 0.0]]).tolist()
    return answer


def _float_rows() -> object:
    from skl2onnx.common.data_types import FloatTensorType

    return FloatTensorType([None, 2])
