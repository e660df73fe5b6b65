"""PID 1 of a container: starts the server, passes signals on, reaps, and restarts a dead one.

It lives as long as the container and imports next to nothing. The server is forked and not
executed: its interpreter has started already. A server of several HTTP processes, its workers,
begins with the first; when that is ready it says how many there should be.
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
_CAN_SHARE = hasattr(os, "memfd_create")


class Reporter:
    """A worker's end of the pipe: a line once it is ready, then a byte for each heartbeat.

    The line holds how long the watchdog should bear silence, in seconds, and how many workers
    there should be.

    Attributes:
        worker: Which of the workers this is, from 0.
        shared: Descriptor of memory that all workers share, and that outlives each of them; None
            where the system has no such memory.
    """

    def __init__(self, descriptor: int, worker: int, shared: int | None) -> None:
        self._descriptor = descriptor
        self.worker = worker
        self.shared = shared
        os.set_blocking(descriptor, False)

    def ready(self, silence_s: float, workers: int = 1) -> None:
        """Say that the worker is ready, and will beat from now on."""
        self._write(b"%r %d\n" % (silence_s, workers))

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


class _Worker:
    """The watchdog's view of one worker."""

    __slots__ = ("_greeting", "heard", "killed", "number", "pid", "reports", "silence_s", "workers")

    def __init__(self, number: int, pid: int, reports: int) -> None:
        self.number = number
        self.pid = pid
        self.reports = reports
        self.heard = time.monotonic()
        self.killed = False
        self.silence_s: float | None = None
        """None until it was ready."""
        self.workers = 1
        self._greeting = b""

    def listen(self) -> bool:
        """Read what the worker reported; False at the end of the pipe."""
        try:
            data = os.read(self.reports, 4096)
        except BlockingIOError:
            return True
        self.heard = time.monotonic()
        if self.silence_s is None:
            self._greeting += data
            line, newline, _ = self._greeting.partition(b"\n")
            if newline:
                silence_s, workers = line.split()
                self.silence_s, self.workers = float(silence_s), int(workers)
        return bool(data)

    @property
    def was_ready(self) -> bool:
        return self.silence_s is not None

    @property
    def silent(self) -> bool:
        return self.silence_s is not None and time.monotonic() - self.heard > self.silence_s

    def kill(self) -> None:
        """Kill it and what it started in its process group."""
        self.killed = True
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.kill()
        os.close(self.reports)


def watch(serve: Callable[[Reporter], int]) -> int:
    """Run `serve` in child processes until it ends for good.

    A worker that was ready once and died, or stopped beating, is started again, up to
    MAX_RESTARTS times in RESTART_WINDOW_S seconds. One that was never ready is not, and ends all.

    Returns:
        The exit status of the worker that ended it; 128 + the signal's number where a signal
        ended that one.
    """
    return _Watch(serve).run()


class _Watch:
    def __init__(self, serve: Callable[[Reporter], int]) -> None:
        self._serve = serve
        self._signals, self._wakeup = _catch_signals()
        self._shared = os.memfd_create("shipmark-shared") if _CAN_SHARE else None
        self._workers: dict[int, _Worker] = {}
        """By pid."""
        self._restarts: list[float] = []
        self._asked = False
        self._poll = select.poll()

    def run(self) -> int:
        """Start the first worker, and attend to all until the end."""
        self._poll.register(self._signals, select.POLLIN)
        self._start(0)
        status = 0
        try:
            while self._workers:
                self._attend()
                for pid, ended in _reap().items():
                    worker = self._workers.pop(pid, None)
                    if worker is not None:
                        status = self._bury(worker, ended) or status
        except _Ended as end:
            status = end.status
        finally:
            for worker in self._workers.values():
                worker.close()
        return status

    def _attend(self) -> None:
        """Wait a little, and pass on what has come."""
        by_descriptor = {worker.reports: worker for worker in self._workers.values()}
        for descriptor, _ in self._poll.poll(_TICK_S * 1000):
            if descriptor == self._signals:
                for number in os.read(self._signals, 64):
                    if number in _FORWARDED:
                        self._pass_on(number)
                continue
            worker = by_descriptor[descriptor]
            if not worker.listen():
                self._poll.unregister(descriptor)
            elif worker.number == 0 and len(self._workers) < worker.workers:
                self._complete(worker.workers)
        for worker in self._workers.values():
            if worker.silent and not worker.killed:
                _say(
                    f"{self._name(worker)} has been silent for {worker.silence_s:g} s: it is killed"
                )
                worker.kill()

    def _complete(self, workers: int) -> None:
        running = {worker.number for worker in self._workers.values()}
        for number in range(workers):
            if number not in running and not self._asked:
                self._start(number)

    def _pass_on(self, number: int) -> None:
        self._asked = True
        for worker in self._workers.values():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    def _bury(self, worker: _Worker, status: int) -> int:
        """Start a worker that has ended again, or let it end all.

        Returns:
            Its exit status, where it was asked to end.

        Raises:
            _Ended: It is the end.
        """
        with suppress(BlockingIOError):
            worker.listen()  # it may have been ready and dead within one turn
        with suppress(KeyError):
            self._poll.unregister(worker.reports)
        worker.close()
        if self._asked:
            return status
        if not worker.was_ready:
            raise _Ended(status)
        now = time.monotonic()
        recent = (moment for moment in self._restarts if now - moment < RESTART_WINDOW_S)
        self._restarts = [*recent, now]
        if len(self._restarts) > MAX_RESTARTS:
            _say(
                f"{self._name(worker)} ended with status {status}, after {MAX_RESTARTS} restarts "
                "in a minute"
            )
            raise _Ended(status or 1)
        _say(f"{self._name(worker)} ended with status {status}: restart {len(self._restarts)}")
        self._start(worker.number)
        return 0

    def _name(self, worker: _Worker) -> str:
        return "the server" if worker.number == 0 else f"worker {worker.number}"

    def _start(self, number: int) -> None:
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for handled in _HANDLED:
                signal.signal(handled, signal.SIG_DFL)
            os.setpgid(0, 0)
            others = [worker.reports for worker in self._workers.values()]
            for descriptor in (read, self._signals, self._wakeup, *others):
                os.close(descriptor)
            self._workers.clear()  # they are not this process's to end
            sys.exit(self._serve(Reporter(write, number, self._shared)))
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        os.close(write)
        os.set_blocking(read, False)
        self._poll.register(read, select.POLLIN)
        self._workers[pid] = _Worker(number, pid, read)


class _Ended(Exception):
    """The watchdog has nothing left to do."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _catch_signals() -> tuple[int, int]:
    """Have each signal write its number into a pipe, whose two ends are returned."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in _HANDLED:
        signal.signal(number, lambda *_: None)
    return read, write


def _reap() -> dict[int, int]:
    """Collect every child that ended, adopted ones too: exit statuses by pid."""
    statuses: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            ended, wait_status = os.waitpid(-1, os.WNOHANG)
            if ended == 0:
                break
            code = os.waitstatus_to_exitcode(wait_status)
            statuses[ended] = code if code >= 0 else 128 - code
    return statuses


def _say(text: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):
        os.write(2, f"{moment} WARNING [-] watchdog: {text}\n".encode())
