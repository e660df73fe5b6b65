"""The digits example is as good as its own threshold asks, and takes batches."""

import tomllib

import numpy as np

from tests.unit.examples.conftest import EXAMPLES, onnx_session, read_records, run_onnx

DIGITS = EXAMPLES / "digits"


def test_accuracy_on_the_shipped_validation_set() -> None:
    validate = tomllib.loads((DIGITS / "shipmark.toml").read_text())["validate"]
    records = read_records(DIGITS / validate["data"])
    images = [record["input"]["image"][0] for record in records]
    labels = [record["output"]["label"][0] for record in records]

    answer = run_onnx(onnx_session(DIGITS / "digits.onnx"), {"image": images})

    assert validate["metric"] == "accuracy"
    assert len(records) == 360
    assert set(labels) == set(range(10))
    assert np.mean(np.equal(answer["label"], labels)) >= validate["threshold"]


def test_interface() -> None:
    session = onnx_session(DIGITS / "digits.onnx")
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(float)", [64])
    assert not isinstance(image.shape[0], int)
    assert [output.name for output in session.get_outputs()] == ["label", "probabilities"]
