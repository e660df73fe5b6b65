"""`shipmark predict`: from the shell to an answer, or to a sentence."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CommandLine

pytestmark = [pytest.mark.network, pytest.mark.sandbox]

MODELS = {
    "shout": "def predict(text: str) -> str:\n    return text.upper()\n",
    "double": "def predict(x: float) -> float:\n    return 2 * x\n",
    "mirror": "def predict(data: bytes) -> bytes:\n    return data[::-1]\n",
}


@pytest.fixture(scope="module")
def running(
    shipmark: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A model of text, one of JSON and one of bytes, by name."""
    started = {}
    for name, source in MODELS.items():
        package = tmp_path_factory.mktemp("packages") / name
        package.mkdir()
        (package / "model.py").write_text(source)
        started[name] = shipmark.json("up", package)
    yield started
    for name in MODELS:
        shipmark.run("down", name)


def test_by_name_and_by_address(shipmark: CommandLine, running: dict[str, Any]) -> None:
    address = running["shout"]["address"]

    for where in ("shout", address, f"{address}/predict", address.removeprefix("http://")):
        assert shipmark.ok("predict", where, "hello") == "HELLO\n"


@pytest.mark.parametrize(
    ("model", "given", "answer"),
    [
        ("shout", "wörld", "WÖRLD\n"),
        ("shout", '"quoted"', '"QUOTED"\n'),
        ("shout", '{"a": [1]}', '{"A": [1]}\n'),
        ("shout", "1e3", "1E3\n"),
        ("shout", "", "\n"),
        ("double", "4", "8.0\n"),
        ("mirror", "abc", "cba"),
    ],
)
def test_text_and_json(
    shipmark: CommandLine, running: dict[str, Any], model: str, given: str, answer: str
) -> None:
    assert shipmark.ok("predict", model, given) == answer


def test_files_and_standard_input(
    shipmark: CommandLine, running: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text("21")
    (tmp_path / "x.txt").write_text("long text\n")

    assert shipmark.ok("predict", "double", f"@{tmp_path}/x.json") == "42.0\n"
    assert shipmark.ok("predict", "shout", f"@{tmp_path}/x.txt") == "LONG TEXT\n\n"
    assert shipmark.ok("predict", "double", "-", stdin=b"21") == "42.0\n"
    assert shipmark.ok("predict", "shout", stdin=b"piped") == "PIPED\n"


def test_content_type(shipmark: CommandLine, running: dict[str, Any]) -> None:
    shout = ("predict", "shout", '"quoted"')
    assert shipmark.ok(*shout, "--content-type", "application/json") == "QUOTED\n"

    done = shipmark.run("predict", "double", "hello")
    assert done.returncode == 13
    assert "415 Unsupported Media Type" in done.stderr
    assert "try: send Content-Type: application/json" in done.stderr


def test_json(shipmark: CommandLine, running: dict[str, Any]) -> None:
    answer = shipmark.json("predict", "double", "4")

    assert answer["answer"] == 8.0
    assert 0 < answer["seconds"] < 10
    assert answer["request_id"]
    assert shipmark.json("predict", "shout", "a")["answer"] == "A"
    assert shipmark.json("predict", "mirror", "abc")["answer"] == {"base64": "Y2Jh"}


def test_a_refusal(shipmark: CommandLine, running: dict[str, Any]) -> None:
    done = shipmark.run("predict", "double", "[1]")
    as_json = shipmark.run("predict", "double", "[1]", "--json")

    assert done.returncode == as_json.returncode == 13
    assert "400 Bad Request: at $: expected float, got array (request " in done.stderr
    assert json.loads(as_json.stdout)["error"]["code"] == "invalid-input"


def test_nobody_answers(shipmark: CommandLine, running: dict[str, Any]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert "nothing listens at" in shipmark.refused("predict", url, "x", "--retries", "0")
    done = shipmark.run("predict", "nobody", "x")
    assert done.returncode == 10
    assert "there is no deployment 'nobody'" in done.stderr
    assert "double, mirror, shout" in done.stderr


def test_a_stopped_deployment(shipmark: CommandLine, running: dict[str, Any]) -> None:
    shipmark.ok("stop", "mirror")

    words = shipmark.refused("predict", "mirror", "x")

    assert "the deployment mirror is stopped" in words
    assert "try: shipmark start mirror" in words


def test_a_file_that_is_not_there(shipmark: CommandLine) -> None:
    assert "no such file or directory" in shipmark.refused("predict", "x", "@/absent")
