"""Counts what it is told of requests and batches."""

from bisect import bisect_left
from typing import TypeVar

from shipmark_serve.call import Call
from shipmark_serve.lifecycle import Observer
from shipmark_serve.metrics.families import (
    BATCH,
    BATCHED,
    CODES,
    IN_FLIGHT,
    INFERENCE,
    LAYOUT,
    OTHER,
    QUEUE_DEPTH,
    REQUESTS,
    RESPONSE,
    ROUTES,
    ROWS,
    SECONDS,
    WAIT,
)

K = TypeVar("K")
V = TypeVar("V")
_ANY = 0
_SUM = len(SECONDS) + 1
"""Where a histogram of seconds has its sum."""


class Meter:
    """An observer that adds to the numbers of one row; see `Region.enter`."""

    __slots__ = (
        "_batch",
        "_batched",
        "_depth",
        "_flight",
        "_inference",
        "_numbers",
        "_routes",
        "_wait",
    )

    def __init__(self, numbers: list[float]) -> None:
        self._numbers = numbers
        self._routes = _Known(
            {route: (_by_code(route), LAYOUT.offset(RESPONSE, (route,))) for route in ROUTES}, OTHER
        )
        self._wait = LAYOUT.offset(WAIT)
        self._batch = LAYOUT.offset(BATCH)
        self._batched = LAYOUT.offset(BATCHED)
        self._inference = LAYOUT.offset(INFERENCE)
        self._flight = LAYOUT.offset(IN_FLIGHT)
        self._depth = LAYOUT.offset(QUEUE_DEPTH)

    def finished(self, call: Call, status: int, now: float) -> None:
        """Count a request."""
        # Written out, without a function for each number: this runs once a request.
        numbers = self._numbers
        codes, response = self._routes[call.route]
        numbers[codes[status]] += 1.0
        seconds = now - call.began
        numbers[response + bisect_left(SECONDS, seconds)] += 1.0
        numbers[response + _SUM] += seconds
        if call.started:
            seconds = call.started - call.queued
            wait = self._wait
            numbers[wait + bisect_left(SECONDS, seconds)] += 1.0
            numbers[wait + _SUM] += seconds

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """Count a batch."""
        numbers = self._numbers
        numbers[self._batched] += requests
        numbers[self._batch + bisect_left(ROWS, rows)] += 1.0
        numbers[self._batch + len(ROWS) + 1] += rows
        numbers[self._inference + bisect_left(SECONDS, seconds)] += 1.0
        numbers[self._inference + _SUM] += seconds

    def gauge(self, *, waiting: int, running: int) -> None:
        """Note how many requests wait and run now."""
        self._numbers[self._flight] = waiting + running
        self._numbers[self._depth] = waiting


class _Known(dict[K, V]):
    """A dictionary in which every other key is that of `other`."""

    __slots__ = ("_other",)

    def __init__(self, items: dict[K, V], other: K) -> None:
        super().__init__(items)
        self._other = items[other]

    def __missing__(self, key: K) -> V:
        return self._other


def _by_code(route: str) -> _Known[int, int]:
    """Status -> cell."""
    cells = {int(code): LAYOUT.offset(REQUESTS, (route, str(int(code)))) for code in CODES}
    return _Known({**cells, _ANY: LAYOUT.offset(REQUESTS, (route, OTHER))}, _ANY)


def _conforms(meter: Meter) -> Observer:
    return meter
