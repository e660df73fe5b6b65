"""A hostile package, run by the real server: each attack ends at a limit with a name.

Beside it runs a neighbour that must go on answering from the same process, and on the host a
process of the very user that sandboxes have when root starts them.
"""

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import Limits
from shipmark.deploy.status import Status
from shipmark.errors import RolloutFailed
from shipmark.oci.graph import pick, read_index, read_manifest
from shipmark.targets.process import cgroup, enforcement
from shipmark.targets.process.host import architecture
from shipmark.targets.process.state import StateDirectory
from shipmark.targets.process.target import ProcessTarget
from tests.integration.targets.conftest import (
    AS_ROOT,
    CommandLine,
    control_groups,
    predict,
    process_is_gone,
    wait_until,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.network]

MODEL = """
import os

def init():
    exec(os.environ.get("AT_START", ""), {})

def predict(text: str) -> str:
    scope = {}
    exec(text, scope)
    return str(scope.get("result"))
"""
CONFIG = '[resources]\nmemory = "300M"\ncpus = 2\n'
GROUPS = enforcement.expected(cgroup.find())
NEIGHBOURS_PATIENCE_S = 20.0
SANDBOX_USER = 65532

HELPERS = """
import ctypes, errno, json, os, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "allowed"

def system_call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A user who has built the package; it downloads about 20 MB."""
    home = tmp_path_factory.mktemp("user")
    package = home / "hostile"
    package.mkdir()
    (package / "model.py").write_text(MODEL)
    (package / "shipmark.toml").write_text(CONFIG)
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    (shared / "download-cache").mkdir(exist_ok=True)
    line = CommandLine(home / "home", environ={"XDG_CONFIG_HOME": str(home / "config")})
    line.home.mkdir()
    (line.home / "cache").symlink_to(shared / "download-cache")
    line.ok("build", package)
    return line


@dataclass(frozen=True, slots=True)
class Street:
    """A target on which a neighbour lives."""

    target: ProcessTarget
    deployment: Deployment
    neighbour: Status
    supervisor: Callable[[str], int | None]

    @contextmanager
    def attacker(
        self,
        limits: Limits | None = None,
        *,
        at_start: str = "",
        stop_grace_s: float = 2.0,
    ) -> Iterator[Status]:
        """A deployment of the hostile package; gone at the end, whatever it did."""
        deployment = msgspec.structs.replace(
            self.deployment,
            name="attacker",
            limits=limits or Limits(memory_bytes=300 << 20),
            env={"AT_START": at_start},
            stop_grace_s=stop_grace_s,
        )
        status = self.target.up(deployment, timeout_s=60)
        try:
            yield status
        finally:
            self.target.down("attacker")

    def groups(self) -> list[Path]:
        """The control groups of the attacker."""
        return control_groups(self.target._root / "attacker")

    def last_error(self) -> str:
        """What `ps` says of the attacker."""
        status = self.target.observe("attacker")
        assert status is not None
        return status.last_error or ""

    def says(self, text: str) -> None:
        """Wait until `ps` and the log name the limit."""
        wait_until(lambda: text in self.last_error())
        assert any(text in shown for shown in self.target.logs("attacker"))


@pytest.fixture(scope="module")
def street(line: CommandLine) -> Iterator[Street]:
    record = line.store.image("hostile")
    assert record is not None
    platform = f"linux/{architecture().name}"
    manifest = pick(read_index(line.store, record.index), platform).digest
    deployment = Deployment(
        name="neighbour",
        manifest=manifest,
        config=read_manifest(line.store, manifest).config.digest,
        version=record.version,
    )
    root = line.home / "street"
    target = ProcessTarget(line.store, root)
    neighbour = target.up(deployment)
    yield Street(
        target,
        deployment,
        neighbour,
        lambda name: StateDirectory(root / "deployments" / name).supervisor(),
    )
    for status in target.ps():
        target.down(status.name)


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """The neighbour answers during and after each attack, from the process that it was."""
    if "street" not in request.fixturenames:
        yield
        return
    street: Street = request.getfixturevalue("street")
    slowest = 0.0
    over = threading.Event()
    failures: list[BaseException] = []

    def keep_asking() -> None:
        nonlocal slowest
        while not over.wait(0.1):
            began = time.monotonic()
            try:
                assert predict(street.neighbour, "result = 'here'") == "here"
            except (OSError, AssertionError) as error:
                failures.append(error)
                return
            slowest = max(slowest, time.monotonic() - began)

    asking = threading.Thread(target=keep_asking)
    identity = {"user": SANDBOX_USER, "group": SANDBOX_USER} if AS_ROOT else {}
    with subprocess.Popen(["sleep", "600"], **identity) as bystander:  # type: ignore[call-overload]  # **
        asking.start()
        try:
            yield
        finally:
            over.set()
            asking.join()
            alive = bystander.poll() is None
            bystander.kill()
    after = street.target.observe("neighbour")
    assert failures == []
    assert slowest < NEIGHBOURS_PATIENCE_S
    assert alive
    assert after is not None
    assert (after.pid, after.restarts) == (street.neighbour.pid, 0)
    assert (after.ready, after.last_error) == (True, None)


# -- looking and reaching out ------------------------------------------------------------


def test_it_finds_nothing_of_the_host_and_no_way_to_it(street: Street, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    secret.chmod(0o644)
    code = f"""
paths = [{str(secret)!r}, {str(street.target._root)!r}, "/etc/shadow", "/etc/hostname",
         "/proc/1/root" + {str(secret)!r}, "/proc/1/cwd" + {str(secret)!r}, "/proc/kcore",
         "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/sys/fs/cgroup", "/sys/kernel",
         "/var/run/docker.sock", "/run/systemd"]
result = json.dumps({{
    "read": {{path: attempt(lambda path: os.listdir(path) if os.path.isdir(path) else
                            open(path, "rb").read(1), path) for path in paths}},
    "write": {{path: attempt(lambda path: os.write(os.open(path, os.O_WRONLY), b"-1"), path)
               for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
                            "/proc/sys/kernel/hostname", "/proc/self/oom_score_adj",
                            "/app/model.py", sys.executable, "/etc/passwd",
                            "/sys/devices/system/cpu/cpu1/online")}},
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[:2],
    "mounts": open("/proc/self/mountinfo").read(),
    "environ": open("/proc/1/environ").read(),
}})
"""
    with street.attacker() as status:
        seen = json.loads(predict(status, HELPERS + code))
    assert {path for path, answer in seen["read"].items() if answer == "allowed"} <= {
        "/dev/kmsg", "/sys/fs/cgroup", "/sys/kernel", "/proc/kcore"
    }  # fmt: skip
    assert seen["read"]["/proc/kcore"] in {"EPERM", "EACCES", "ENOENT"}
    assert seen["read"]["/dev/kmsg"] in {"ENOENT", "EPERM", "EACCES"}
    assert set(seen["write"].values()) <= {"EROFS", "EACCES", "EPERM", "ENOENT", "EIO"}
    assert seen["processes"][0] == 1
    assert str(street.target._root.parents[1]) not in seen["mounts"]
    assert "SHIPMARK_HOME" not in seen["environ"]


def test_no_call_gives_it_more_than_it_has(street: Street) -> None:
    """Tracing, mounts, namespaces, devices, keys: refused for itself and for the watchdog."""
    numbers = {
        "x86_64": {"ptrace": 101, "process_vm_writev": 311, "mount": 165, "umount2": 166,
                   "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "keyctl": 250,
                   "bpf": 321, "perf_event_open": 298, "open_by_handle_at": 304, "reboot": 169,
                   "init_module": 175, "kexec_load": 246, "swapon": 167, "userfaultfd": 323,
                   "fsopen": 430, "open_tree": 428, "mount_setattr": 442},
        "aarch64": {"ptrace": 117, "process_vm_writev": 271, "mount": 40, "umount2": 39,
                    "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268, "keyctl": 219,
                    "bpf": 280, "perf_event_open": 241, "open_by_handle_at": 265, "reboot": 142,
                    "init_module": 105, "kexec_load": 104, "swapon": 224, "userfaultfd": 282,
                    "fsopen": 430, "open_tree": 428, "mount_setattr": 442},
    }[os.uname().machine]  # fmt: skip
    clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    code = f"""
calls = {{name: attempt(system_call, number, 16, 1, 0, 0, 0, 0)
          for name, number in {numbers!r}.items()}}
calls["new user namespace"] = attempt(system_call, {clone}, 0x10000000 | 17, 0, 0, 0, 0)
calls["clone3"] = attempt(system_call, 435, 0, 0)
result = json.dumps({{
    "calls": calls,
    "device": attempt(os.mknod, "/tmp/device", 0o20666, os.makedev(1, 1)),
    "become root": attempt(os.setuid, 0),
    "set-user-id": os.stat(sys.executable).st_mode & 0o6000,
    "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")],
}})
"""
    with street.attacker() as status:
        tried = json.loads(predict(status, HELPERS + code))
    assert tried["calls"].pop("clone3") == "ENOSYS"
    assert set(tried["calls"].values()) == {"EPERM"}
    assert (tried["device"], tried["become root"]) == ("EPERM", "EINVAL")
    assert tried["set-user-id"] == 0
    assert tried["capabilities"] == ["CapEff:\t0000000000000000\n"]


@dataclass(frozen=True, slots=True)
class HostServices:
    """Sockets of the host in which nothing may ever arrive."""

    tcp: socket.socket
    udp: socket.socket
    abstract: socket.socket
    path: socket.socket

    def reached(self) -> list[str]:
        found: list[str] = []
        for name in ("tcp", "udp", "abstract", "path"):
            service: socket.socket = getattr(self, name)
            service.setblocking(False)
            with suppress(BlockingIOError):
                service.accept() if name == "tcp" else service.recv(16)
                found.append(name)
        return found


@pytest.fixture
def services(tmp_path: Path) -> Iterator[HostServices]:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as path,
    ):
        udp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0shipmark-test-{os.getpid()}")
        tmp_path.chmod(0o755)
        path.bind(str(tmp_path / "socket"))
        (tmp_path / "socket").chmod(0o777)
        yield HostServices(tcp, udp, abstract, path)


def test_no_network_of_any_kind(street: Street, services: HostServices) -> None:
    code = f"""
tcp, udp = {services.tcp.getsockname()!r}, {services.udp.getsockname()!r}
abstract, path = {services.abstract.getsockname()!r}, {services.path.getsockname()!r}
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener = socket.socket(fileno=os.dup(int(os.environ["SHIPMARK_LISTEN_FD"])))

def resolve():
    try:
        socket.getaddrinfo("deb.debian.org", 443)
    except socket.gaierror as error:
        raise OSError(errno.ENETUNREACH, "no resolver") from error

result = json.dumps({{
    "tcp": attempt(socket.create_connection, tcp, 2),
    "udp": attempt(datagram.sendto, b"x", udp),
    "udp connect": attempt(datagram.connect, udp),
    "abroad": attempt(datagram.sendto, b"x", ("192.0.2.1", 53)),
    "dns": attempt(resolve),
    "abstract": attempt(local.sendto, b"x", abstract),
    "abstract connect": attempt(local.connect, abstract),
    "path": attempt(local.sendto, b"x", path),
    "raw": attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),
    "packet": attempt(socket.socket, 17, socket.SOCK_RAW),
    "vsock": attempt(socket.socket, 40, socket.SOCK_STREAM),
    "fast open": attempt(socket.socket().sendto, b"x", 0x20000000, tcp),
    "listener": attempt(listener.sendto, b"x", 0x20000000, tcp),
    "interfaces": [name for _, name in socket.if_nameindex()],
}})
"""
    with street.attacker() as status:
        tried = json.loads(predict(status, HELPERS + code))
    assert services.reached() == []
    assert tried.pop("udp") in {"allowed", "ENETUNREACH"}  # to its own loopback
    assert tried == {
        "tcp": "EPERM",
        "udp connect": "EPERM",
        "abroad": "ENETUNREACH",
        "dns": "ENETUNREACH",
        "abstract": "ECONNREFUSED",
        "abstract connect": "EPERM",
        "path": "ENOENT",
        "raw": "EPERM",
        "packet": "EAFNOSUPPORT",
        "vsock": "EAFNOSUPPORT",
        "fast open": "EPERM",
        "listener": "EPERM",
        "interfaces": ["lo"],
    }


# -- using up ----------------------------------------------------------------------------

BOMB = """
def explode():
    while True:
        try:
            if os.fork() == 0:
                os.setsid()  # out of the process group that the watchdog kills
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                explode()
        except OSError:
            time.sleep(0.05)

if os.fork() == 0:
    explode()
result = "lit"
"""


@pytest.mark.skipif("processes" not in GROUPS, reason="without a group nobody counts the refusals")
def test_a_fork_bomb_ends_at_the_process_limit(street: Street) -> None:
    with street.attacker(Limits(processes=48, cpus=0.5)) as status:
        assert predict(status, HELPERS + BOMB) == "lit"
        street.says("process limit of 48 reached")
        groups = [path for path in street.groups() if (path / "pids.max").exists()]
        assert [int((path / "pids.current").read_text()) <= 48 for path in groups] == [True]
        processes = [int(pid) for path in groups for pid in _processes(path)]
        assert len(processes) >= 40
    assert all(map(process_is_gone, processes))
    assert street.groups() == []


FILL_MEMORY = {
    "heap": "result = len(b'x' * (512 << 20))",
    "files in memory": """
for place in ("/tmp/large", "/dev/shm/large"):
    with open(place, "wb") as file:
        file.write(bytes(180 << 20))
""",
    "buffers of the kernel": """
pairs = []
while True:
    pairs.append(socket.socketpair())
    for end in pairs[-1]:
        end.setblocking(False)
        while attempt(end.send, bytes(65536)) == "allowed":
            pass
""",
}


@pytest.mark.skipif("memory_bytes" not in GROUPS, reason="no group enforces it here")
@pytest.mark.parametrize("attack", FILL_MEMORY)
def test_memory_ends_at_the_memory_limit_and_the_server_comes_back(
    street: Street, attack: str
) -> None:
    limits = Limits(memory_bytes=300 << 20, scratch_bytes=200 << 20)
    with street.attacker(limits) as status:
        with suppress(OSError):
            predict(status, HELPERS + FILL_MEMORY[attack])
        street.says("memory limit of 300M reached: a process was killed")
        wait_until(lambda: _answers(status))


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_the_disk_ends_at_the_scratch_limit(street: Street, place: str) -> None:
    code = f"""
def fill():
    with open("{place}/full", "wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))

result = json.dumps([attempt(fill), os.stat("{place}/full").st_size])
"""
    with street.attacker(Limits(scratch_bytes=2 << 20)) as status:
        answer, size = json.loads(predict(status, HELPERS + code))
        assert answer == "ENOSPC"
        assert size <= 2 << 20
        street.says(f"scratch limit of 2M reached: {place} is full")


def test_descriptors_end_at_the_open_file_limit(street: Street) -> None:
    code = """
held = []

def hold():
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))

answer = attempt(hold)
count = len(held)
del held[-8:]  # so that the answer finds its way out

def hold_again():
    time.sleep(0.2)
    attempt(hold)
    time.sleep(3)
    os.closerange(3 + 40, 256)

threading.Thread(target=hold_again).start()
for descriptor in range(256 - 8, 256):
    attempt(os.close, descriptor)
result = json.dumps([answer, count])
"""
    with street.attacker(Limits(open_files=256)) as status:
        answer, count = json.loads(predict(status, HELPERS + code))
        assert answer == "EMFILE"
        assert 200 <= count < 256
        street.says("open file limit of 256 reached")


def test_a_thousand_descriptors_are_no_harm(street: Street) -> None:
    with street.attacker() as status:
        code = "import os\nresult = len([os.open('/dev/null', 0) for _ in range(1000)])"
        assert predict(status, code) == "1000"
        assert predict(status, "result = 'still here'") == "still here"


@pytest.mark.skipif("cpus" not in GROUPS, reason="no group enforces it here")
def test_processors_end_at_the_quota_and_the_server_knows_it(street: Street) -> None:
    code = """
for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
result = os.environ["SHIPMARK_CPUS"]
"""
    with street.attacker(Limits(cpus=0.5)) as status:
        assert predict(status, HELPERS + code) == "0.5"
        assert any("of 1 CPUs" in line for line in street.target.logs("attacker"))
        pids = [pid for path in street.groups() for pid in _processes(path)]
        began, used = time.monotonic(), _processor_s(pids)
        time.sleep(2)
        used, took = _processor_s(pids) - used, time.monotonic() - began
        assert used <= 0.5 * (took + 0.3) + 0.1


# -- disturbing --------------------------------------------------------------------------


def test_hanging_in_init_ends_at_the_ready_timeout(street: Street) -> None:
    deployment = msgspec.structs.replace(
        street.deployment,
        name="hanging",
        env={"AT_START": "import time; print('thinking', flush=True); time.sleep(3600)"},
    )
    with pytest.raises(RolloutFailed, match=r"it was not ready within 3 s") as failed:
        street.target.up(deployment, timeout_s=3)
    assert "thinking" in failed.value.message
    assert street.target.observe("hanging") is None


def test_ignoring_sigterm_ends_at_the_grace_time(street: Street) -> None:
    deaf = "import ctypes; ctypes.CDLL(None).signal(15, 1)"
    with street.attacker(stop_grace_s=1.0) as status:
        assert predict(status, deaf) == "None"
        began = time.monotonic()
        stopped = street.target.stop("attacker")
        assert time.monotonic() - began >= 1.0
        assert stopped.observed == "stopped"
        assert stopped.last_error == "it did not end within 1 s of SIGTERM"
        assert status.pid is not None
        assert process_is_gone(status.pid)
        lines = list(street.target.logs("attacker"))
        assert "shipmark: it did not end within 1 s of SIGTERM: killing it" in lines


def test_signals_reach_nobody_but_itself(street: Street) -> None:
    code = f"""
others = [{os.getpid()}, {street.neighbour.pid}, {street.supervisor("neighbour")}]
unheard = (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1)

def kill_all():
    os.kill(-1, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

if os.fork() == 0:
    signal.pause()
threading.Timer(0.3, kill_all).start()
result = json.dumps([
    [attempt(os.kill, pid, signal.SIGKILL) for pid in others if pid > 100],
    [attempt(os.kill, 1, number) for number in unheard],
])
"""
    with street.attacker() as status:
        outside, watchdog = json.loads(predict(status, HELPERS + code))
        assert set(outside) <= {"ESRCH"}
        # Sent and not heard: the first process of a namespace hears from inside what it handles.
        assert watchdog == ["allowed"] * 3
        wait_until(
            lambda: any(
                "the server ended with status 137: restart 1" in line
                for line in street.target.logs("attacker")
            )
        )
        wait_until(lambda: _answers(status))
        after = street.target.observe("attacker")
        assert after is not None
        assert after.pid == status.pid


def test_ending_the_watchdog_ends_itself_and_is_reported(street: Street) -> None:
    with street.attacker() as status:
        with suppress(OSError):
            predict(status, "import os; os.kill(1, 15); result = 1")
        wait_until(street.last_error)
        assert "it ended with exit status" in street.last_error()
        wait_until(lambda: _answers(status))
        after = street.target.observe("attacker")
        assert after is not None
        assert after.restarts == 1


def test_a_flood_of_log_lines_ends_at_the_log_limit(street: Street) -> None:
    code = """
def flood():
    until = time.monotonic() + 5
    while time.monotonic() < until:
        os.write(1, b"flood \\x1b]0;owned\\x07\\x1b[2J\\xe2\\x80\\xae" * 2000 + b"\\n")
        os.write(1, b"y" * 100000)

threading.Thread(target=flood).start()
result = "pouring"
"""
    with street.attacker() as status:
        assert predict(status, HELPERS + code) == "pouring"
        street.says("log limit of 4M a second reached")
        folder = street.target._root / "attacker"
        sizes = [path.stat().st_size for path in folder.glob("log*")]
        assert sum(sizes) <= 2 * (8 << 20) + (1 << 16)
        supervisor = street.supervisor("attacker")
        assert supervisor is not None
        assert _peak_bytes(supervisor) < 100 << 20
        shown = [each for each in street.target.logs("attacker") if not each.startswith("shipmark")]
        assert max(map(len, shown)) <= 16 << 10
        assert any("flood" in each for each in shown)
        assert not any(re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]", each) for each in shown)


def test_a_huge_answer_is_its_own_burden(street: Street) -> None:
    with street.attacker(Limits()) as status:
        assert len(predict(status, "result = 'x' * (64 << 20)")) == 64 << 20
        supervisor = street.supervisor("attacker")
        assert supervisor is not None
        assert _peak_bytes(supervisor) < 100 << 20


# -- a host without control groups -------------------------------------------------------

HIDE = """
for point in $(awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts); do umount -l "$point"; done
exec "$0" "$@"
"""
HIDDEN = ("unshare", "--mount", "sh", "-c", HIDE)


@pytest.fixture
def without_groups(line: CommandLine) -> Iterator[CommandLine]:
    hidden = CommandLine(line.home, environ=line.environ, prefix=HIDDEN if GROUPS else ())
    yield hidden
    for deployment in hidden.json("ps"):
        hidden.run("down", deployment["name"])


def test_a_limit_asked_for_is_refused_where_it_cannot_be_enforced(
    without_groups: CommandLine,
) -> None:
    for option in (("--memory", "200M"), ("--cpus", "1")):
        said = without_groups.refused("up", "hostile", *option)
        assert f"{option[0]} cannot be enforced on this host: no control group" in said
        assert "systemd-run --user" in said
    assert without_groups.json("ps") == []


def test_a_limit_of_the_package_is_printed_where_it_cannot_be_enforced(
    without_groups: CommandLine,
) -> None:
    done = without_groups.run("up", "hostile", "--name", "unbounded")
    assert done.returncode == 0, done.stderr
    for limit in ("cpus", "memory_bytes"):
        assert f"note: the limit {limit} is not enforced: no control group" in done.stderr
    assert "the limit processes" not in done.stderr
    [status] = without_groups.json("ps")
    limits = {each["name"]: each for each in status["limits"]}
    assert {name: each["enforced"] for name, each in limits.items()} == {
        "cpus": False, "memory_bytes": False,
        "processes": True, "open_files": True, "scratch_bytes": True,
    }  # fmt: skip
    assert limits["processes"]["by"] == "rlimit"


def test_a_fork_bomb_ends_without_control_groups_too(without_groups: CommandLine) -> None:
    """RLIMIT_NPROC counts the processes of the sandbox alone, and 1024 are the default."""
    without_groups.ok("up", "hostile", "--name", "bomb")
    [document] = without_groups.json("ps")
    status = msgspec.convert(
        {key: value for key, value in document.items() if key != "state"}
        | {"observed": document["state"]},
        Status,
    )
    code = """
enough, waiting = threading.Event(), []

def multiply():
    while True:
        if len(waiting) < 950:  # threads count too, and are cheaper
            thread = threading.Thread(target=enough.wait)
            thread.start()
            waiting.append(thread)
        else:
            child = os.fork()
            if child == 0:
                signal.pause()
            waiting.append(child)

answer = attempt(multiply)
enough.set()
for child in waiting[950:]:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
result = json.dumps([answer, len(waiting)])
"""
    answer, count = json.loads(predict(status, HELPERS + code, timeout_s=120))
    assert answer == "EAGAIN"
    assert 980 < count < 1024


@pytest.mark.skipif("memory_bytes" not in GROUPS, reason="no group enforces it here")
def test_with_control_groups_the_same_limits_hold_and_nothing_is_noted(line: CommandLine) -> None:
    done = line.run("up", "hostile", "--name", "bounded")
    try:
        assert done.returncode == 0, done.stderr
        assert "not enforced" not in done.stderr
        [status] = line.json("ps")
        assert all(each["enforced"] for each in status["limits"])
    finally:
        line.ok("down", "bounded")


# -- what the host sees ------------------------------------------------------------------


def _answers(status: Status) -> bool:
    try:
        return predict(status, "result = 'here'", timeout_s=5) == "here"
    except OSError:
        return False


def _processes(group: Path) -> list[int]:
    return list(map(int, (group / "cgroup.procs").read_text().split()))


def _processor_s(pids: list[int]) -> float:
    ticks = 0
    for pid in set(pids):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10
