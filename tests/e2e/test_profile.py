"""`shipmark profile` runs the model of a package by the onnxruntime of its lock."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine

pytestmark = pytest.mark.network


def test_profile(shipmark: CommandLine, tmp_path: Path) -> None:
    for name in ("iris.onnx", "iris.golden.json"):
        shutil.copy(EXAMPLES / name, tmp_path)
    model = tmp_path / "iris.onnx"
    found = shipmark.json("profile", model, "--runs", "50")
    assert found["inputs"] == "4 golden records"
    assert {each["name"] for each in found["operators"]} == {
        "Scaler",
        "LinearClassifier",
        "Normalizer",
    }
    lock = (tmp_path / "iris.shipmark.lock").read_text()
    library, version = found["library"].split()
    assert f"{library}-{version}-" in lock
    table = shipmark.ok("profile", model, "--rows", "32")
    assert "made up, 32 rows" in table
    assert "LinearClassifier" in table


def test_code_is_not_profiled(shipmark: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    assert "python model" in shipmark.refused("profile", tmp_path)
