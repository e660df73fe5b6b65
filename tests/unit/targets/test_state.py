"""A deployment's directory exists whole or not at all, and its lock tells who supervises it."""

import os
import signal
from pathlib import Path

import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.digest import of_bytes
from shipmark.errors import DeployError
from shipmark.targets.process import state
from shipmark.targets.process.state import Desired, Launch, Observed, StateDirectory

DEPLOYMENT = Deployment(name="model", manifest=of_bytes(b"m"), config=of_bytes(b"c"))
LAUNCH = Launch(layers=(), argv=("x",), env={}, workdir="/", stop_signal=15, ready_timeout_s=1.0)


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / "deployments" / "model")
    with state.changing(made.path.parent):
        claim = made.create(Desired(deployment=DEPLOYMENT), LAUNCH)
    assert claim is not None
    made.establish()
    os.close(claim)
    return made


def test_records_come_back(directory: StateDirectory) -> None:
    assert directory.desired() == Desired(deployment=DEPLOYMENT)
    assert directory.launch() == LAUNCH
    assert directory.observed() is None
    before = directory.status_version()
    directory.write(Observed(state="running", pid=7))
    assert directory.observed() == Observed(state="running", pid=7)
    assert directory.status_version() != before


def test_a_name_is_taken_once_and_free_again_after_destroy(directory: StateDirectory) -> None:
    assert directory.create(Desired(deployment=DEPLOYMENT), LAUNCH) is None
    assert state.names(directory.path.parent) == ["model"]
    directory.destroy()
    directory.destroy()
    assert [path.name for path in directory.path.parent.iterdir()] == [".lock"]
    claim = directory.create(Desired(deployment=DEPLOYMENT), LAUNCH)
    assert claim is not None
    os.close(claim)


def test_a_claim_is_held_until_its_process_ends_or_the_deployment_is_established(
    tmp_path: Path,
) -> None:
    directory = StateDirectory(tmp_path / "deployments" / "model")
    with state.changing(directory.path.parent):
        claim = directory.create(Desired(deployment=DEPLOYMENT), LAUNCH)
    assert claim is not None
    assert directory.is_claimed()
    assert directory.is_claimed_by(claim)
    assert not directory.is_abandoned()
    os.close(claim)  # as the kernel does
    assert directory.is_abandoned()
    directory.establish()
    assert not directory.is_abandoned()
    assert not directory.is_claimed()
    directory.establish()


def test_what_a_killed_command_left_is_removed_by_the_next(directory: StateDirectory) -> None:
    root = directory.path.parent
    half_made = root / ".model.0123abcd"
    half_made.mkdir()
    (half_made / "deployment.json").write_text("{")
    with state.changing(root):
        assert not half_made.exists()
    assert state.names(root) == ["model"]


def test_a_damaged_file_is_told_with_the_mend(directory: StateDirectory) -> None:
    (directory.path / "deployment.json").write_text('{"deployment": ')
    with pytest.raises(DeployError, match=r"deployment\.json is damaged") as told:
        directory.desired()
    assert "shipmark down model" in told.value.hint


def test_the_lock_tells_its_holder_until_it_dies(directory: StateDirectory) -> None:
    assert directory.supervisor() is None
    assert directory.open_supervisor() is None
    ready_end, tell = os.pipe()
    child = os.fork()
    if child == 0:
        directory.acquire()
        os.write(tell, b"!")
        signal.pause()
    os.read(ready_end, 1)
    try:
        assert directory.supervisor() == child
        assert directory.acquire() is None
        pidfd = directory.open_supervisor()
        assert pidfd is not None
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
    finally:
        os.waitpid(child, 0)
        os.close(ready_end)
        os.close(tell)
    assert directory.supervisor() is None
