"""The open loop shows what a server is known to do, where a closed loop shows nothing of it.

A generator that cannot keep up says so, and every way in which a request fails has its name.
"""

import http.client
import math
import time
from collections.abc import Iterator

import pytest

from shipmark.errors import ServeError, ShipmarkError
from shipmark.measure import Load, Report, report, run
from shipmark.measure.generator import Generator
from shipmark.measure.load import MAX_ARRIVALS
from shipmark.measure.schedule import schedule
from tests.integration.measure.conftest import Start, load_on

PERIOD_S, STALL_S = 2.5, 0.5


def told(load: Load) -> Report:
    return report("target", load, run(load))


def test_a_stall_shows_in_the_open_loop_as_theory_has_it(start: Start) -> None:
    # A request that is due within a stall waits for the rest of it, so a fraction
    # (STALL_S - x) / PERIOD_S of all waits longer than x.
    port = start("stall", PERIOD_S, STALL_S)
    each = told(load_on(port, schedule="constant", duration_s=3 * PERIOD_S))

    assert each.valid, each.faults
    assert each.answered == each.due == 2250
    assert each.latency.p99_s == pytest.approx(STALL_S - 0.01 * PERIOD_S, abs=0.05)
    assert each.latency.p90_s == pytest.approx(STALL_S - 0.1 * PERIOD_S, abs=0.08)
    assert each.latency.p50_s < 0.02
    assert each.latency.max_s == pytest.approx(STALL_S, abs=0.08)
    assert max(moment.p99_s or 0 for moment in each.moments) > 0.9 * STALL_S


def test_the_same_stall_in_a_closed_loop_is_one_request_among_thousands(start: Start) -> None:
    port = start("stall", PERIOD_S, STALL_S)
    latencies = sorted(_closed_loop(port, 2 * PERIOD_S))

    assert latencies[-1] == pytest.approx(STALL_S, abs=0.08)
    assert latencies[math.ceil(0.99 * len(latencies)) - 1] < STALL_S / 10


def _closed_loop(port: int, duration_s: float) -> Iterator[float]:
    """Ask, wait for the answer, ask again."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    until = time.monotonic() + duration_s
    while time.monotonic() < until:
        begun = time.monotonic()
        connection.request("POST", "/predict", b"{}")
        connection.getresponse().read()
        yield time.monotonic() - begun
    connection.close()


def test_a_queue_shows_as_it_must_for_these_very_arrivals(start: Start) -> None:
    # One server, constant service, first come first served: waiting follows by Lindley's equation.
    service_s = 0.04
    port = start("constant", service_s)
    load = load_on(port, rate_per_s=18.0, duration_s=6.0, seed=5)
    times = schedule("poisson", rate_per_s=18.0, duration_s=6.0, seed=5)
    free_s, expected = 0.0, []
    for at_s in times:
        free_s = max(free_s, at_s) + service_s
        expected.append(free_s - at_s)
    expected.sort()

    each = told(load)

    assert each.answered == each.due == len(times)
    for fraction, measured_s in ((0.5, each.latency.p50_s), (0.9, each.latency.p90_s)):
        exact_s = expected[math.ceil(fraction * len(expected)) - 1]
        assert measured_s == pytest.approx(exact_s, rel=0.15, abs=0.025)
    assert each.latency.p90_s > 2 * service_s, "without waiting there is nothing to see"


def test_several_processes_follow_one_schedule(start: Start) -> None:
    port = start("sequence", "200")
    one, two = (told(load_on(port, processes=count, duration_s=1.0)) for count in (1, 2))

    assert one.due == two.due == one.answered == two.answered
    assert two.opened == 2 * one.opened


def test_a_generator_that_was_late_itself_is_not_believed(start: Start) -> None:
    load = load_on(start("sequence", "200"))
    times = schedule("poisson", rate_per_s=load.rate_per_s, duration_s=load.duration_s, seed=1)
    generator = Generator(load, times)
    generator.warm()

    # As if it had been stopped for the second in which it should have begun.
    each = report("target", load, generator.run(time.monotonic_ns() - 1_000_000_000))

    assert each.answered == each.due
    assert not each.valid
    assert any("lagged" in fault for fault in each.faults)
    assert each.lag.p99_s == pytest.approx(1, abs=0.1)
    assert each.latency.p99_s >= each.lag.p99_s, "what it was late counts as the callers' waiting"


def test_more_than_it_can_send_is_not_believed(start: Start) -> None:
    port = start("sequence", "200")
    each = told(load_on(port, rate_per_s=400_000.0, duration_s=0.1, timeout_s=20.0))

    assert not each.valid


def test_a_load_that_waits_for_connections_is_not_believed(start: Start) -> None:
    port = start("stall", 1.0, 0.5)
    each = told(load_on(port, connections=2))

    assert not each.valid
    assert any("2 connections" in fault for fault in each.faults)
    assert each.answered == each.due, "they wait, and are sent all the same"
    assert each.latency.max_s > 0.4, "and the waiting counts"
    assert each.opened == 2


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        ("429", "http 429"),
        ("503", "http 503"),
        ("drop", "hung up"),
        ("garbage", "not HTTP"),
        ("hang", "timeout"),
    ],
)
def test_failures_are_counted_by_kind(start: Start, treatment: str, kind: str) -> None:
    port = start("sequence", f"200,{treatment}")
    each = told(load_on(port, duration_s=0.5, timeout_s=0.4))

    assert each.failures.keys() == {kind}
    assert each.answered + each.failed == each.due
    assert abs(each.answered - each.failed) <= 1
    assert each.refused.count == (each.failed if kind.startswith("http") else 0)


def test_a_run_ends_in_its_time_though_nothing_is_answered(start: Start) -> None:
    port = start("sequence", "hang")
    begun = time.monotonic()
    each = told(load_on(port, duration_s=0.5, timeout_s=0.5, connections=20))

    assert time.monotonic() - begun < 3
    assert each.failures == {"timeout": each.due}
    assert not each.valid


@pytest.mark.parametrize("treatment", ["close", "chunked", "200,close,chunked"])
def test_any_way_to_answer_is_an_answer(start: Start, treatment: str) -> None:
    port = start("sequence", treatment)
    each = told(load_on(port, duration_s=0.5))

    assert each.failures == {}
    assert each.answered == each.due


def test_large_requests_are_sent_whole(start: Start) -> None:
    port = start("sequence", "200")
    body = b"x" * (8 << 20)
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    each = told(load_on(port, request=head + body, rate_per_s=5.0, duration_s=1.0))

    assert each.failures == {}
    assert each.answered == each.due > 0


def test_nobody_to_ask_is_an_error_of_its_own(silent_port: int) -> None:
    with pytest.raises(ServeError, match="refused"):
        run(load_on(silent_port))


def test_a_server_that_goes_away_is_refusals_not_an_error(start: Start) -> None:
    port = start("sequence", ",".join(["200"] * 100 + ["exit"]))
    each = told(load_on(port, duration_s=1.0))

    assert each.answered == 100
    assert {"refused"} <= each.failures.keys() <= {"refused", "hung up"}
    assert each.answered + each.failed == each.due


def test_more_than_fits_into_memory_is_refused() -> None:
    with pytest.raises(ShipmarkError, match="more than"):
        run(load_on(1, rate_per_s=float(MAX_ARRIVALS), duration_s=2.0))
