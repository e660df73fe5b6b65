"""Watch one run of a model: its output, its readiness, its end, and the wish that it should end."""

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from shipmark.deploy.limits import size_text
from shipmark.targets.process import log as logs
from shipmark.targets.process.launch import Running
from shipmark.targets.process.log import Allowance, Writer
from shipmark.targets.process.pressure import Pressure
from shipmark.targets.process.probe import Probe

_STARTING_PROBE_S = 0.02
_RUNNING_PROBE_S = 2.0
_PROBE_TIMEOUT_S = 5.0
_LOOK_S = 1.0
_SAID_AGAIN_S = 30.0
_READ_BYTES = 1 << 16
_NEVER = float("inf")


class StopRequest:
    """Becomes true, and its descriptor readable, when SIGTERM arrives, or a process dies."""

    def __init__(self) -> None:
        self.requested = False
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._events = select.epoll()
        self._events.register(self._read_end, select.EPOLLIN)
        self._condition: Callable[[], bool] = lambda: False
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._events.fileno()

    def when_it_ends(self, pidfd: int, condition: Callable[[], bool]) -> None:
        """Count the end of a process as a request too, if `condition` holds then."""
        self._condition = condition
        self._events.register(pidfd, select.EPOLLIN)
        if condition():  # it may have ended before `pidfd` was opened, and mean another
            self.requested = True

    def drain(self) -> None:
        """Make the descriptor wait for the next event."""
        for descriptor, _ in self._events.poll(0):
            if descriptor == self._read_end:
                os.read(self._read_end, _READ_BYTES)
            else:
                self._events.unregister(descriptor)
                os.close(descriptor)
                self.requested = self.requested or self._condition()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the request, but no longer than this; True if it came."""
        deadline = time.monotonic() + timeout_s
        while not self.requested and (left := deadline - time.monotonic()) > 0:
            select.select([self], [], [], left)
            self.drain()
        return self.requested

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a run."""

    ready_timeout_s: float
    stop_signal: int
    stop_grace_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    reason: str
    overdue: str | None = None
    """That it did not end when it was asked to, and was killed."""
    ready_s: float = 0.0
    """How long it had been ready before."""
    host_refused: bool = False
    """The model never ran."""


class Watch:
    """One run, from its start to its end.

    Args:
        running: What runs.
        rules: Its times.
        stop: The wish that it should end.
        log: Where its output goes.
        allowance: How much of that.
        probe: Asks whether it is ready.
        on_ready: Told whenever readiness changes.
        pressure: Knows which limits it reaches.
        on_limit: Told of each, but not again and again.
    """

    def __init__(
        self,
        running: Running,
        rules: Rules,
        *,
        stop: StopRequest,
        log: Writer,
        allowance: Allowance,
        probe: Callable[[], Probe],
        on_ready: Callable[[bool], None],
        pressure: Pressure,
        on_limit: Callable[[str], None],
    ) -> None:
        self._running = running
        self._rules = rules
        self._stop = stop
        self._log = log
        self._allowance = allowance
        self._new_probe = probe
        self._on_ready = on_ready
        self._pressure = pressure
        self._on_limit = on_limit
        self._look_at = 0.0
        self._limits_said: dict[str, float] = {}
        self._probe: Probe | None = None
        self._probe_at = 0.0
        self._probe_deadline = _NEVER
        self._ready = False
        self._first_ready = _NEVER
        self._ready_deadline = time.monotonic() + rules.ready_timeout_s
        self._kill_at = _NEVER
        self._own_reason = ""
        self._overdue: str | None = None

    def until_it_ends(self) -> Outcome:
        """Watch until the run is over and reaped."""
        while not self._step():
            pass
        self._end_probe()
        self._read_output(until_empty=True)
        ended = time.monotonic()
        code, complete = self._running.close()
        if not complete and not self._own_reason:
            return Outcome("bubblewrap could not make the sandbox", host_refused=True)
        self._look_at_limits()
        return Outcome(
            "; ".join([self._own_reason or _describe(code), *self._limits_said]),
            overdue=self._overdue,
            ready_s=max(0.0, ended - self._first_ready),
        )

    def _step(self) -> bool:
        """Do what is due, wait for what comes; True when the run is over."""
        now = time.monotonic()
        self._enforce_times(now)
        if self._probe is None and now >= self._probe_at:
            self._begin_probe(now)
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            self._look_at_limits()
        waiting: list[StopRequest | Probe | int] = [self._stop, self._running.monitor_fd]
        if now >= self._allowance.next_s():
            waiting.append(self._running.output)
        if self._probe is not None:
            waiting.append(self._probe)
        readable, _, _ = select.select(waiting, [], [], self._longest_wait(now))
        if self._stop in readable:
            self._stop.drain()
        if self._running.output in readable:
            self._read_output()
        if self._probe is not None and self._probe in readable:
            self._take(self._probe.result())
        return self._running.monitor_fd in readable

    # -- time ----------------------------------------------------------------------------

    def _enforce_times(self, now: float) -> None:
        if self._stop.requested and not self._own_reason:
            self._own_reason = "stopped"
            if self._first_ready == _NEVER:  # it has nothing to finish, and may not hear yet
                self._kill_at = now
            else:
                self._kill_at = now + self._rules.stop_grace_s
                self._running.signal(self._rules.stop_signal)
        if now >= self._ready_deadline and not self._own_reason:
            self._own_reason = f"it was not ready within {self._rules.ready_timeout_s:g} s"
            self._kill_at = now
        if now >= self._kill_at:
            if self._stop.requested and self._first_ready != _NEVER:
                self._overdue = (
                    f"it did not end within {self._rules.stop_grace_s:g} s of "
                    f"{signal.Signals(self._rules.stop_signal).name}"
                )
            self._log.say(f"{self._overdue or self._own_reason}: killing it")
            self._kill_at = _NEVER
            self._running.signal(signal.SIGKILL)
        if self._probe is not None and now >= self._probe_deadline:
            self._take(False)

    def _longest_wait(self, now: float) -> float:
        due = [self._kill_at, self._look_at]
        if not self._own_reason:
            due.append(self._ready_deadline)
        due.append(self._probe_at if self._probe is None else self._probe_deadline)
        if now < (may_read := self._allowance.next_s()):
            due.append(may_read)
        return min(60.0, max(0.0, min(due) - now))

    # -- readiness -----------------------------------------------------------------------

    def _begin_probe(self, now: float) -> None:
        try:
            self._probe = self._new_probe()
        except OSError:
            self._take(False)
        else:
            self._probe_deadline = now + _PROBE_TIMEOUT_S

    def _take(self, answer: bool | None) -> None:
        if answer is None:
            return
        self._end_probe()
        now = time.monotonic()
        self._probe_at = now + (
            _STARTING_PROBE_S if self._first_ready == _NEVER else _RUNNING_PROBE_S
        )
        if answer and self._first_ready == _NEVER:
            self._first_ready = now
            self._ready_deadline = _NEVER
            self._probe_at = now + _RUNNING_PROBE_S
        if answer != self._ready:
            self._ready = answer
            self._on_ready(answer)

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
        self._probe = None
        self._probe_deadline = _NEVER

    # -- limits --------------------------------------------------------------------------

    def _look_at_limits(self) -> None:
        for limit in self._pressure.reached():
            self._say_limit(limit)

    def _say_limit(self, limit: str) -> None:
        now = time.monotonic()
        if now - self._limits_said.get(limit, -_NEVER) >= _SAID_AGAIN_S:
            self._limits_said[limit] = now
            self._log.say(limit)
            self._on_limit(limit)

    # -- output --------------------------------------------------------------------------

    def _read_output(self, *, until_empty: bool = False) -> None:
        while True:
            try:
                data = os.read(self._running.output, _READ_BYTES)
            except BlockingIOError:
                return
            self._log.write(data)
            now = time.monotonic()
            self._allowance.spend(len(data), now)
            if now < self._allowance.next_s():
                size = size_text(logs.RATE_BYTES_PER_S)
                self._say_limit(f"log limit of {size} a second reached: what it writes waits")
            if not data or not until_empty:
                return


def _describe(code: int) -> str:
    if code > 128:
        try:
            return f"it was killed by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"it ended with exit status {code}"
