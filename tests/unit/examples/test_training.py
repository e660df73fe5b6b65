"""Running an example's training script again gives the golden records that it ships with."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.examples.conftest import EXAMPLES, assert_close, read_records


@pytest.mark.parametrize(
    ("script", "written"),
    [
        ("train_iris.py", {"iris.onnx", "iris.golden.json"}),
        ("digits/train.py", {"digits.onnx", "data", "golden", "request.json"}),
        ("sentiment/train.py", {"weights", "golden"}),
        ("breast-cancer/train.py", {"breast-cancer.joblib", "golden", "request.json"}),
    ],
)
def test_training_again(script: str, written: set[str], tmp_path: Path) -> None:
    shipped = (EXAMPLES / script).parent
    done = subprocess.run(
        [sys.executable, "-B", str(EXAMPLES / script), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy 0." in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == written

    files = [*tmp_path.glob("*.golden.json"), *tmp_path.glob("golden/*.json")]
    assert len(files) == 1
    for file in files:
        again = read_records(file)
        records = read_records(shipped / file.relative_to(tmp_path))
        assert [r["input"] for r in again] == [r["input"] for r in records]
        for one, other in zip(records, again, strict=True):
            assert_close(_value(one["output"]), _value(other["output"]))


def _value(output: Any) -> Any:
    return json.loads(output) if isinstance(output, str) else output
