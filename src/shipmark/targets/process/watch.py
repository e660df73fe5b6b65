"""Watch one run of a model: its output, its readiness, its end, and the wish that it should end."""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from shipmark.targets.process.launch import Running
from shipmark.targets.process.log import Writer
from shipmark.targets.process.probe import Probe

_STARTING_PROBE_S = 0.02
_RUNNING_PROBE_S = 2.0
_PROBE_TIMEOUT_S = 5.0
_READ_BYTES = 1 << 16
_NEVER = float("inf")


class StopRequest:
    """Becomes true, and its descriptor readable, when SIGTERM arrives."""

    def __init__(self) -> None:
        self.requested = False
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._read_end

    def drain(self) -> None:
        """Make the descriptor wait for the next signal."""
        with suppress(BlockingIOError):
            os.read(self._read_end, _READ_BYTES)

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
        probe: Asks whether it is ready.
        on_ready: Told whenever readiness changes.
        memory_kills: How many of its processes were killed for want of memory.
    """

    def __init__(
        self,
        running: Running,
        rules: Rules,
        *,
        stop: StopRequest,
        log: Writer,
        probe: Callable[[], Probe],
        on_ready: Callable[[bool], None],
        memory_kills: Callable[[], int],
    ) -> None:
        self._running = running
        self._rules = rules
        self._stop = stop
        self._log = log
        self._new_probe = probe
        self._on_ready = on_ready
        self._memory_kills = memory_kills
        self._known_kills = memory_kills()
        self._killed_for_memory = False
        self._probe: Probe | None = None
        self._probe_at = 0.0
        self._probe_deadline = _NEVER
        self._ready = False
        self._first_ready = _NEVER
        self._ready_deadline = time.monotonic() + rules.ready_timeout_s
        self._kill_at = _NEVER
        self._own_reason = ""

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
        self._look_for_memory_kills()
        return Outcome(
            self._own_reason or _describe(code, out_of_memory=self._killed_for_memory),
            ready_s=max(0.0, ended - self._first_ready),
        )

    def _step(self) -> bool:
        """Do what is due, wait for what comes; True when the run is over."""
        now = time.monotonic()
        self._enforce_times(now)
        if self._probe is None and now >= self._probe_at:
            self._begin_probe(now)
        waiting: list[StopRequest | Probe | int] = [
            self._stop,
            self._running.monitor_fd,
            self._running.output,
        ]
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
            self._log.say("killing it")
            self._kill_at = _NEVER
            self._running.signal(signal.SIGKILL)
        if self._probe is not None and now >= self._probe_deadline:
            self._take(False)

    def _longest_wait(self, now: float) -> float:
        due = [self._kill_at]
        if not self._own_reason:
            due.append(self._ready_deadline)
        due.append(self._probe_at if self._probe is None else self._probe_deadline)
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
        self._look_for_memory_kills()

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
        self._probe = None
        self._probe_deadline = _NEVER

    def _look_for_memory_kills(self) -> None:
        kills = self._memory_kills()
        if kills > self._known_kills:
            self._known_kills = kills
            self._killed_for_memory = True
            self._log.say("a process was killed: over the memory limit")

    # -- output --------------------------------------------------------------------------

    def _read_output(self, *, until_empty: bool = False) -> None:
        while True:
            try:
                data = os.read(self._running.output, _READ_BYTES)
            except BlockingIOError:
                return
            self._log.write(data)
            if not data or not until_empty:
                return


def _describe(code: int, *, out_of_memory: bool) -> str:
    if out_of_memory:
        return "it was killed: over the memory limit"
    if code > 128:
        try:
            return f"it was killed by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"it ended with exit status {code}"
