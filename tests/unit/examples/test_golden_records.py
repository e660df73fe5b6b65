"""Each golden record of the examples holds with the model called straight, without a server."""

import json
import tomllib
from types import ModuleType

import joblib
import msgspec
import pytest

from shipmark.package.config import Config
from shipmark_serve.contract import golden
from tests.unit.examples.conftest import (
    EXAMPLES,
    assert_close,
    onnx_session,
    read_records,
    run_onnx,
)

FILES = [
    EXAMPLES / "iris.golden.json",
    *sorted(EXAMPLES.glob("*/golden/*.json")),
]


def test_every_example_has_records() -> None:
    assert {path.name for path in FILES} == {
        "breast-cancer.json",
        "digits.json",
        "iris.golden.json",
        "sentiment.json",
    }
    for path in FILES:
        assert len(golden.load(path.read_bytes(), path.name)) >= 3


@pytest.mark.parametrize(
    ("model", "file"),
    [("digits/digits.onnx", "digits/golden/digits.json"), ("iris.onnx", "iris.golden.json")],
)
def test_onnx(model: str, file: str) -> None:
    session = onnx_session(EXAMPLES / model)
    for record in read_records(EXAMPLES / file):
        assert_close(record["output"], run_onnx(session, record["input"]))


def test_breast_cancer() -> None:
    model = joblib.load(EXAMPLES / "breast-cancer" / "breast-cancer.joblib")
    for record in read_records(EXAMPLES / "breast-cancer" / "golden" / "breast-cancer.json"):
        features = record["input"]["features"]
        answer = {
            "label": model.predict(features).tolist(),
            "probabilities": model.predict_proba(features).tolist(),
        }
        assert_close(record["output"], answer)


def test_sentiment(sentiment: ModuleType) -> None:
    records = read_records(EXAMPLES / "sentiment" / "golden" / "sentiment.json")
    for record in records:
        answer = sentiment.predict(record["input"])
        assert_close(json.loads(record["output"]), json.loads(answer))
    assert any(not record["input"].isascii() for record in records)


def test_the_records_are_right_and_not_only_repeated() -> None:
    for digit, record in enumerate(read_records(EXAMPLES / "digits" / "golden" / "digits.json")):
        assert record["name"] == f"a handwritten {digit}"
        assert record["output"]["label"] == [digit]
    first, second, third, batch = read_records(EXAMPLES / "iris.golden.json")
    assert [record["output"]["label"] for record in (first, second, third)] == [[0], [1], [2]]
    assert batch["output"]["label"] == [0, 1, 2]
    tumours = read_records(EXAMPLES / "breast-cancer" / "golden" / "breast-cancer.json")
    assert tumours[-1]["output"]["label"] == ["malignant", "benign"]


@pytest.mark.parametrize("name", ["digits", "breast-cancer"])
def test_the_demo_request_is_one_of_the_records(name: str) -> None:
    request = json.loads((EXAMPLES / name / "request.json").read_text())
    records = read_records(EXAMPLES / name / "golden" / f"{name}.json")
    assert request in [record["input"] for record in records]


@pytest.mark.parametrize("name", ["digits", "breast-cancer"])
def test_settings_name_a_file_that_is_there(name: str) -> None:
    text = (EXAMPLES / name / "shipmark.toml").read_text("utf-8")
    config = msgspec.convert(tomllib.loads(text), Config)
    assert config.model.name == name
    assert config.weights.path is not None
    assert (EXAMPLES / name / config.weights.path).is_file()
