"""A hostile model in the sandbox: what it tries is refused by name, and the host is unharmed."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipmark.deploy.limits import Limits
from shipmark.store import Store
from tests.integration.targets import images
from tests.integration.targets.conftest import AS_ROOT, Harness, ask

pytestmark = pytest.mark.sandbox

_TRY = """
import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"

def system_call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""


@contextmanager
def _host_service() -> Iterator[tuple[int, threading.Event]]:
    """A service of the host on 127.0.0.1, and whether anyone reached it."""
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as service:

        def serve() -> None:
            try:
                connection, _ = service.accept()
            except OSError:
                return
            reached.set()
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield service.getsockname()[1], reached
        finally:
            service.shutdown(socket.SHUT_RDWR)
            thread.join()


_WAYS_OUT = """
address = ("127.0.0.1", %d)
listener.shutdown(2)  # leaves a socket like any other, of the host's network
result = json.dumps({
    "listener connect": attempt(listener.connect, address),
    "listener sendto": attempt(listener.sendto, b"x", 0x20000000, address),
    "listener sendmsg": attempt(listener.sendmsg, [b"x"], [], 0x20000000, address),
    "connect": attempt(socket.create_connection, address, 2),
    "datagram": attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b"x", address),
    "abroad": attempt(
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b"x", ("192.0.2.1", 9)),
    "vsock": attempt(socket.socket, 40, 1),
    "packet": attempt(socket.socket, 17, 3),
    "io_uring": attempt(system_call, 425, 8, ctypes.create_string_buffer(120)),
})
attempt(listener.listen)
"""


def test_no_way_out_to_the_network(harness: Harness) -> None:
    status = harness.up()
    with _host_service() as (port, reached):
        tried = json.loads(ask(status, _TRY + _WAYS_OUT % port))
    assert not reached.is_set()
    assert tried.pop("datagram") in {"allowed", "ENETUNREACH"}  # to its own loopback
    assert tried == {
        "listener connect": "EPERM",
        "listener sendto": "EPERM",
        "listener sendmsg": "EPERM",
        "connect": "EPERM",
        "abroad": "ENETUNREACH",
        "vsock": "EAFNOSUPPORT",
        "packet": "EAFNOSUPPORT",
        "io_uring": "ENOSYS",
    }


def test_network_opens_the_same_ways_and_nothing_more(harness: Harness) -> None:
    """Shows too that the listener would be a way out, were it not for the filter."""
    status = harness.up(harness.deployment(network=True))
    with _host_service() as (port, reached):
        tried = json.loads(ask(status, _TRY + _WAYS_OUT % port))
        assert reached.wait(5)
    assert tried["listener connect"] == "allowed"
    assert tried["io_uring"] == "ENOSYS"
    assert tried["vsock"] == "EAFNOSUPPORT"


def test_calls_that_have_been_the_way_through_kernels_are_refused(harness: Harness) -> None:
    status = harness.up()
    numbers = {
        "x86_64": {"ptrace": 101, "mount": 165, "keyctl": 250, "unshare": 272, "bpf": 321,
                   "perf_event_open": 298, "userfaultfd": 323, "setns": 308},
        "aarch64": {"ptrace": 117, "mount": 40, "keyctl": 219, "unshare": 97, "bpf": 280,
                    "perf_event_open": 241, "userfaultfd": 282, "setns": 268},
    }[os.uname().machine]  # fmt: skip
    code = f"""
result = json.dumps({{name: attempt(system_call, number, 0, 0, 0, 0, 0)
                      for name, number in {numbers!r}.items()}})
"""
    tried = json.loads(ask(status, _TRY + code))
    assert tried == dict.fromkeys(numbers, "EPERM")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 and i386 are of amd64")
def test_other_abis_of_the_processor_are_refused(harness: Harness) -> None:
    status = harness.up()
    code = "result = attempt(system_call, 0x40000000 + 39)"  # getpid in x32
    assert ask(status, _TRY + code) == "ENOSYS"


def test_it_cannot_write_to_its_image_or_see_the_host(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "hosts-own").write_text("secret")
    status = harness.up()
    code = f"""
result = json.dumps({{
    "change": attempt(open, "/app/server.py", "w"),
    "create": attempt(open, "/usr/new", "w"),
    "remove": attempt(os.unlink, "/app/server.py"),
    "device": attempt(open, "/dev/new", "w"),
    "host file": attempt(open, {str(tmp_path / "hosts-own")!r}),
    "shadow": attempt(open, "/etc/shadow"),
    "signal": attempt(os.kill, {os.getpid()}, 0),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "mounts": open("/proc/self/mountinfo").read(),
    "scratch": attempt(lambda: open("/tmp/mine", "w").write("fine")),
}})
"""
    seen = json.loads(ask(status, _TRY + code))
    mounts = seen.pop("mounts")
    assert str(tmp_path) not in mounts
    assert "unpacked" not in mounts
    groups = seen["ids"].pop()
    assert 0 not in groups
    assert seen == {
        "change": "EROFS",
        "create": "EROFS",
        "remove": "EROFS",
        "device": "EROFS",
        "host file": "ENOENT",
        "shadow": "ENOENT",
        "signal": "ESRCH",
        "processes": [1],
        "ids": [[65532] * 3, [65532] * 3],
        "scratch": "allowed",
    }


def test_from_outside_it_is_not_root_and_has_no_capabilities(harness: Harness) -> None:
    status = harness.up()
    fields = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{status.pid}/status").read_text("utf-8").splitlines()
        if ":\t" in line
    )
    own = 65532 if AS_ROOT else os.getuid()
    assert fields["Uid"].split() == [str(own)] * 4
    assert fields["Gid"].split() == [str(65532 if AS_ROOT else os.getgid())] * 4
    assert 0 not in map(int, fields["Groups"].split())
    assert {fields[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    for namespace in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        theirs = Path(f"/proc/{status.pid}/ns/{namespace}")
        if AS_ROOT:
            assert theirs.readlink() != Path(f"/proc/self/ns/{namespace}").readlink()


def test_it_inherits_only_its_listener(harness: Harness) -> None:
    status = harness.up()
    code = """
import os
result = sorted(
    os.readlink(f"/proc/self/fd/{name}").split(":")[0]
    for name in os.listdir("/proc/self/fd")
    if os.path.exists(f"/proc/self/fd/{name}")
)
"""
    # The connection that asks, the listener; stdin; stdout and stderr.
    assert ask(status, code) == str(["/dev/null", "pipe", "pipe", "socket", "socket"])


def test_forks_files_descriptors_and_disk_are_bounded(harness: Harness) -> None:
    limits = Limits(processes=24, open_files=128, scratch_bytes=2 << 20)
    neighbour = harness.up(harness.deployment("neighbour"))
    status = harness.up(harness.deployment(limits=limits))
    code = """
import signal
children, descriptors, written = [], [], {}

def fork_on():
    while True:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)

def open_on():
    while True:
        descriptors.append(os.open("/dev/null", os.O_RDONLY))

def fill(path):
    with open(path, "wb", buffering=0) as file:
        while True:
            written[path] = written.get(path, 0) + file.write(b"x" * 65536)

answer = {"fork": attempt(fork_on), "children": len(children)}
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
answer["open"] = attempt(open_on)
answer["descriptors"] = len(descriptors)
for descriptor in descriptors:
    os.close(descriptor)
for path in ("/tmp/full", "/dev/shm/full"):
    answer[path] = attempt(fill, path)
answer["written"] = sum(written.values())
result = json.dumps(answer)
"""
    tried = json.loads(ask(status, _TRY + code))
    assert tried["fork"] == "EAGAIN"
    assert 8 <= tried["children"] < 24
    assert tried["open"] == "EMFILE"
    assert tried["descriptors"] < 128
    assert tried["/tmp/full"] == tried["/dev/shm/full"] == "ENOSPC"
    assert tried["written"] <= 4 << 20
    assert ask(neighbour, "result = 'unharmed'") == "unharmed"


def test_an_image_cannot_lead_the_mounts_astray(
    harness: Harness, store: Store, base: bytes, tmp_path: Path
) -> None:
    from shipmark.errors import DeployError

    link = images.tar_of_links({"tmp": str(tmp_path)})
    image = images.put_image(
        store, [base, link, images.tar({"app/server.py": images.SERVER.encode()})]
    )
    with pytest.raises(DeployError, match="/tmp of the image is not a directory"):
        harness.up(harness.deployment(image=image))


def test_the_images_environment_does_not_reach_programs_of_the_host(
    harness: Harness, store: Store, base: bytes, tmp_path: Path
) -> None:
    """bubblewrap runs outside: the image's LD_PRELOAD must not be its own."""
    trap = tmp_path / "trap"
    tmp_path.chmod(0o755)
    image = images.put_image(
        store,
        [base, images.tar({"app/server.py": images.SERVER.encode()})],
        env=("PATH=/usr/bin", f"LD_DEBUG_OUTPUT={trap}", "LD_DEBUG=libs"),
    )
    harness.up(harness.deployment(image=image))
    assert list(tmp_path.glob("trap*")) == []


def test_a_host_without_user_namespaces_is_named(tmp_path: Path) -> None:
    code = (
        "from shipmark.targets.process import host\n"
        "from shipmark.errors import TargetUnavailable\n"
        "try: host.check()\n"
        "except TargetUnavailable as error: print(error.message, '|', error.hint)\n"
    )
    said = subprocess.run(
        [
            "unshare", "--user", "--map-root-user", "sh", "-c",
            'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1"',
            sys.executable, code,
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "user.max_user_namespaces is 0" in said.stdout
    assert "sysctl user.max_user_namespaces=" in said.stdout
