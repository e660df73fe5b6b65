"""Start one sandbox: fork, enter namespaces, mount, drop root, become bubblewrap.

The model itself waits until its limits are set. Whatever fails before it runs is the host's
doing and is raised here; what happens afterwards is the model's.
"""

import fcntl
import os
import resource
import select
import signal
import termios
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    release: int
    """The pipe that the model waited for; empty once its sandbox was complete."""

    def signal(self, number: int) -> None:
        """Send a signal to the model's first process, if it still lives."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pid_fd, number)

    def close(self) -> tuple[int, bool]:
        """Reap it, once it has ended.

        Returns:
            The exit code (128 + N for signal N), and whether the sandbox was ever complete.
        """
        _, status = os.waitpid(self.monitor, 0)
        code = os.waitstatus_to_exitcode(status)
        unread = fcntl.ioctl(self.release, termios.FIONREAD, bytes(4))
        for descriptor in (self.monitor_fd, self.pid_fd, self.output, self.release):
            os.close(descriptor)
        return (code if code >= 0 else 128 - code), not any(unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that a start needs; the same from start to start."""

    box: Sandbox
    layers: Sequence[str]
    """Unpacked layers, lowest first."""
    limits: Limits
    groups: Groups
    limit_processes: bool
    """Whether to bound the processes by RLIMIT_NPROC, where no control group does."""
    listener: int
    """The listening socket."""
    filter: bytes
    """The seccomp program."""
    bubblewrap: str


def start(recipe: Recipe) -> Running:
    """Start the model in its sandbox.

    bubblewrap gets a process namespace of its own, so that the kernel ends everything in it at
    once, whenever it or the supervisor dies: its --die-with-parent holds only once the model runs.

    Raises:
        LaunchFailed: The host refused a step.
    """
    user, group = os.geteuid(), os.getegid()
    namespaces = linux.CLONE_NEWNS | linux.CLONE_NEWPID
    if not overlay.can_drop_root():
        namespaces |= linux.CLONE_NEWUSER
    with ExitStack() as theirs, ExitStack() as ours:
        output, output_end = _pipe(ours, theirs)
        failure, failure_end = _pipe(ours, theirs)
        info, info_end = _pipe(ours, theirs)
        block, release = _pipe(theirs, ours)
        filter_fd = _memory_file("seccomp", recipe.filter)
        theirs.callback(os.close, filter_fd)
        try:
            monitor = linux.fork_into(namespaces)
        except OSError as error:
            raise LaunchFailed(str(error)) from error
        if monitor == 0:
            try:
                ours.close()
                _attach_output(output_end)
                _prepare(recipe, user, group)
                root = _mount(recipe)
                _die_with(failure_end)
                inherited = Descriptors(seccomp=filter_fd, info=info_end, block=block)
                _become_bubblewrap(recipe, root, inherited)
            except BaseException as error:  # noqa: BLE001 - told to the parent, whatever it is
                os.write(failure_end, str(error).encode(errors="replace")[:_MESSAGE_BYTES])
            finally:
                os._exit(_NOTHING_RAN)
        theirs.close()
        try:
            pid = _model_pid(monitor, failure, info, output)
            pid_fd = os.pidfd_open(pid)
            ours.callback(os.close, pid_fd)
            if recipe.limit_processes:
                _limit_processes(pid, recipe.limits.processes)
            monitor_fd = os.pidfd_open(monitor)
        except BaseException as error:
            os.kill(monitor, signal.SIGKILL)
            os.waitpid(monitor, 0)
            if isinstance(error, OSError | ValueError):
                raise LaunchFailed(f"holding the sandbox: {error}") from error
            raise
        os.write(release, b"!")
        os.close(failure)
        os.close(info)
        ours.pop_all()
    os.set_blocking(output, False)
    return Running(monitor, monitor_fd, pid, pid_fd, output, release)


# -- in the child ------------------------------------------------------------------------


def _prepare(recipe: Recipe, user: int, group: int) -> None:
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, recipe.limits.open_files),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    # Where no limit holds, the kernel should choose the model before its neighbours.
    Path("/proc/self/oom_score_adj").write_text("500", "ascii")
    with _step("joining the control group"):
        recipe.groups.join()
    with _step("settling in new namespaces"):
        overlay.settle(user, group)


def _mount(recipe: Recipe) -> str:
    with _step("mounting the image"):
        return overlay.mount_image(recipe.layers, network=recipe.box.network)


def _die_with(pipe_to_parent: int) -> None:
    with _step("giving up root"):
        overlay.drop_root()
    # Only now: a change of user clears it.
    linux.set_parent_death_signal(signal.SIGKILL)
    reader = select.poll()
    reader.register(pipe_to_parent, 0)
    if reader.poll(0):
        raise LaunchFailed("the supervisor is gone")


def _become_bubblewrap(recipe: Recipe, root: str, inherited: Descriptors) -> NoReturn:
    options = "\0".join(sandbox.arguments(recipe.box, root, inherited)).encode()
    options_fd = _memory_file("arguments", options)
    for descriptor in (*astuple(inherited), options_fd, recipe.listener):
        os.set_inheritable(descriptor, True)
    command = ["bwrap", "--args", str(options_fd), *recipe.box.argv]
    os.execve(recipe.bubblewrap, command, {})  # noqa: S606 - no shell is what we want


@contextmanager
def _step(doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise LaunchFailed(f"{doing}: {error}") from error


def _attach_output(output_end: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_end, 1)
    os.dup2(output_end, 2)


# -- in the parent -----------------------------------------------------------------------


def _model_pid(monitor: int, failure: int, info: int, output: int) -> int:
    """The process number of bubblewrap's child, once there is one: it will be the model.

    Raises:
        LaunchFailed: It did not come so far.
    """
    refused = os.read(failure, _MESSAGE_BYTES).decode(errors="replace")
    told = b""
    while not refused and (piece := os.read(info, _MESSAGE_BYTES)):
        told += piece
    if not told:
        raise LaunchFailed(refused or _read_now(output) or "bubblewrap said nothing")
    # What it told is the number in its own namespace.
    return int(Path(f"/proc/{monitor}/task/{monitor}/children").read_text("ascii").split()[0])


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
