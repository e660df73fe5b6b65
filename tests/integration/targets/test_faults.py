"""Whatever breaks in the middle leaves nothing half-made, and the next command goes on from there.

`shipmark` runs as the process that a person would start, and is killed as a person would.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest

from shipmark.deploy.status import Status
from shipmark.targets.process import durability
from shipmark.targets.process.state import StateDirectory
from shipmark.targets.process.target import ProcessTarget
from tests.integration.targets import images
from tests.integration.targets.conftest import (
    CommandLine,
    ask,
    command_lines,
    control_groups,
    process_is_gone,
    wait_until,
)

pytestmark = pytest.mark.sandbox

MOMENTS = 20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, base: bytes) -> Path:
    """A store with the image `model`, to be copied."""
    line = CommandLine(tmp_path_factory.mktemp("built"))
    files = {f"data/{number}": bytes([number % 256]) * 20_000 for number in range(150)}
    server = {"app/server.py": images.SERVER.encode()}
    image = images.put_image(line.store, [base, images.tar(files), images.tar(server)])
    images.tag_image(line.store, "model", image)
    return line.home / "data"


@pytest.fixture
def line(built: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """A user with that image; whatever runs at the end is taken down."""
    line = CommandLine(tmp_path, environ={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    shutil.copytree(built, tmp_path / "data", copy_function=os.link)
    yield line
    for status in _target(line).ps():
        _target(line).down(status.name)


def _target(line: CommandLine) -> ProcessTarget:
    return ProcessTarget(line.store, line.home / "state")


def _observe(line: CommandLine, name: str) -> Status:
    status = _target(line).observe(name)
    assert status is not None
    return status


def _supervisor(line: CommandLine, name: str) -> int:
    supervisor = StateDirectory(line.deployments / name).supervisor()
    assert supervisor is not None
    return supervisor


def _left(line: CommandLine) -> list[str]:
    """What is there that no deployment should leave."""
    found = [
        command
        for command in command_lines()
        # This one has layers written to the disk, which may take longer than a deployment lives.
        if str(line.home) in command and durability.__name__ not in command
    ]
    found += [str(path) for path in control_groups(line.deployments / "model")]
    found += [text for text in Path("/proc/self/mounts").read_text().split() if "shipmark" in text]
    if line.deployments.is_dir():
        found += [path.name for path in line.deployments.iterdir() if path.name != ".lock"]
    found += [path.name for path in (line.home / "data/store/tmp").glob("*")]
    return found


# -- kill -9 -----------------------------------------------------------------------------


def test_up_killed_at_any_moment_and_tried_again(line: CommandLine) -> None:
    """Moments from the start of the command to after its end, its whole process group at once."""
    unpacked = line.home / "data/store/unpacked"
    began = time.monotonic()
    line.ok("up", "model")
    whole_s = 1.1 * (time.monotonic() - began)
    line.ok("down", "model")
    seen: set[str] = set()
    for moment in range(MOMENTS):
        # What is small is unpacked anew each time, so that this is interrupted too.
        for path in unpacked.iterdir():
            if not (path / "usr").exists():
                shutil.rmtree(path)
        with line.begin("up", "model") as command:
            time.sleep(whole_s * moment / MOMENTS)
            os.killpg(command.pid, signal.SIGKILL)
        target = _target(line)
        [*statuses] = target.ps()
        directory = StateDirectory(line.deployments / "model")
        if statuses and not directory.is_claimed():
            seen.add("done")
            assert statuses[0].ready
            line_of_it = f"shipmark down {directory.name}"
            assert line_of_it in line.refused("up", "model")
            target.down("model")
        else:
            seen.add("made" if statuses else "not made")
        if moment % 7 == 3:
            line.ok("up", "model")  # the very command
        else:
            _up_again(line)
        assert ask(_observe(line, "model"), "result = 1") == "1"
        target.down("model")
        assert _left(line) == []
    assert "not made" in seen


def _up_again(line: CommandLine) -> None:
    """What the command does, without the time that its start takes."""
    from shipmark.cli.platforms import host_platform
    from shipmark.deploy.deployment import Deployment
    from shipmark.oci.graph import pick, read_index, read_manifest

    record = line.store.image("model")
    assert record is not None
    manifest = pick(read_index(line.store, record.index), host_platform()).digest
    config = read_manifest(line.store, manifest).config.digest
    deployment = Deployment(name="model", manifest=manifest, config=config, version="1")
    _target(line).up(deployment, timeout_s=60)


def test_up_killed_while_it_waits_undoes_itself(line: CommandLine) -> None:
    """Nobody need call anything: the supervisor sees that the command is gone."""
    with line.begin("up", "model", "--env", "MODE=hang") as command:
        wait_until(lambda: "loading for ever" in _log(line, "model"))
        os.killpg(command.pid, signal.SIGKILL)
    wait_until(lambda: _left(line) == [])
    line.ok("up", "model")


def test_up_and_its_supervisor_killed_at_once_are_told_and_replaced(line: CommandLine) -> None:
    with line.begin("up", "model", "--env", "MODE=hang") as command:
        wait_until(lambda: "loading for ever" in _log(line, "model"))
        os.kill(command.pid, signal.SIGSTOP)  # so that it does not clean up
        os.kill(_supervisor(line, "model"), signal.SIGKILL)
        os.killpg(command.pid, signal.SIGKILL)
    wait_until(lambda: _observe(line, "model").observed == "failed")
    status = _observe(line, "model")
    assert status.pid is None
    assert "was interrupted" in (status.last_error or "")
    assert "was interrupted" in line.ok("ps")
    line.ok("up", "model")
    assert ask(_observe(line, "model"), "result = 1") == "1"
    line.ok("down", "model")
    assert _left(line) == []


def test_up_interrupted_from_the_keyboard_leaves_nothing(line: CommandLine) -> None:
    with line.begin("up", "model", "--env", "MODE=hang") as command:
        wait_until(lambda: "loading for ever" in _log(line, "model"))
        os.killpg(command.pid, signal.SIGINT)
        command.communicate(timeout=60)
    assert command.returncode == 130
    assert _left(line) == []


def test_of_many_of_one_name_one_wins_and_is_unharmed(line: CommandLine) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: line.run("up", "model"), range(4)))
    assert sorted(each.returncode for each in done) == [0, 10, 10, 10]
    assert all("already" in each.stderr for each in done if each.returncode)
    assert ask(_observe(line, "model"), "result = 1") == "1"
    line.ok("down", "model")
    assert _left(line) == []


# -- the host restarts -------------------------------------------------------------------


@pytest.fixture
def bystander() -> Iterator[int]:
    """A process that has nothing to do with any of this."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        assert process.poll() is None
        process.kill()


def _restart_host(line: CommandLine, names: list[str], reused_pid: int) -> None:
    """End every process at once, and have one of their numbers mean another process."""
    models = [_observe(line, name).pid for name in names]
    for name in names:
        os.kill(_supervisor(line, name), signal.SIGKILL)
    for model in models:
        assert model is not None
        wait_until(partial(process_is_gone, model))
    for name in names:
        directory = StateDirectory(line.deployments / name)
        observed = directory.observed()
        assert observed is not None
        assert (observed.state, observed.ready) == ("running", True)  # it had no time to say so
        stale = msgspec.structs.replace(observed, pid=reused_pid)
        (directory.path / "status.json").write_bytes(msgspec.json.encode(stale))
    for name in names:
        for path in control_groups(line.deployments / name):
            path.rmdir()


def test_after_a_restart_of_the_host_all_that_should_run_is_started(
    line: CommandLine, bystander: int
) -> None:
    for name in ("first", "second", "third"):
        line.ok("up", "model", "--name", name)
    line.ok("stop", "third")
    addresses = [_observe(line, name).address for name in ("first", "second")]
    _restart_host(line, ["first", "second"], bystander)

    before = {each["name"]: each for each in line.json("ps")}
    assert {name: each["state"] for name, each in before.items()} == {
        "first": "failed", "second": "failed", "third": "stopped",
    }  # fmt: skip
    assert {each["pid"] for each in before.values()} == {None}
    assert "the host restarted" in before["first"]["last_error"]

    started = line.json("start", "--all")
    assert [each["name"] for each in started] == ["first", "second"]
    assert all(each["ready"] for each in started)
    assert sorted(each["address"] for each in started) == sorted(filter(None, addresses))
    assert _observe(line, "third").observed == "stopped"
    assert line.json("start", "--all") == []
    assert "everything that should run does" in line.ok("start", "--all")


def test_one_that_cannot_be_started_does_not_keep_the_others_down(
    line: CommandLine, bystander: int
) -> None:
    line.ok("up", "model", "--name", "good")
    line.ok("up", "model", "--name", "bad")
    _restart_host(line, ["good", "bad"], bystander)
    (line.deployments / "bad" / "deployment.json").write_text("{")
    half_made = line.begin("up", "model", "--name", "half", "--env", "MODE=hang")
    with half_made:
        wait_until(lambda: "loading for ever" in _log(line, "half"))
        os.kill(half_made.pid, signal.SIGSTOP)
        os.kill(_supervisor(line, "half"), signal.SIGKILL)
        os.killpg(half_made.pid, signal.SIGKILL)

    done = line.run("start", "--all")

    assert done.returncode == 10
    assert "1 of 2 could not be started" in done.stderr
    assert "deployment.json is damaged" in done.stderr
    assert "half is removed" in done.stderr
    assert ask(_observe(line, "good"), "result = 1") == "1"
    assert _target(line).observe("half") is None


def test_stale_state_is_of_no_consequence(line: CommandLine, bystander: int) -> None:
    """`stop` and `down` of a deployment whose process numbers mean somebody else."""
    line.ok("up", "model")
    _restart_host(line, ["model"], bystander)
    line.ok("stop", "model")
    line.ok("down", "model")
    assert _left(line) == []


# -- at boot -----------------------------------------------------------------------------


def _unit(line: CommandLine) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the unit; nothing in them needs more than a shell's quoting."""
    text = (line.home / "config/systemd/user/shipmark-model.service").read_text()
    values = dict(
        each.split("=", 1)
        for row in text.splitlines()
        if row.startswith("Environment=")
        for each in shlex.split(row.removeprefix("Environment="))
    )
    [started] = [row for row in text.splitlines() if row.startswith("ExecStart=")]
    return shlex.split(started.removeprefix("ExecStart=")), values


def test_a_unit_starts_it_in_the_foreground_and_ends_it_gently(
    line: CommandLine, bystander: int
) -> None:
    done = line.run("up", "model", "--boot")
    assert done.returncode == 0, done.stderr
    assert "shipmark-model.service" in done.stdout
    assert "loginctl enable-linger" in done.stderr or "start --all" in done.stderr
    wants = line.home / "config/systemd/user/default.target.wants/shipmark-model.service"
    assert wants.exists()
    _restart_host(line, ["model"], bystander)

    command, environ = _unit(line)
    with subprocess.Popen(command, env=environ) as service:
        wait_until(lambda: _observe(line, "model").ready)
        assert _supervisor(line, "model") == service.pid
        assert ask(_observe(line, "model"), "result = 1") == "1"
        service.terminate()  # as systemd does when the host goes down
        assert service.wait(60) == 0
    status = _observe(line, "model")
    assert (status.desired, status.observed) == ("running", "stopped")
    assert [each["name"] for each in line.json("start", "--all")] == ["model"]

    line.ok("stop", "model")
    left = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "was stopped, and is left so" in left.stdout

    line.ok("down", "model")
    assert [path for path in (line.home / "config").rglob("*") if not path.is_dir()] == []


def test_a_unit_of_a_model_that_fails_says_so_and_ends(line: CommandLine) -> None:
    line.ok("up", "model", "--boot")
    command, environ = _unit(line)
    directory = StateDirectory(line.deployments / "model")
    line.ok("stop", "model")
    desired = directory.desired()
    assert desired is not None
    broken = msgspec.structs.replace(desired.deployment, env={"MODE": "crash"})
    directory.write(msgspec.structs.replace(desired, deployment=broken, running=True))
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model did not become ready: it ended with exit status 1" in done.stderr
    assert _observe(line, "model").observed == "failed"


# -- the disk is full --------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path, built: Path) -> Iterator[CommandLine]:
    """A user whose state lies on a disk of 400 kB: in a mount namespace that ends with the test."""
    shutil.copytree(built, tmp_path / "data", copy_function=os.link)
    (tmp_path / "state").mkdir()
    script = 'mount -t tmpfs -o size=400k none "$0" && echo mounted && exec sleep 600'
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "state")],
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n"
        line = CommandLine(
            tmp_path, prefix=("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--wd=/")
        )
        yield line
        for deployment in line.json("ps"):
            line.run("down", deployment["name"])
        holder.kill()


def _fill(line: CommandLine) -> None:
    """Leave not a byte on the disk of the state."""
    script = f"dd if=/dev/zero bs=1k of={line.home}/state/ballast 2>/dev/null; true"
    subprocess.run([*line.prefix, "sh", "-c", script], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_up_on_a_full_disk_says_which_and_leaves_nothing(small_disk: CommandLine) -> None:
    line = small_disk
    line.ok("up", "model")
    line.ok("down", "model")
    _fill(line)
    said = line.refused("up", "model")
    assert "the disk is full" in said
    assert str(line.deployments / "model") in said
    assert line.json("ps") == []
    listed = subprocess.run(
        [*line.prefix, "ls", "-A", str(line.deployments)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == [".lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_deployment_survives_a_full_disk_and_can_be_ended_there(small_disk: CommandLine) -> None:
    line = small_disk
    line.ok("up", "model")
    _fill(line)
    status = _decoded(line.json("ps")[0])
    flood = "import os; result = [os.write(1, b'x' * 65536) for _ in range(20)]"
    assert ask(status, flood).startswith("[65536")
    assert ask(status, "result = 'well'") == "well"
    after = _decoded(line.json("ps")[0])
    assert (after.pid, after.ready, after.restarts) == (status.pid, True, 0)
    said = line.refused("stop", "model")  # it is stopped, and that cannot be written down
    assert "deployment.json" in said
    assert line.json("ps")[0]["state"] in {"failed", "stopped"}
    assert status.pid is not None
    assert process_is_gone(status.pid)
    line.ok("down", "model")
    assert line.json("ps") == []


def _decoded(document: dict[str, object]) -> Status:
    fields = {key: value for key, value in document.items() if key != "state"}
    return msgspec.convert(fields | {"observed": document["state"]}, Status)


UNPACK_ON_A_SMALL_DISK = """
import pathlib, sys
from shipmark.errors import ShipmarkError
from shipmark.store import Store
from shipmark.oci.graph import read_config, read_manifest
from shipmark.progress import Silent
from shipmark.targets.process import rootfs
from tests.integration.targets import images

store = Store(pathlib.Path(sys.argv[1]) / "store")
layer = images.tar({f"file-{number}": bytes(1 << 20) for number in range(40)})
image = images.put_image(store, [images.tar({}), layer])
manifest = read_manifest(store, image.manifest)
reserve = rootfs.RESERVE_BYTES
for rootfs.RESERVE_BYTES in (reserve, -(1 << 40)):  # asked before, and found out in the middle
    try:
        rootfs.unpack(store, manifest, read_config(store, image.config), Silent())
    except ShipmarkError as error:
        print(error.message)
print([str(path) for place in ("tmp", "unpacked") for path in (store.root / place).iterdir()])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_an_image_that_does_not_fit_is_refused_before_and_while_it_is_unpacked(
    tmp_path: Path,
) -> None:
    script = 'mount -t tmpfs -o size=16m none "$0" && exec "$@"'
    repository = Path(__file__).parents[3]
    program = [sys.executable, "-c", UNPACK_ON_A_SMALL_DISK, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(tmp_path), *program],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": f"{repository}:{repository / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, during, left = done.stdout.splitlines()
    assert f"does not fit on the disk of {tmp_path}" in before
    assert "MiB are needed" in before
    assert f"the disk of {tmp_path}" in during
    assert "full" in during
    assert left == "[]"


def _log(line: CommandLine, name: str) -> str:
    try:
        return (line.deployments / name / "log").read_text()
    except FileNotFoundError:
        return ""
