"""An example on Debian trixie with its Python 3.13; bookworm with 3.11 is what all others use."""

import json
from pathlib import Path

import pytest

from shipmark_serve.contract import golden
from tests.e2e.conftest import CommandLine, copied, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]


def test_digits_on_trixie(shipmark: CommandLine, tmp_path: Path) -> None:
    package = copied("digits", tmp_path)
    settings = package / "shipmark.toml"
    settings.write_text(f'{settings.read_text()}\n[image]\nsuite = "trixie"\n')

    built = shipmark.json("build", package)
    up = shipmark.json("up", package)

    assert up["digest"] == built["digest"]
    base = next(layer for layer in built["layers"] if layer["title"] == "base")
    assert any(part["name"].startswith("python3.13-minimal 3.13.") for part in base["parts"])
    (record, *_) = json.loads(next((package / "golden").glob("*.json")).read_text())
    answer = post(f"{up['address']}/predict", record["input"])
    assert golden.compare(record["output"], answer, record.get("tolerance", 1e-3)).within
    log = shipmark.ok("logs", up["name"])
    assert "golden records passed" in log
    shipmark.ok("down", up["name"])


def test_a_suite_has_one_python(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "pinned"
    package.mkdir()
    (package / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    (package / "shipmark.toml").write_text(
        '[image]\nsuite = "trixie"\n[python]\nversion = "3.11"\n'
    )

    words = shipmark.refused("lock", package)

    assert "shipmark.toml:4 [python] version" in words
    assert "Debian trixie is 3.13" in words
    assert "3.11 needs suite bookworm" in words
