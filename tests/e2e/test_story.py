"""One story: digits from its directory to an answer, stopped, started, and taken down."""

import json
import shutil
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]


def test_digits_from_package_to_answer(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "digits"
    shutil.copytree(EXAMPLES / "digits", package, ignore=shutil.ignore_patterns("shipmark.lock"))

    checked = shipmark.json("check", package, "--static")
    assert checked["complaints"] == []

    locked = shipmark.json("lock", package)
    assert (package / "shipmark.lock").exists()
    assert locked["version"] == "1.0.0-w2026.11"

    built = shipmark.json("build", package)
    assert built["digest"].startswith("sha256:")
    assert built["size"] <= 100_000_000
    assert {"base", "weights", "code"} <= {layer["title"] for layer in built["layers"]}
    assert any(
        part["name"].startswith("onnxruntime ")
        for layer in built["layers"]
        for part in layer["parts"]
    )

    again = shipmark.json("build", package)
    assert again["digest"] == built["digest"]
    assert all(layer["cached"] for layer in again["layers"])

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    up = shipmark.json("up", package, "--port", str(port))
    request = json.loads((package / "request.json").read_text())
    assert up["digest"] == built["digest"]
    answer = post(f"{up['address']}/predict", request)
    golden = json.loads(next((package / "golden").glob("*.json")).read_text())
    records = golden if isinstance(golden, list) else [golden]
    expected = next(record for record in records if record["input"] == request)
    assert answer["label"] == expected["output"]["label"]

    with urllib.request.urlopen(f"{up['address']}/health/ready", timeout=10) as ready:
        assert ready.status == 200

    (listed,) = shipmark.json("ps")
    assert (listed["name"], listed["state"], listed["ready"]) == ("digits", "running", True)
    assert listed["address"] == up["address"]
    assert "digits" in shipmark.ok("ps")
    assert shipmark.ok("logs", "digits")

    shipmark.ok("stop", "digits")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{up['address']}/health/live", timeout=5)
    assert shipmark.json("ps")[0]["state"] == "stopped"

    started = shipmark.json("start", "digits")
    assert started["address"] == up["address"]
    assert post(f"{started['address']}/predict", request) == answer

    shipmark.ok("down", "digits")
    assert shipmark.json("ps") == []


def test_a_package_from_each_template_works(shipmark: CommandLine, tmp_path: Path) -> None:
    for template in ("text", "json", "tensor"):
        name = f"new-{template}"
        shipmark.ok("new", name, "--template", template)

        checked = shipmark.json("check", name)

        assert checked["complaints"] == []
        assert checked["started"] is True


def test_a_zip_from_standard_input(shipmark: CommandLine, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "sentiment"), "zip", EXAMPLES / "sentiment")

    built = shipmark.json("build", "-", "--name", "sentiment", stdin=Path(archive).read_bytes())

    assert built["name"] == "sentiment"
