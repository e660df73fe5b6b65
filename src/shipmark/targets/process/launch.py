"""Start one sandbox: fork, enter namespaces, mount, drop root, become bubblewrap.

The model itself waits until its limits are set. Whatever fails before it runs is the host's
doing and is raised here; what happens afterwards is the model's.
"""

import json
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NoReturn

from shipmark.deploy.limits import Limits
from shipmark.targets.process import linux, overlay, sandbox
from shipmark.targets.process.cgroup import Groups
from shipmark.targets.process.sandbox import Descriptors, Sandbox

_NOTHING_RAN = 127
_MESSAGE_BYTES = 4096


class LaunchFailed(Exception):
    """The sandbox could not be made; the message says which step the host refused."""


@dataclass(slots=True)
class Running:
    """A started sandbox. `close` it when it is over."""

    monitor: int
    """Process number of bubblewrap outside; it ends as the model ends."""
    monitor_fd: int
    """Its pidfd: readable when it has ended."""
    pid: int
    """The model's first process, as the host numbers it."""
    pid_fd: int
    output: int
    """Read end of its stdout and stderr; does not block."""
    status: int
    """Where bubblewrap tells the exit code, if the model ran at all."""

    def signal(self, number: int) -> None:
        """Send a signal to the model's first process, if it still lives."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pid_fd, number)

    def close(self) -> tuple[int, bool]:
        """Reap it, once it has ended.

        Returns:
            The exit code (128 + N for signal N), and whether the model ran at all.
        """
        _, status = os.waitpid(self.monitor, 0)
        code = os.waitstatus_to_exitcode(status)
        told = os.read(self.status, 4096)
        for descriptor in (self.monitor_fd, self.pid_fd, self.output, self.status):
            os.close(descriptor)
        return (code if code >= 0 else 128 - code), code < 0 or b"exit-code" in told


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What stays the same from start to start."""

    bubblewrap: str
    filter: bytes
    """The seccomp program."""
    listener: int
    """The listening socket."""
    groups: Groups
    limit_processes: bool
    """Whether to bound the processes by RLIMIT_NPROC, where no control group does."""


def start(box: Sandbox, layers: Sequence[str], limits: Limits, host: Host) -> Running:
    """Start the model in its sandbox.

    Raises:
        LaunchFailed: The host refused a step.
    """
    parent = os.getpid()
    with ExitStack() as theirs, ExitStack() as ours:
        output, output_end = _pipe(ours, theirs)
        failure, failure_end = _pipe(ours, theirs)
        status, status_end = _pipe(ours, theirs)
        block, release = _pipe(theirs, ours)
        filter_fd = _memory_file("seccomp", host.filter)
        theirs.callback(os.close, filter_fd)
        monitor = os.fork()
        if monitor == 0:
            try:
                _attach_output(output_end)
                inherited = Descriptors(seccomp=filter_fd, status=status_end, block=block)
                _become(box, layers, limits, host, inherited, parent)
            except BaseException as error:  # noqa: BLE001 - told to the parent, whatever it is
                os.write(failure_end, str(error).encode(errors="replace")[:_MESSAGE_BYTES])
            finally:
                os._exit(_NOTHING_RAN)
        theirs.close()
        try:
            pid = _told_pid(failure, status, output)
            pid_fd = os.pidfd_open(pid)
            ours.callback(os.close, pid_fd)
            if host.limit_processes:
                _limit_processes(pid, limits.processes)
            monitor_fd = os.pidfd_open(monitor)
        except BaseException as error:
            os.kill(monitor, signal.SIGKILL)
            os.waitpid(monitor, 0)
            if isinstance(error, OSError | ValueError):
                raise LaunchFailed(f"holding the sandbox: {error}") from error
            raise
        os.write(release, b"!")
        os.close(failure)
        os.close(release)
        ours.pop_all()
    os.set_blocking(output, False)
    return Running(monitor, monitor_fd, pid, pid_fd, output, status)


def _become(
    box: Sandbox,
    layers: Sequence[str],
    limits: Limits,
    host: Host,
    inherited: Descriptors,
    parent: int,
) -> NoReturn:
    """Turn this process, a fresh fork, into bubblewrap."""
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    step = "joining the control group"
    try:
        host.groups.join()
        # Where no limit holds, the kernel should choose the model before its neighbours.
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")
        _limit_own_resources(limits)
        step = "making namespaces"
        overlay.enter_namespaces()
        step = "mounting the image"
        root = overlay.mount_image(layers, network=box.network)
        step = "giving up root"
        overlay.drop_root()
        linux.set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_NOTHING_RAN)
        step = "starting bubblewrap"
        options = "\0".join(sandbox.arguments(box, root, inherited)).encode()
        options_fd = _memory_file("arguments", options)
        for descriptor in (*astuple(inherited), options_fd, host.listener):
            os.set_inheritable(descriptor, True)
        command = ["bwrap", "--args", str(options_fd), *box.argv]
        os.execve(host.bubblewrap, command, {})  # noqa: S606 - no shell is what we want
    except (OSError, ValueError) as error:
        raise LaunchFailed(f"{step}: {error}") from error


def _told_pid(failure: int, status: int, output: int) -> int:
    """The model's process number, as bubblewrap tells it.

    Raises:
        LaunchFailed: It did not come so far.
    """
    refused = os.read(failure, _MESSAGE_BYTES).decode(errors="replace")
    told = b""
    while not (refused or told.endswith(b"\n")):
        piece = os.read(status, _MESSAGE_BYTES)
        if not piece:
            break
        told += piece
    if not told:
        raise LaunchFailed(refused or _read_now(output) or "bubblewrap said nothing")
    return int(json.loads(told)["child-pid"])


def _limit_own_resources(limits: Limits) -> None:
    for kind, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, limits.open_files)):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _limit_processes(pid: int, processes: int) -> None:
    """Bound the number of processes of a sandbox whose first one has not begun yet.

    Not before it is in its user namespace: that remembers the limit it was made under and would
    count all other processes of the user against it. And as the same user, for root in a
    container may not change the limits of others.

    Raises:
        LaunchFailed: The kernel refused.
    """
    helper = os.fork()
    if helper == 0:
        try:
            overlay.drop_root()
            resource.prlimit(pid, resource.RLIMIT_NPROC, (processes, processes))
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(helper, 0)
    if status != 0:
        raise LaunchFailed("limiting the number of processes was refused")


def _attach_output(output_end: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_end, 1)
    os.dup2(output_end, 2)


def _pipe(read_owner: ExitStack, write_owner: ExitStack) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    read_owner.callback(os.close, read_end)
    write_owner.callback(os.close, write_end)
    return read_end, write_end


def _memory_file(name: str, data: bytes) -> int:
    descriptor = os.memfd_create(name)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read_now(descriptor: int) -> str:
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, _MESSAGE_BYTES).decode(errors="replace").strip()
    except BlockingIOError:
        return ""
