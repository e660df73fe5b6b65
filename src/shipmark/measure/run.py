"""A run: its generators as processes of their own, and their tallies as one."""

import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Self

import msgspec

from shipmark.errors import ServeError, ShipmarkError
from shipmark.measure.histogram import Counts, Histogram
from shipmark.measure.load import MAX_ARRIVALS, Interval, Load, Tally

_LEAD_NS = 100_000_000
"""Between telling the generators when to begin and that moment."""
_MARGIN_S = 30.0
"""How much longer than its load allows a generator may take before it is ended."""


def run(load: Load) -> Tally:
    """Put `load` on its target.

    Returns:
        What all generators counted, as if they were one.

    Raises:
        ShipmarkError: Nothing listens there, or a generator ended without a tally.
    """
    check(load)
    shares = connections_of(load)
    with ExitStack() as stack:
        generators = [
            stack.enter_context(_Generator(load, index, shares)) for index in range(len(shares))
        ]
        for each in generators:
            each.tell(each.load)
        for each in generators:
            each.get_ready()
        begin_ns = time.monotonic_ns() + _LEAD_NS
        for each in generators:
            each.tell(begin_ns)
        return merged([each.tally() for each in generators])


def check(load: Load) -> None:
    """Refuse a load that would not fit into memory.

    Raises:
        ShipmarkError: It has too many requests.
    """
    if load.rate_per_s * load.duration_s > MAX_ARRIVALS:
        raise ShipmarkError(
            f"{load.rate_per_s:g} requests a second for {load.duration_s:g} s are more than "
            f"{MAX_ARRIVALS:,}",
            hint="make it shorter, or several runs",
        )


def connections_of(load: Load) -> list[int]:
    """How many connections each process may have; as many processes as can have one."""
    processes = min(load.processes, load.connections)
    each, more = divmod(load.connections, processes)
    return [each + (index < more) for index in range(processes)]


def merged(tallies: list[Tally]) -> Tally:
    """The counts of several processes as those of one."""
    failures: Counter[str] = Counter()
    for each in tallies:
        failures.update(each.failures)
    return Tally(
        intervals=tuple(
            _together(parts) for parts in zip(*(each.intervals for each in tallies), strict=True)
        ),
        refused=_sum([each.refused for each in tallies]),
        failures=dict(sorted(failures.items())),
        lag=_sum([each.lag for each in tallies]),
        held=sum(each.held for each in tallies),
        opened=sum(each.opened for each in tallies),
        elapsed_s=max(each.elapsed_s for each in tallies),
        cpu_s=sum(each.cpu_s for each in tallies),
    )


def _together(parts: tuple[Interval, ...]) -> Interval:
    return Interval(
        due=sum(each.due for each in parts),
        latency=_sum([each.latency for each in parts]),
        replies=sum(each.replies for each in parts),
        failures=sum(each.failures for each in parts),
    )


def _sum(parts: list[Counts]) -> Counts:
    return Histogram.merged(map(Histogram.of, parts)).export()


class _Generator:
    """A generator in a process of its own, which ends with this object at the latest."""

    def __init__(self, load: Load, index: int, connections: list[int]) -> None:
        self.load = msgspec.structs.replace(load, connections=connections[index])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __package__, str(index), str(len(connections))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        allowed_s = _MARGIN_S + load.duration_s + load.timeout_s
        self._timer = threading.Timer(allowed_s, self._process.kill)
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        del raised
        self._timer.cancel()
        self._process.kill()
        with self._process:  # closes its pipes, and waits
            pass

    def tell(self, value: object) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for
        with suppress(BrokenPipeError):  # it says why on its standard error
            self._process.stdin.write(msgspec.json.encode(value) + b"\n")
            self._process.stdin.flush()

    def get_ready(self) -> None:
        """Wait until its schedule and its first connections are made."""
        trouble = msgspec.json.decode(self._line(), type=str | None)
        if trouble is not None:
            raise ServeError(
                f"cannot connect to {self.load.host} port {self.load.port}: {trouble.lower()}",
                hint="shipmark ps shows what runs and where",
            )

    def tally(self) -> Tally:
        """Wait for its end."""
        return msgspec.json.decode(self._line(), type=Tally)

    def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
        line = self._process.stdout.readline()
        if not line:
            raise ShipmarkError(
                f"a load generator ended early, with status {self._process.wait()}",
                hint="its standard error tells more",
            )
        return line
