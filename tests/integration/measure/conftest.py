"""Servers of known behaviour, and a load on them."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shipmark.measure import Load

Start = Callable[..., int]
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `server.py` with some arguments; its port."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(_server([str(each) for each in arguments]))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def _server(arguments: list[str]) -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("server.py")), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def load_on(port: int, **changed: object) -> Load:
    """A load of 300 requests a second."""
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "request": REQUEST,
        "schedule": "poisson",
        "rate_per_s": 300.0,
        "duration_s": 2.0,
        "seed": 1,
        "connections": 500,
        "timeout_s": 5.0,
    }
    return Load(**(values | changed))  # type: ignore[arg-type]  # the record checks them
