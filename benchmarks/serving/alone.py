"""What is measured of Shipmark alone: the cost of guard and metrics, processes, overload."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.serving import ask
from benchmarks.serving.ask import Ask
from benchmarks.serving.contenders import expected
from benchmarks.serving.measure import say
from benchmarks.serving.models import Array, Model
from benchmarks.serving.processes import Running
from benchmarks.serving.report import Cost, Overload, Processes
from benchmarks.serving.shipmark import from_source, guarded, packed
from benchmarks.serving.wrk import wrk
from shipmark.measure import Load, report, run

_UNGUARDED = str(Path(__file__).with_name("unguarded_server.py"))
_QUEUE_LIMIT = 32
_GIL_BOUND = """\
def predict(number: int) -> int:
    total = 0
    for each in range(150_000):
        total += each % (number + 7)
    return total
"""


def cost(cache: Path, model: Model, asked: Ask, *, pairs: int, seconds: int) -> Cost:
    """Processor time a request, with everything and without, one after the other in pairs.

    Both servers are loaded alike, on 16 connections, and who goes first changes from pair to pair.
    """
    place = packed(cache / "packages", model)
    right = expected(model)
    found: dict[bool, list[float]] = {True: [], False: []}
    with (
        from_source(place, asked, right) as having,
        from_source(place, asked, right, program=(_UNGUARDED,)) as without,
    ):
        for server in (having, without):
            wrk(server.port, asked, connections=16, seconds=1)
        for number in range(pairs):
            for is_full in (True, False) if number % 2 == 0 else (False, True):
                server = having if is_full else without
                found[is_full].append(_processor_s(server, asked, seconds))
            say(f"cost, pair {number + 1}: {found[True][-1] * 1e6:.2f} us, "
                f"{found[False][-1] * 1e6:.2f} us without")  # fmt: skip
    return Cost(
        model=model.name,
        form=asked.form,
        with_s=tuple(found[True]),
        without_s=tuple(found[False]),
    )


def _processor_s(server: Running, asked: Ask, seconds: int) -> float:
    before = server.cpu_s()
    figures = wrk(server.port, asked, connections=16, seconds=seconds)
    return (server.cpu_s() - before) / (figures.rate_per_s * seconds)


def processes(cache: Path, *, rounds: int, seconds: int) -> Processes:
    """A Python model that holds the GIL, in one process and in two, in turn."""
    place = cache / "packages" / "spin"
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.py").write_text(_GIL_BOUND)
    scope: dict[str, object] = {}
    exec(_GIL_BOUND, scope)  # the text stands above
    right = [float(scope["predict"](1))]  # type: ignore[operator]
    asked = Ask(form="JSON", path="/predict", body=b"1", read=_number)
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, rates in found.items():
            settings = {"SHIPMARK_PROCESSES": str(count), "SHIPMARK_TOKENS_FILE": ""}
            with from_source(place, asked, right, settings=settings) as server:
                wrk(server.port, asked, connections=16, seconds=1)
                figures = wrk(server.port, asked, connections=16, seconds=seconds)
            rates.append(figures.rate_per_s)
            say(f"GIL-bound, {count} processes: {figures.rate_per_s:.1f} a second")
    return Processes(one_per_s=tuple(found[1]), two_per_s=tuple(found[2]))


def _number(data: bytes, headers: Mapping[str, str]) -> Array:
    del headers
    return np.asarray([float(data)], dtype=np.float32)


def overload(cache: Path, model: Model, *, threads: int, seconds: int) -> Overload:
    """Twice the capacity, open loop, on a queue that is short enough to fill at once."""
    place = packed(cache / "packages", model)
    asked = guarded(ask.v2_binary(model))
    settings = {"SHIPMARK_QUEUE_LIMIT": str(_QUEUE_LIMIT), "SHIPMARK_THREADS": str(threads)}
    with from_source(place, asked, expected(model), settings=settings) as server:
        wrk(server.port, asked, connections=16, seconds=1)
        capacity = wrk(server.port, asked, connections=16, seconds=seconds).rate_per_s
        load = Load(
            host="127.0.0.1",
            port=server.port,
            request=_request(asked),
            schedule="poisson",
            rate_per_s=2 * capacity,
            duration_s=seconds,
            seed=1,
            connections=512,
            timeout_s=30.0,
        )
        told = report("overload", load, run(load))
    refused = told.failures.get("http 429", 0)
    say(f"overload: capacity {capacity:.1f} a second; {told.throughput_per_s:.1f} of "
        f"{told.offered_per_s:.1f} answered, {told.failures}")  # fmt: skip
    return Overload(
        capacity_per_s=capacity,
        offered_per_s=told.offered_per_s,
        throughput_per_s=told.throughput_per_s,
        accepted_max_s=told.latency.max_s,
        allowed_s=(_QUEUE_LIMIT + threads) * threads / capacity,
        refused=refused,
        refused_p99_s=told.refused.p99_s,
        other_failures=told.failed - refused,
        valid=told.valid,
        queue_limit=_QUEUE_LIMIT,
        threads=threads,
    )


def _request(asked: Ask) -> bytes:
    lines = [f"POST {asked.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(asked.body)}"]
    lines += [f"{name}: {value}" for name, value in asked.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + asked.body
