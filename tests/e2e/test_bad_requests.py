"""A request that is not right is refused with a sentence, and the next one is answered."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]

FRAGILE = """
import math

def predict(what: str) -> float:
    secret = "a value that no caller should see"
    if what == "raise":
        raise ValueError(f"cannot take {what}, {secret}")
    if what == "exit":
        raise SystemExit(3)
    return float(what)
"""
JSON, TEXT = "application/json", "text/plain"


@pytest.fixture(scope="module")
def iris(shipmark: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Four numbers in; it takes no body of more than 2000 bytes."""
    model = tmp_path_factory.mktemp("packages") / "iris.onnx"
    model.write_bytes((EXAMPLES / "iris.onnx").read_bytes())
    up = shipmark.json("up", model, "--env", "SHIPMARK_MAX_BODY_BYTES=2000")
    yield f"{up['address']}/predict"
    shipmark.ok("down", up["name"])


@pytest.fixture(scope="module")
def fragile(shipmark: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model that fails where it is told to."""
    package = tmp_path_factory.mktemp("packages") / "fragile"
    package.mkdir()
    (package / "model.py").write_text(FRAGILE)
    yield str(shipmark.json("up", package)["address"]) + "/predict"
    shipmark.ok("down", "fragile")


def refused(url: str, body: bytes, media_type: str = JSON) -> tuple[int, Message, dict[str, Any]]:
    request = urllib.request.Request(url, data=body, headers={"content-type": media_type})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as error:
        assert error.headers.get_content_type() == "application/problem+json"
        problem = json.loads(error.read())
    assert problem["request_id"] == error.headers["x-request-id"]
    assert problem["status"] == error.code
    return error.code, error.headers, problem


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"features": [["a", 1, 1, 1]]}', 400, "at $.features[0][0]: expected float, got str"),
        (b'{"features": [[null, 1, 1, 1]]}', 400, "at $.features[0][0]: expected float, got null"),
        (b'{"features": [[true, 1, 1, 1]]}', 400, "at $.features[0][0]: expected float, got bool"),
        (b'{"features": "x"}', 400, "at $.features: expected array, got str"),
        (b'{"features": [[1, 1, 1]]}', 400, "at $.features[0]: expected array of length >= 4"),
        (b'{"features": [1, 1, 1, 1]}', 400, "at $.features[0]: expected array, got int"),
        (b'{"features": [[1, 1, 1, 1, 1]]}', 400, "expected array of length <= 4"),
        (b'{"flowers": [[1, 1, 1, 1]]}', 400, "at $: object contains unknown field flowers"),
        (b"{}", 400, "missing required field"),
        (b"", 400, "the body is not JSON"),
        (b"hello", 400, "the body is not JSON"),
        (b'{"features": [[1, 1, 1, 1]]', 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b"[" * 1900, 400, ""),
        (b"[[NaN, 1, 1, 1]]", 400, "the body is not JSON"),
        (b"[[Infinity, 1, 1, 1]]", 400, "the body is not JSON"),
        (b"[[-Infinity, 1, 1, 1]]", 400, "the body is not JSON"),
        (b"[[1e999, 1, 1, 1]]", 400, "out of range"),
        (b"[[1e39, 1, 1, 1]]", 400, "expected float <= 3.4"),
        (b" " * 2001, 413, "the body is longer than the 2000 bytes that this server takes"),
    ],
)
def test_bad_tensor(iris: str, body: bytes, status: int, words: str) -> None:
    code, _, problem = refused(iris, body)

    assert code == status
    assert words in problem["detail"]
    assert post(iris, [[5.1, 3.5, 1.4, 0.2]])["label"] == [0]


def test_other_media_types(iris: str) -> None:
    code, _, problem = refused(iris, b"1,2,3,4", "text/csv")

    assert code == 415
    assert "the body's Content-Type is text/csv, and this model takes" in problem["detail"]


def test_too_large_from_the_command_line(shipmark: CommandLine, iris: str, tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b" " * 20_000_000 + b"[[1, 1, 1, 1]]")

    done = shipmark.run("predict", "iris", f"@{tmp_path}/large.json")

    assert done.returncode == 13
    assert "413" in done.stderr
    assert "raise max_body_bytes" in done.stderr


@pytest.mark.parametrize(
    ("given", "logged"),
    [("raise", "ValueError: cannot take raise, a value"), ("exit", "SystemExit: 3")],
)
def test_an_exception_is_told_to_the_log_and_not_to_the_caller(
    shipmark: CommandLine, fragile: str, given: str, logged: str
) -> None:
    code, headers, problem = refused(fragile, given.encode(), TEXT)

    assert code == 500
    assert problem["detail"] == "the model raised an exception"
    told = json.dumps(problem) + str(headers)
    for inside in ("Traceback", "Error", "model.py", "no caller should see"):
        assert inside not in told.replace("Internal Server Error", "")

    log = shipmark.ok("logs", "fragile")
    begun = log.index(f"[{problem['request_id']}] predict raised")
    trace = log[begun:].split("\n", 1)[1]
    assert trace.startswith("Traceback (most recent call last):")
    assert 'File "/app/model.py"' in trace
    assert logged in trace
    assert post(fragile, "2.5", TEXT) == 2.5


def test_the_request_id_of_the_command_line_leads_to_the_traceback(
    shipmark: CommandLine, fragile: str
) -> None:
    done = shipmark.run("predict", "fragile", "raise")

    assert done.returncode == 13
    assert "Traceback" not in done.stderr
    request_id = done.stderr.partition("(request ")[2].partition(")")[0]
    assert f"[{request_id}] predict raised" in shipmark.ok("logs", "fragile")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_an_answer_that_is_no_number(shipmark: CommandLine, fragile: str, number: str) -> None:
    code, _, problem = refused(fragile, number.encode(), TEXT)

    assert code == 500
    assert problem["detail"] == f"the answer holds {number} at $, which JSON has no number for"
    assert problem["request_id"] in shipmark.ok("logs", "fragile")
