"""The life of a deployment as a process: up, death, stop, start, down, and what is left."""

import itertools
import os
import signal
import socket
import stat
import threading
import time
from http.client import RemoteDisconnected
from pathlib import Path
from urllib.error import URLError

import pytest

from shipmark.deploy.limits import Limits
from shipmark.deploy.status import Status
from shipmark.errors import (
    DeployError,
    DigestMismatch,
    RolloutFailed,
    TargetUnavailable,
    Unsupported,
)
from shipmark.progress import Silent
from shipmark.store import Store
from shipmark.targets.process import cgroup, enforcement
from shipmark.targets.process.state import StateDirectory
from tests.integration.targets import images
from tests.integration.targets.conftest import (
    Harness,
    ask,
    command_lines,
    control_groups,
    process_is_gone,
)

_HUNG_UP = (ConnectionError, RemoteDisconnected, URLError)

pytestmark = pytest.mark.sandbox


def _wait_for(harness: Harness, name: str, observed: str, timeout_s: float = 15) -> Status:
    deadline = time.monotonic() + timeout_s
    while True:
        status = harness.target.observe(name)
        assert status is not None
        if status.observed == observed:
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.01)


def _groups(harness: Harness) -> list[Path]:
    return control_groups(harness.state_root / "deployments" / "model")


def _own_mounts(harness: Harness) -> list[str]:
    """Mounts of ours that the host sees; other programs make and drop theirs meanwhile."""
    lines = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    return [line for line in lines if "shipmark" in line or str(harness.state_root) in line]


def _traces(harness: Harness) -> dict[str, object]:
    """What a deployment could leave behind."""
    return {
        "state": sorted(harness.state_root.rglob("*")),
        "processes": [line for line in command_lines() if str(harness.state_root) in line],
        "mounts": _own_mounts(harness),
        "groups": _groups(harness),
    }


def test_it_answers_and_says_what_it_is(harness: Harness) -> None:
    status = harness.up(harness.deployment(env={"GREETING": "good day"}))

    assert status.ready
    assert status.observed == "running"
    assert status.digest == harness.image.manifest
    assert status.last_error is None
    assert (
        ask(
            status,
            "result = os.environ['GREETING'] + ' ' + socket.gethostname()".replace(
                "result", "import os, socket; result", 1
            ),
        )
        == "good day model"
    )
    assert ask(status, "import os; result = os.getcwd()") == "/app"
    assert harness.target.ps() == [harness.target.observe("model")]


def test_two_deployments_take_two_ports_and_share_the_layers(harness: Harness) -> None:
    first = harness.up(harness.deployment("first"))
    second = harness.up(harness.deployment("second"))

    assert first.address != second.address
    assert [status.name for status in harness.target.ps()] == ["first", "second"]
    assert ask(first, "result = 1") == ask(second, "result = 1") == "1"


def test_a_second_of_the_same_name_is_refused_and_the_first_unharmed(harness: Harness) -> None:
    status = harness.up()
    with pytest.raises(DeployError, match="already") as refused:
        harness.up()
    assert "shipmark down model" in refused.value.hint
    assert ask(status, "result = 7") == "7"


def test_a_taken_port_is_refused_with_its_owner_and_nothing_is_left(harness: Harness) -> None:
    before = _traces(harness)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeployError, match=rf"127\.0\.0\.1:{port}.*\(pid {os.getpid()}\)"):
            harness.up(harness.deployment(port=port))
    assert harness.target.ps() == []
    assert _traces(harness)["groups"] == before["groups"]


def test_a_port_taken_by_another_deployment_is_told_by_its_name(harness: Harness) -> None:
    first = harness.up(harness.deployment("first"))
    port = int((first.address or "").rpartition(":")[2])
    with pytest.raises(DeployError, match="by the deployment first"):
        harness.up(harness.deployment("second", port=port))


def test_a_model_that_dies_is_started_again_and_callers_wait_meanwhile(harness: Harness) -> None:
    before = harness.up()
    with pytest.raises(_HUNG_UP):
        ask(before, "import os; os._exit(3)")
    _wait_for(harness, "model", "restarting")
    # The supervisor keeps the port: this caller is answered by the next start.
    assert ask(before, "result = 'back'") == "back"
    after = _wait_for(harness, "model", "running")
    assert after.restarts == 1
    assert after.pid != before.pid
    assert after.last_error == "it ended with exit status 3"


def test_a_model_killed_from_outside_is_started_again(harness: Harness) -> None:
    before = harness.up()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    _wait_for(harness, "model", "restarting")
    assert ask(before, "result = 'back'") == "back"
    assert _wait_for(harness, "model", "running").last_error == "it was killed by SIGKILL"


def test_a_model_that_shuts_its_listener_is_served_again_after_its_death(harness: Harness) -> None:
    status = harness.up()
    with pytest.raises(_HUNG_UP):
        ask(status, "import os; listener.shutdown(2); os._exit(1)")
    _wait_for(harness, "model", "restarting")
    assert ask(status, "result = 'back'") == "back"


def test_a_failing_init_shows_its_traceback_and_leaves_nothing(harness: Harness) -> None:
    before = _traces(harness)
    with pytest.raises(RolloutFailed) as failed:
        harness.up(harness.deployment(mode="crash"))
    assert "exit status 1" in failed.value.message
    assert "RuntimeError: weights are missing" in failed.value.message
    assert harness.target.ps() == []
    after = _traces(harness)
    assert after["processes"] == []
    assert (after["mounts"], after["groups"]) == (before["mounts"], before["groups"])


def test_a_hanging_init_is_given_up_with_its_log(harness: Harness) -> None:
    began = time.monotonic()
    with pytest.raises(RolloutFailed, match=r"not ready within 0\.5 s") as failed:
        harness.target.up(harness.deployment(mode="hang"), timeout_s=0.5)
    assert "loading for ever" in failed.value.message
    assert time.monotonic() - began < 5
    assert _traces(harness)["processes"] == []


def test_down_leaves_no_process_mount_group_or_file(harness: Harness) -> None:
    before = _traces(harness)
    status = harness.up()
    assert status.pid is not None
    assert _traces(harness)["processes"]
    harness.target.down("model")
    after = _traces(harness)
    assert after["processes"] == []
    assert after["groups"] == []
    assert after["mounts"] == before["mounts"]
    left = (harness.state_root / "deployments").iterdir()
    assert [path.name for path in left] == [".lock"]
    assert process_is_gone(status.pid)


def test_sigterm_ignored_means_sigkill_after_the_grace_time(harness: Harness) -> None:
    status = harness.up(harness.deployment(mode="deaf", stop_grace_s=0.4))
    began = time.monotonic()
    stopped = harness.target.stop("model")
    assert 0.4 <= time.monotonic() - began < 3
    assert stopped.observed == "stopped"
    assert status.pid is not None
    assert process_is_gone(status.pid)


def test_stop_and_start_keep_name_port_and_log(harness: Harness) -> None:
    before = harness.up()
    stopped = harness.target.stop("model")
    assert (stopped.desired, stopped.observed, stopped.digest) == ("stopped", "stopped", None)
    assert harness.target.stop("model").observed == "stopped"
    after = harness.target.start("model", timeout_s=20)
    assert after.address == before.address
    assert after.ready
    assert list(harness.target.logs("model")).count("serving") == 2
    assert harness.target.start("model").pid == after.pid


def test_a_start_that_fails_keeps_the_deployment_and_its_log(harness: Harness) -> None:
    harness.up(harness.deployment(mode=""))
    harness.target.stop("model")
    directory = StateDirectory(harness.state_root / "deployments" / "model")
    desired = directory.desired()
    assert desired is not None
    broken = harness.deployment(mode="crash")
    directory.write(type(desired)(deployment=broken, running=False))
    with pytest.raises(RolloutFailed, match="weights are missing"):
        harness.target.start("model", timeout_s=20)
    status = harness.target.observe("model")
    assert status is not None
    assert status.observed == "failed"
    assert "RuntimeError: weights are missing" in list(harness.target.logs("model"))


def test_the_sandbox_dies_with_its_supervisor_and_can_be_started_again(harness: Harness) -> None:
    status = harness.up()
    assert status.pid is not None
    supervisor = StateDirectory(harness.state_root / "deployments" / "model").supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not process_is_gone(status.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lost = _wait_for(harness, "model", "failed")
    assert "supervisor was killed" in (lost.last_error or "")
    assert not lost.ready
    assert ask(harness.target.start("model", timeout_s=20), "result = 1") == "1"


def test_logs_follow_until_it_stops(harness: Harness) -> None:
    status = harness.up()
    seen: list[str] = []
    follower = threading.Thread(
        target=lambda: seen.extend(harness.target.logs("model", follow=True, lines=0))
    )
    follower.start()
    time.sleep(0.2)
    for number in range(3):
        ask(status, f"print('line', {number}, '\\x1b[2J', flush=True)")
    harness.target.stop("model")
    follower.join(timeout=5)
    assert not follower.is_alive()
    assert [line for line in seen if line.startswith("line")] == [
        f"line {number} \ufffd[2J" for number in range(3)
    ]
    assert list(harness.target.logs("model", lines=1)) == ["shipmark: stopped"]


def test_names_that_are_unknown_or_impossible(harness: Harness) -> None:
    for call in (harness.target.down, harness.target.stop, harness.target.start):
        with pytest.raises(DeployError, match="no deployment 'other'"):
            call("other")
        with pytest.raises(DeployError, match="cannot name"):
            call("../other")
    assert harness.target.observe("other") is None


def test_a_damaged_deployment_is_told_and_can_be_removed(harness: Harness) -> None:
    harness.up(harness.deployment("good"))
    broken = harness.up(harness.deployment("broken"))
    (harness.state_root / "deployments" / "broken" / "deployment.json").write_text("{")
    observed = {status.name: status for status in harness.target.ps()}
    assert observed["good"].observed == "running"
    assert "deployment.json is damaged" in (observed["broken"].last_error or "")
    harness.target.down("broken")
    assert [status.name for status in harness.target.ps()] == ["good"]
    assert broken.pid is not None
    assert process_is_gone(broken.pid)


def test_secrets_of_the_environment_are_in_one_private_file_only(harness: Harness) -> None:
    secret = "s3cret-value"
    harness.up(harness.deployment(env={"TOKEN": secret}))
    folder = harness.state_root / "deployments" / "model"
    holders = [path.name for path in folder.iterdir() if secret in path.read_text("utf-8")]
    assert holders == ["deployment.json"]
    assert stat.S_IMODE((folder / "deployment.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not any(secret in line for line in command_lines())


def test_explicit_limits_are_enforced_or_refused_and_others_noted(harness: Harness) -> None:
    notes: list[str] = []

    class Watcher(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    deployment = harness.deployment(limits=Limits(memory_bytes=128 << 20, cpus=1.0))
    if {"memory_bytes", "cpus"} <= set(enforcement.expected(cgroup.find())):
        status = harness.target.up(
            deployment, explicit_limits={"memory_bytes"}, timeout_s=20, progress=Watcher()
        )
        assert notes == []
        assert all(limit.enforced for limit in status.limits)
        before = time.monotonic()
        with pytest.raises(_HUNG_UP):
            ask(status, "result = len(b'x' * (512 << 20))")
        assert ask(status, "result = 'back'") == "back"
        assert time.monotonic() - before < 10
        assert "memory limit" in (_wait_for(harness, "model", "running").last_error or "")
    else:
        with pytest.raises(Unsupported, match="--memory cannot be enforced"):
            harness.target.up(deployment, explicit_limits={"memory_bytes"}, timeout_s=20)
        assert harness.target.ps() == []
        status = harness.target.up(deployment, timeout_s=20, progress=Watcher())
        assert [note.split(" is ")[0] for note in notes] == [
            "the limit cpus",
            "the limit memory_bytes",
        ]
        by_name = {limit.name: limit for limit in status.limits}
        assert not by_name["memory_bytes"].enforced
        assert by_name["processes"].by == "rlimit"


def test_an_image_of_more_layers_than_a_page_of_mount_options(
    harness: Harness, store: Store, base: bytes
) -> None:
    layers = [images.tar({f"app/part-{number:03}": b"x"}) for number in range(120)]
    server = images.tar({"app/server.py": images.SERVER.encode()})
    image = images.put_image(store, [base, *layers, server])
    status = harness.up(harness.deployment(image=image))
    assert ask(status, "import os; result = len(os.listdir('/app'))") == "121"


def test_whiteouts_hide_what_lies_below(harness: Harness, store: Store, base: bytes) -> None:
    server = {"app/server.py": images.SERVER.encode()}
    lower = images.tar(server | {"data/gone": b"", "data/kept": b"", "old/a": b"", "old/b": b""})
    upper = images.tar({"data/.wh.gone": b"", "old/.wh..wh..opq": b"", "old/c": b""})
    status = harness.up(harness.deployment(image=images.put_image(store, [base, lower, upper])))
    assert ask(status, "import os; result = os.listdir('/data') + os.listdir('/old')") == (
        "['kept', 'c']"
    )


def test_an_image_for_another_processor_is_refused(harness: Harness, store: Store) -> None:
    image = images.put_image(store, [images.tar({"a": b""})], architecture="riscv64")
    with pytest.raises(Unsupported, match="linux/riscv64"):
        harness.up(harness.deployment(image=image))


def test_a_layer_that_is_not_what_the_config_says(harness: Harness, store: Store) -> None:
    honest = images.put_image(store, [images.tar({"a": b"a"})])
    del honest
    diff_ids = [store.put(b"something else")]
    image = images.put_image(store, [images.tar({"a": b"a"})], diff_ids=diff_ids)
    with pytest.raises(DigestMismatch):
        harness.up(harness.deployment(image=image))
    assert not store.unpacked(diff_ids[0]).exists()
    assert harness.target.ps() == []


def test_no_bubblewrap_says_how_to_get_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TargetUnavailable) as refused:
        harness.up()
    assert "apt install bubblewrap" in refused.value.hint


def test_a_program_that_cannot_be_started_is_the_images_fault(
    harness: Harness, store: Store, base: bytes
) -> None:
    image = images.put_image(store, [base, images.tar({"app/x": b""})], argv=("/no/such/program",))
    with pytest.raises(RolloutFailed, match="No such file"):
        harness.up(harness.deployment(image=image))


def test_kill_of_up_at_any_moment_leaves_a_state_that_can_be_removed(harness: Harness) -> None:
    """The command is killed after more and more of its work; whatever is there, down removes."""
    for delay_s in itertools.takewhile(lambda delay: delay < 0.4, itertools.count(0, 0.04)):
        child = os.fork()
        if child == 0:
            try:
                harness.up()
            finally:
                os._exit(0)
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for status in harness.target.ps():
            harness.target.down(status.name)
        assert not _groups(harness)
    assert _traces(harness)["processes"] == []
    status = harness.up()
    assert ask(status, "result = 1") == "1"


def test_kill_of_the_supervisor_at_any_moment_leaves_no_process(
    harness: Harness, store: Store, base: bytes
) -> None:
    marker = f"marker-{os.getpid()}"
    image = images.put_image(
        store,
        [base, images.tar({"app/server.py": images.SERVER.encode()})],
        argv=(images.PYTHON, "-I", "/app/server.py", marker),
    )
    directory = StateDirectory(harness.state_root / "deployments" / "model")
    for step in range(12):
        child = os.fork()
        if child == 0:
            try:
                harness.up(harness.deployment(image=image))
            finally:
                os._exit(0)
        while (supervisor := directory.supervisor()) is None:
            time.sleep(0.001)
        time.sleep(step * 0.004)
        os.kill(supervisor, signal.SIGKILL)
        os.waitpid(child, 0)
        deadline = time.monotonic() + 5
        while any(marker in line for line in command_lines()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for status in harness.target.ps():
            harness.target.down(status.name)
        assert not _groups(harness)
