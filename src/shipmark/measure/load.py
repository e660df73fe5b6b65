"""What a generator is told, and what it counted; records that cross between processes. Pure."""

import math
from typing import Annotated

from msgspec import Meta

from shipmark.measure.histogram import Counts
from shipmark.measure.schedule import Kind
from shipmark_serve.contract.records import Record

MAX_ARRIVALS = 20_000_000
"""Of one run: the schedule lies in memory."""

LEAST_INTERVALS = 10
MOST_INTERVALS = 120


class Load(Record, frozen=True, kw_only=True):
    """One run."""

    host: str
    """A numeric address: a name could mean another host by the time it is looked up again."""
    port: int
    request: bytes
    """Head and body, the same each time."""
    schedule: Kind
    rate_per_s: Annotated[float, Meta(gt=0)]
    duration_s: Annotated[float, Meta(gt=0)]
    seed: int
    connections: Annotated[int, Meta(ge=1)]
    """At most so many at a time, over all processes."""
    timeout_s: Annotated[float, Meta(gt=0)]
    """A request not answered so long after it was due has failed."""
    processes: Annotated[int, Meta(ge=1)] = 1

    @property
    def intervals(self) -> int:
        """In how many intervals of time the run is told."""
        return min(max(math.ceil(self.duration_s), LEAST_INTERVALS), MOST_INTERVALS)

    @property
    def interval_s(self) -> float:
        """How long each of them is."""
        return self.duration_s / self.intervals


class Interval(Record, frozen=True, kw_only=True):
    """Requests that were due in one interval of time, and replies that came in it."""

    due: int
    latency: Counts
    """From when a request was due to the end of its reply; of replies with status 2xx."""
    replies: int
    """With status 2xx, by when they came."""
    failures: int
    """Of any kind, by when that was known."""


class Tally(Record, frozen=True, kw_only=True):
    """What one process counted."""

    intervals: tuple[Interval, ...]
    refused: Counts
    """Latencies of replies with another status."""
    failures: dict[str, int]
    """Kind -> how often; a reply with another status than 2xx is `http STATUS`."""
    lag: Counts
    """How long after it could be sent each request was: the generator's own fault."""
    held: int
    """Requests that waited because every connection was in use."""
    opened: int
    """Connections."""
    elapsed_s: float
    """From the beginning of the schedule to the last reply."""
    cpu_s: float
    """Of the generator."""
