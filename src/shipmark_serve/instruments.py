"""The guard and the observers of one HTTP process, as its settings ask for them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shipmark_serve.access_log import AccessLog
from shipmark_serve.call import Call
from shipmark_serve.guard import TokenGuard
from shipmark_serve.lifecycle import Guard, Observer, OpenGuard
from shipmark_serve.metrics.families import GUARD, LAYOUT
from shipmark_serve.metrics.meter import Meter
from shipmark_serve.metrics.page import Page
from shipmark_serve.metrics.region import Region
from shipmark_serve.response import Response
from shipmark_serve.settings import Settings
from shipmark_serve.tracing import Tracer

INTERVAL_S = 0.25
"""How often the tokens are looked at, and the other processes told the numbers of this one."""


class Depths(Protocol):
    """What is asked for the requests in flight; a Dispatcher."""

    @property
    def waiting(self) -> int:
        """Requests that wait for inference."""

    @property
    def running(self) -> int:
        """Requests that inference works on."""


def region(http: int, inference: int, descriptor: int | None = None) -> Region:
    """Memory for the numbers of a server of so many processes, which outlives each of them.

    Args:
        http: Processes that answer requests.
        inference: Processes that run the model.
        descriptor: Of memory made before the first of them was forked; None makes new memory.
    """
    roles = [f"http-{number}" for number in range(http)]
    roles += [f"inference-{number}" for number in range(inference)]
    return Region(LAYOUT, roles, descriptor=descriptor)


class Instruments:
    """Made by each HTTP process for itself, after it was forked.

    Args:
        settings: What is asked for.
        shared: The numbers of the whole server.
        role: This process's, such as `http-0`.

    Raises:
        LoadFailed: The tokens cannot be read, or a setting of traces is not right.
        MissingExtra: Traces are asked for, and their libraries are not installed.
    """

    def __init__(self, settings: Settings, shared: Region, role: str) -> None:
        self._row = shared.enter(role)
        numbers = self._row.numbers
        self._meter = Meter(numbers)
        self._page = Page(settings.model, shared)
        self._depths: Depths | None = None
        self.guard: Guard = OpenGuard()
        self._tokens: TokenGuard | None = None
        file = settings.server.tokens_file
        if file is not None:
            first = LAYOUT.offset(GUARD, GUARD.series[0])
            self.guard = self._tokens = TokenGuard(Path(file), settings.model.name, numbers, first)
        self._access = AccessLog(settings.server.log_format) if settings.server.access_log else None
        self._tracer = Tracer(settings.traces, settings.model) if settings.traces.wanted else None
        asked = [each for each in (self._meter, self._access, self._tracer) if each is not None]
        self.observer: Observer = self._meter if len(asked) == 1 else _Several(asked)

    def watch(self, depths: Depths) -> None:
        """Ask this for what is in flight."""
        self._depths = depths

    def page(self, accept: str) -> Response:
        """What `/metrics` answers to a request with that Accept header."""
        self._sample()
        return self._page.answer(accept)

    async def run(self) -> None:
        """Keep up with what has no event of its own; until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            self._sample()
            if self._tokens is not None:
                self._tokens.refresh()

    def close(self) -> None:
        """Write and hand over what is left."""
        self._sample()
        if self._access is not None:
            self._access.flush()
        if self._tracer is not None:
            self._tracer.close()

    def _sample(self) -> None:
        if self._depths is not None:
            self._meter.gauge(waiting=self._depths.waiting, running=self._depths.running)
        self._row.publish()


class _Several:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._finished = [observer.finished for observer in observers]
        self._batch = [observer.batch for observer in observers]

    def finished(self, call: Call, status: int, now: float) -> None:
        """Tell each."""
        for tell in self._finished:
            tell(call, status, now)

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """Tell each."""
        for tell in self._batch:
            tell(requests, rows, seconds)
