"""PID 1 of a container: starts the server, passes signals on, reaps, and restarts a dead one.

It lives as long as the container and imports next to nothing. The server is forked and not
executed: its interpreter has started already.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

MAX_RESTARTS = 3
RESTART_WINDOW_S = 60.0

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_HANDLED = (*_FORWARDED, signal.SIGCHLD)
_BEAT = b"."
_TICK_S = 1.0


class Reporter:
    """The server's end of the pipe: a line once it is ready, then a byte for each heartbeat.

    The line holds how long the watchdog should bear silence, in seconds.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def ready(self, silence_s: float) -> None:
        """Say that the server is ready, and will beat from now on."""
        self._write(b"%r\n" % silence_s)

    def beat(self) -> bool:
        """Say that the server lives; False where nobody listens any more."""
        return self._write(_BEAT)

    def _write(self, data: bytes) -> bool:
        try:
            os.write(self._descriptor, data)
        except BlockingIOError:
            pass  # the watchdog has not read for a long time; it has enough to read
        except BrokenPipeError:
            return False
        return True


class _Server:
    """The watchdog's view of one server process."""

    __slots__ = ("_greeting", "heard", "pid", "reports", "silence_s")

    def __init__(self, pid: int, reports: int) -> None:
        self.pid = pid
        self.reports = reports
        self.heard = time.monotonic()
        self.silence_s: float | None = None
        """None until it was ready."""
        self._greeting = b""

    def listen(self) -> bool:
        """Read what the server reported; False at the end of the pipe."""
        try:
            data = os.read(self.reports, 4096)
        except BlockingIOError:
            return True
        self.heard = time.monotonic()
        if self.silence_s is None:
            self._greeting += data
            line, newline, _ = self._greeting.partition(b"\n")
            if newline:
                self.silence_s = float(line)
        return bool(data)

    @property
    def was_ready(self) -> bool:
        return self.silence_s is not None

    @property
    def silent(self) -> bool:
        return self.silence_s is not None and time.monotonic() - self.heard > self.silence_s

    def kill(self) -> None:
        """Kill it and what it started in its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def watch(serve: Callable[[Reporter], int]) -> int:
    """Run `serve` in a child process until it ends for good.

    A server that was ready once and died, or stopped beating, is started again, up to
    MAX_RESTARTS times in RESTART_WINDOW_S seconds. One that was never ready is not.

    Returns:
        The exit status of the last server; 128 + the signal's number where a signal ended it.
    """
    wakeup = _catch_signals()
    restarts: list[float] = []
    while True:
        server = _start(serve, wakeup)
        status, asked = _attend(server, wakeup[0])
        if asked or not server.was_ready:
            return status
        now = time.monotonic()
        restarts = [*(moment for moment in restarts if now - moment < RESTART_WINDOW_S), now]
        if len(restarts) > MAX_RESTARTS:
            _say(
                f"the server ended with status {status}, after {MAX_RESTARTS} restarts in a minute"
            )
            return status or 1
        _say(f"the server ended with status {status}: restart {len(restarts)}")


def _catch_signals() -> tuple[int, int]:
    """Have each signal write its number into a pipe, whose two ends are returned."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in _HANDLED:
        signal.signal(number, lambda *_: None)
    return read, write


def _start(serve: Callable[[Reporter], int], wakeup: tuple[int, int]) -> _Server:
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        for descriptor in (read, *wakeup):
            os.close(descriptor)
        sys.exit(serve(Reporter(write)))
    with suppress(OSError):  # the child does the same; whoever comes first
        os.setpgid(pid, pid)
    os.close(write)
    os.set_blocking(read, False)
    return _Server(pid, read)


def _attend(server: _Server, signals: int) -> tuple[int, bool]:
    """Wait for the server's end; its status, and whether it was asked to end."""
    asked = False
    killed = False
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    poll.register(server.reports, select.POLLIN)
    try:
        while (status := _reap(server.pid)) is None:
            for descriptor, _ in poll.poll(_TICK_S * 1000):
                if descriptor == server.reports:
                    if not server.listen():
                        poll.unregister(server.reports)
                    continue
                for number in os.read(signals, 64):
                    if number in _FORWARDED:
                        asked = True
                        with suppress(ProcessLookupError):
                            os.kill(server.pid, number)
            if server.silent and not killed:
                _say(f"the server has been silent for {server.silence_s:g} s: it is killed")
                server.kill()
                killed = True
        with suppress(BlockingIOError):
            server.listen()  # it may have been ready and dead within one turn
    finally:
        server.kill()
        os.close(server.reports)
    return status, asked


def _reap(pid: int) -> int | None:
    """Collect every child that ended, adopted ones too; the exit status of `pid` if among them."""
    status = None
    with suppress(ChildProcessError):
        while True:
            ended, wait_status = os.waitpid(-1, os.WNOHANG)
            if ended == 0:
                break
            if ended == pid:
                code = os.waitstatus_to_exitcode(wait_status)
                status = code if code >= 0 else 128 - code
    return status


def _say(text: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):
        os.write(2, f"{moment} WARNING [-] watchdog: {text}\n".encode())
