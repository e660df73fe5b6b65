"""Every example starts in the sandbox and answers its golden records over HTTP."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from shipmark_serve.contract import golden
from tests.e2e.conftest import EXAMPLES, CommandLine, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]


@pytest.mark.parametrize("example", ["digits", "sentiment", "iris.onnx", "breast-cancer"])
def test_example(example: str, shipmark: CommandLine, tmp_path: Path) -> None:
    if example.endswith(".onnx"):
        stem = example.removesuffix(".onnx")
        for name in (example, f"{stem}.golden.json"):
            shutil.copy(EXAMPLES / name, tmp_path)
        files = [tmp_path / f"{stem}.golden.json"]
    else:
        shutil.copytree(EXAMPLES / example, tmp_path / example)
        files = sorted((tmp_path / example / "golden").glob("*.json"))

    up = shipmark.json("up", tmp_path / example)

    answered = 0
    for file in files:
        records = json.loads(file.read_text())
        for record in records if isinstance(records, list) else [records]:
            sent = record["input"]
            if isinstance(sent, dict) and set(sent) == {"base64"}:
                answer = post(f"{up['address']}/predict", base64.b64decode(sent["base64"]))
            elif isinstance(sent, str):
                answer = post(f"{up['address']}/predict", sent, "text/plain; charset=utf-8")
            else:
                answer = post(f"{up['address']}/predict", sent)
            difference = golden.compare(record["output"], answer, record.get("tolerance", 1e-3))
            assert difference.within, difference
            answered += 1
    assert answered >= 1
    shipmark.ok("down", up["name"])
