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
    assert made.create(Desired(deployment=DEPLOYMENT), LAUNCH)
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
    assert not directory.create(Desired(deployment=DEPLOYMENT), LAUNCH)
    assert state.names(directory.path.parent) == ["model"]
    directory.destroy()
    directory.destroy()
    assert list(directory.path.parent.iterdir()) == []
    assert directory.create(Desired(deployment=DEPLOYMENT), LAUNCH)


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
