"""`shipmark serve --reload` follows the source, and takes its server with it when it ends."""

import signal
import socket
import subprocess
import time
import urllib.error
from pathlib import Path

import pytest

from tests.e2e.conftest import SHIPMARK, CommandLine, post

pytestmark = pytest.mark.network

MODEL = "def predict(text: str) -> str:\n    return {answer!r}\n"


def _eventually(url: str, expected: str) -> None:
    deadline = time.monotonic() + 60
    answer = None
    while time.monotonic() < deadline:
        try:
            answer = post(url, "", "text/plain")
        except (urllib.error.URLError, ConnectionError):
            answer = None
        if answer == expected:
            return
        time.sleep(0.2)
    pytest.fail(f"{url} answered {answer!r}, not {expected!r}")


def test_reload(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "dev"
    package.mkdir()
    model = package / "model.py"
    model.write_text(MODEL.format(answer="one"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/predict"
    log = tmp_path / "log"
    with log.open("wb") as stream:
        serving = subprocess.Popen(
            [SHIPMARK, "serve", package, "--reload", "--port", str(port)],
            env=shipmark.environ,
            stderr=stream,
        )
    try:
        _eventually(url, "one")
        model.write_text(MODEL.format(answer="two"))
        _eventually(url, "two")
        model.write_text("def predict(text: str) -> str:\n    return (\n")
        deadline = time.monotonic() + 30
        while "model.py:2" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        model.write_text(MODEL.format(answer="three"))
        _eventually(url, "three")
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)

    with pytest.raises((urllib.error.URLError, ConnectionError)):
        post(url, "", "text/plain")


def test_a_zip_has_no_source_directory(shipmark: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"")

    words = shipmark.refused("serve", tmp_path / "model.zip")

    assert "shipmark up" in words
