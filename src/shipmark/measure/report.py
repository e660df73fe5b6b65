"""What a run showed, and whether it may be believed. Pure."""

from collections.abc import Iterator

from shipmark.measure.histogram import Histogram
from shipmark.measure.load import Load, Tally
from shipmark.measure.schedule import Kind
from shipmark_serve.contract.records import Record

FORMAT = 1
LAG_FREE_S = 0.001
"""So late at the 99th percentile a generator may always be."""
LAG_SHARE = 0.1
"""And by so much of the latency that it tells there."""
HELD_SHARE = 0.01
"""So many of the requests may wait for a connection."""


class Durations(Record, frozen=True, kw_only=True):
    """How long something took, by percentile."""

    count: int
    mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    p999_s: float
    max_s: float


class Moment(Record, frozen=True, kw_only=True):
    """One interval of the run."""

    at_s: float
    """Where it begins."""
    due_per_s: float
    answered_per_s: float
    failed_per_s: float
    p50_s: float | None
    """Of the requests that were due in it; null where none was answered."""
    p99_s: float | None
    max_s: float | None


class Report(Record, frozen=True, kw_only=True):
    """One run. Nothing in it is secret."""

    format: int = FORMAT
    target: str
    valid: bool
    faults: tuple[str, ...]
    """Why it is not valid."""
    schedule: Kind
    seed: int
    rate_per_s: float
    """As it was asked for."""
    duration_s: float
    connections: int
    processes: int
    timeout_s: float
    request_bytes: int
    due: int
    answered: int
    """With a status of 2xx."""
    failed: int
    failures: dict[str, int]
    """Kind -> how many."""
    offered_per_s: float
    """As the schedule had it: Poisson arrivals are more or fewer."""
    throughput_per_s: float
    """Answered, over the time until the last reply."""
    latency: Durations
    """From when a request was due until it was answered."""
    refused: Durations
    """The same of replies with another status."""
    lag: Durations
    """By how much the generator itself was late with a request."""
    held: int
    """Requests that waited because every connection was in use."""
    opened: int
    """Connections that were made."""
    generator_cpu_s: float
    curve: tuple[tuple[float, float], ...]
    """Fraction of the answered requests, and within how many seconds they were."""
    moments: tuple[Moment, ...]


def report(target: str, load: Load, tally: Tally) -> Report:
    """Make the report of a run from its counts."""
    latency = Histogram.merged(Histogram.of(each.latency) for each in tally.intervals)
    refused, lag = Histogram.of(tally.refused), Histogram.of(tally.lag)
    due = sum(each.due for each in tally.intervals)
    found = tuple(faults(load, due=due, replies=latency + refused, lag=lag, held=tally.held))
    return Report(
        target=target,
        valid=not found,
        faults=found,
        schedule=load.schedule,
        seed=load.seed,
        rate_per_s=load.rate_per_s,
        duration_s=load.duration_s,
        connections=load.connections,
        processes=load.processes,
        timeout_s=load.timeout_s,
        request_bytes=len(load.request),
        due=due,
        answered=latency.count,
        failed=sum(tally.failures.values()),
        failures=tally.failures,
        offered_per_s=due / load.duration_s,
        throughput_per_s=latency.count / max(tally.elapsed_s, load.duration_s),
        latency=durations(latency),
        refused=durations(refused),
        lag=durations(lag),
        held=tally.held,
        opened=tally.opened,
        generator_cpu_s=tally.cpu_s,
        curve=tuple((fraction, value / 1e9) for fraction, value in latency.curve()),
        moments=tuple(_moments(load, tally)),
    )


def faults(load: Load, *, due: int, replies: Histogram, lag: Histogram, held: int) -> Iterator[str]:
    """Why a run says little of its server.

    Latency counts from when a request was due, so what the generator itself was late is part of
    it: it must be a small part. A generator that waited for replies before it sent asked less of
    the server than it says.

    Args:
        load: The run.
        due: How many requests the schedule had.
        replies: Latencies of all replies, of any status.
        lag: By how much requests were sent too late although a connection was free.
        held: How many waited for a connection.
    """
    if not due:
        yield "the schedule has no request: make the run longer, or the rate higher"
        return
    if not replies.count:
        yield "no request was answered"
    late_s = lag.percentile_ns(0.99) / 1e9
    allowed_s = max(LAG_FREE_S, LAG_SHARE * replies.percentile_ns(0.99) / 1e9)
    if late_s > allowed_s:
        yield (
            f"the generator lagged: {milliseconds(late_s)} at the 99th percentile, where "
            f"{milliseconds(allowed_s)} are allowed; lower the rate, give it more processes, or "
            "measure from another machine"
        )
    if held > HELD_SHARE * due:
        yield (
            f"{held / due:.1%} of the requests waited because all {load.connections} connections "
            "were in use, so the server was asked less than was due; allow more connections"
        )


def durations(histogram: Histogram) -> Durations:
    """The percentiles of a histogram."""

    def at(fraction: float) -> float:
        return histogram.percentile_ns(fraction) / 1e9

    return Durations(
        count=histogram.count,
        mean_s=histogram.mean_ns / 1e9,
        p50_s=at(0.5),
        p90_s=at(0.9),
        p99_s=at(0.99),
        p999_s=at(0.999),
        max_s=histogram.maximum_ns / 1e9,
    )


def _moments(load: Load, tally: Tally) -> Iterator[Moment]:
    for number, each in enumerate(tally.intervals):
        at_s = number * load.interval_s
        latency = Histogram.of(each.latency)
        told = durations(latency) if latency.count else None
        # What came after the schedule's end stands in the last interval, which is as much longer.
        is_last = number == len(tally.intervals) - 1
        over_s = max(load.interval_s, tally.elapsed_s - at_s) if is_last else load.interval_s
        yield Moment(
            at_s=at_s,
            due_per_s=each.due / load.interval_s,
            answered_per_s=each.replies / over_s,
            failed_per_s=each.failures / over_s,
            p50_s=None if told is None else told.p50_s,
            p99_s=None if told is None else told.p99_s,
            max_s=None if told is None else told.max_s,
        )


def milliseconds(duration_s: float) -> str:
    """A duration for people: three digits, in ms up to a second."""
    if duration_s >= 1:
        return f"{duration_s:.2f} s"
    value = duration_s * 1e3
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} ms"


def text(told: Report) -> str:
    """The report for a terminal."""
    load = (
        f"{told.schedule}, seed {told.seed}, {told.duration_s:g} s, at most "
        f"{told.connections} connections ({told.opened} made)"
    )
    rows = [
        ("target", told.target),
        ("load", load),
        ("offered", f"{told.offered_per_s:,.1f} requests a second ({told.due:,})"),
        ("answered", f"{told.throughput_per_s:,.1f} a second ({told.answered:,})"),
        ("failed", _failures(told)),
        ("latency", _percentiles(told.latency)),
    ]
    if told.refused.count:
        rows.append(("refused", _percentiles(told.refused)))
    rows += [
        ("own lag", _percentiles(told.lag)),
        ("valid", "yes" if told.valid else "NO: " + "; ".join(told.faults)),
    ]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _failures(told: Report) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in told.failures.items())
    return f"{told.failed:,}" + (f" ({kinds})" if kinds else "")


def _percentiles(each: Durations) -> str:
    if not each.count:
        return "-"
    named = (
        ("p50", each.p50_s),
        ("p90", each.p90_s),
        ("p99", each.p99_s),
        ("p99.9", each.p999_s),
        ("max", each.max_s),
    )
    return "  ".join(f"{name} {milliseconds(value)}" for name, value in named)
