"""The checks of deployments and ports tell a dead supervisor, a loop, and who has the port."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.digest import Digest
from shipmark.doctor import deployments, ports
from shipmark.targets.process.state import Desired, Launch, Observed, StateDirectory

DIGEST = Digest("sha256:" + "0" * 64)
HOLD = """
import sys
from pathlib import Path
from shipmark.targets.process.state import StateDirectory
assert StateDirectory(Path(sys.argv[1])).acquire() is not None
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def digits(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "deployments" / "digits")
    deployment = Deployment(name="digits", manifest=DIGEST, config=DIGEST)
    launch = Launch(layers=(), argv=(), env={}, workdir="/", stop_signal=15, ready_timeout_s=1)
    assert directory.create(Desired(deployment=deployment), launch)
    return directory


@contextmanager
def supervised(directory: StateDirectory) -> Iterator[None]:
    """Another process holds the supervisor's lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.communicate()


def test_none_and_one_that_runs(tmp_path: Path, digits: StateDirectory) -> None:
    assert deployments.check(tmp_path / "nothing").status == "ok"
    digits.write(Observed(state="running", ready=True))
    with supervised(digits):
        assert deployments.check(digits.path.parent).found == "digits"
        assert deployments.check(digits.path.parent).status == "ok"


def test_a_supervisor_that_was_killed(digits: StateDirectory) -> None:
    digits.write(Observed(state="running", ready=True))

    finding = deployments.check(digits.path.parent)

    assert finding.status == "failed"
    assert finding.found == "digits should run and does not: its supervisor is gone"
    assert "shipmark start digits" in finding.mend


def test_one_that_failed_says_why(digits: StateDirectory) -> None:
    digits.write(Observed(state="failed", error="it ended with status 1"))

    assert deployments.check(digits.path.parent).found.endswith("it ended with status 1")


def test_one_that_was_stopped_is_well(digits: StateDirectory) -> None:
    desired = digits.desired()
    assert desired is not None
    digits.write(Desired(deployment=desired.deployment, running=False))

    assert deployments.check(digits.path.parent).status == "ok"


def test_one_that_ends_again_and_again(digits: StateDirectory) -> None:
    digits.write(Observed(state="restarting", restarts=7, error="out of memory"))
    with supervised(digits):
        finding = deployments.check(digits.path.parent)

    assert finding.status == "warning"
    assert "7 restarts" in finding.found
    assert "out of memory" in finding.found


def test_files_that_are_damaged(digits: StateDirectory) -> None:
    (digits.path / "deployment.json").write_text("{")
    (digits.path.parent / "empty one").mkdir()

    finding = deployments.check(digits.path.parent)

    assert finding.status == "failed"
    assert "shipmark down digits" in finding.mend
    assert f"rm -r '{digits.path.parent / 'empty one'}'" in finding.mend


def test_a_port_that_is_taken_and_by_whom(digits: StateDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = ports.check(digits.path.parent, port=port)
        assert finding.status == "warning"
        assert f"127.0.0.1:{port}" in finding.found
        assert "(pid " in finding.found

        digits.write(Observed(state="running", ready=True, port=port))
        assert ports.check(digits.path.parent, port=port).status == "warning", "its lock is free"
        with supervised(digits):
            finding = ports.check(digits.path.parent, port=port)
        assert finding.status == "ok"
        assert finding.found == f"{port} is that of the deployment digits"
    assert ports.check(digits.path.parent, port=port).found == f"{port} is free"
