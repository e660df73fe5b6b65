"""What goes wrong for a user ends as a sentence, and leaves nothing behind."""

import socket
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]


@pytest.fixture(scope="module")
def echo(shipmark: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that answers what it was asked, built."""
    package = tmp_path_factory.mktemp("packages") / "echo"
    package.mkdir()
    (package / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    shipmark.ok("build", package)
    return package


def test_two_of_one_name(shipmark: CommandLine, echo: Path) -> None:
    up = shipmark.json("up", echo)

    words = shipmark.refused("up", echo, "--port", "18099")

    assert "echo" in words
    assert "try:" in words
    assert post(f"{up['address']}/predict", "still here", "text/plain") == "still here"
    shipmark.ok("down", "echo")


def test_a_port_that_is_taken(shipmark: CommandLine, echo: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        words = shipmark.refused("up", echo, "--port", str(port))

    assert str(port) in words
    assert shipmark.json("ps") == []


def test_a_model_that_fails_in_init(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "broken"
    package.mkdir()
    (package / "model.py").write_text(
        "def init():\n    open('/app/weights.bin')\n\n"
        "def predict(text: str) -> str:\n    return text\n"
    )

    words = shipmark.refused("up", package)

    assert "FileNotFoundError" in words
    assert "/app/weights.bin" in words
    assert "Traceback" in words
    assert shipmark.json("ps") == []


def test_a_golden_record_that_fails(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "half"
    (package / "golden").mkdir(parents=True)
    (package / "model.py").write_text("def predict(x: float) -> float:\n    return x / 2\n")
    (package / "golden" / "four.json").write_text('{"input": 4, "output": 2.1}')

    words = shipmark.refused("check", package)

    assert "golden/four.json" in words
    assert "0.047" in words


def test_a_stale_lock_says_what_changed(shipmark: CommandLine, echo: Path) -> None:
    (echo / "extra.py").write_text("ANSWER = 42\n")
    try:
        words = shipmark.refused("build", "--locked", echo)
    finally:
        (echo / "extra.py").unlink()

    assert "extra.py" in words
    assert f"shipmark lock {echo}" in words


def test_a_typing_error_in_the_verb(shipmark: CommandLine) -> None:
    words = shipmark.refused("biuld")

    assert "build" in words


def test_an_unknown_name(shipmark: CommandLine) -> None:
    for verb in ("logs", "stop", "start", "down"):
        words = shipmark.refused(verb, "nobody")

        assert "nobody" in words


def test_the_sandbox_has_no_network(shipmark: CommandLine, tmp_path: Path) -> None:
    package = tmp_path / "caller"
    package.mkdir()
    (package / "model.py").write_text(
        "import socket\n\n"
        "def predict(address: str) -> str:\n"
        "    if address == 'resolver':\n"
        "        return open('/etc/resolv.conf').read()\n"
        "    host, port = address.split(':')\n"
        "    try:\n"
        "        socket.create_connection((host, int(port)), timeout=2).close()\n"
        "    except OSError as error:\n"
        "        return f'refused: {error}'\n"
        "    return 'connected'\n"
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        closed = shipmark.json("up", package)
        alone = post(f"{closed['address']}/predict", address, "text/plain")
        shipmark.ok("down", "caller")
        opened = shipmark.json("up", package, "--network")
        together = post(f"{opened['address']}/predict", address, "text/plain")
        resolver = post(f"{opened['address']}/predict", "resolver", "text/plain")
        shipmark.ok("down", "caller")

    assert alone.startswith("refused")
    assert together == "connected"
    assert resolver == Path("/etc/resolv.conf").read_text()
