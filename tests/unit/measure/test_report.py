"""A report counts right, and believes no run in which the generator was slow or held back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.measure import Load, Tally, page, report, text
from shipmark.measure.histogram import Counts, Histogram
from shipmark.measure.load import Interval
from shipmark.measure.plot import linear, logarithmic
from shipmark.measure.report import Report, milliseconds
from shipmark.measure.run import connections_of, merged

LOAD = Load(
    host="127.0.0.1",
    port=1,
    request=b"secret token",
    schedule="poisson",
    rate_per_s=100,
    duration_s=10,
    seed=1,
    connections=8,
    timeout_s=5,
)


def counts(*durations_s: float) -> Counts:
    histogram = Histogram()
    for each in durations_s:
        histogram.record(round(each * 1e9))
    return histogram.export()


def tally(
    *, latency_s: float = 0.02, lag_s: float = 0.0, held: int = 0, failures: int = 0
) -> Tally:
    return Tally(
        intervals=tuple(
            Interval(due=100, latency=counts(*[latency_s] * 99), replies=99, failures=1)
            for _ in range(LOAD.intervals)
        ),
        refused=counts(*[0.001] * failures),
        failures={"http 429": failures} if failures else {},
        lag=counts(*[lag_s] * 1000),
        held=held,
        opened=8,
        elapsed_s=10.5,
        cpu_s=0.1,
    )


def told(given: Tally) -> Report:
    return report("http://127.0.0.1:1/predict", LOAD, given)


def test_a_run_in_words_and_numbers() -> None:
    each = told(tally(failures=10))

    assert each.valid
    assert (each.due, each.answered, each.failed) == (1000, 990, 10)
    assert each.offered_per_s == 100
    assert each.throughput_per_s == pytest.approx(990 / 10.5)
    assert each.latency.p99_s == pytest.approx(0.02, rel=0.01)
    assert each.refused.p50_s == pytest.approx(0.001, rel=0.01)
    assert each.moments[0].due_per_s == 100
    assert each.moments[0].answered_per_s == 99
    assert "http 429 10" in text(each)
    assert "valid     yes" in text(each)


@pytest.mark.parametrize(
    ("lag_s", "latency_s", "valid"),
    [(0.0009, 0.0001, True), (0.0019, 0.02, True), (0.0025, 0.02, False), (0.04, 0.5, True)],
)
def test_lag_may_be_a_millisecond_or_a_tenth_of_the_latency(
    lag_s: float, latency_s: float, valid: bool
) -> None:
    each = told(tally(lag_s=lag_s, latency_s=latency_s))

    assert each.valid is valid
    assert valid or "lagged" in each.faults[0]
    assert valid or "NO" in text(each)


def test_requests_that_waited_for_a_connection_make_it_a_closed_loop() -> None:
    assert told(tally(held=10)).valid
    (fault,) = told(tally(held=11)).faults
    assert "all 8 connections" in fault


def test_a_run_without_requests_or_without_answers_is_not_valid() -> None:
    none = Interval(due=0, latency=counts(), replies=0, failures=0)
    asked = Interval(due=5, latency=counts(), replies=0, failures=5)

    for intervals, fault in (((none,), "no request"), ((asked,), "no request was answered")):
        given = Tally(
            intervals=intervals,
            refused=counts(),
            failures={},
            lag=counts(),
            held=0,
            opened=0,
            elapsed_s=0,
            cpu_s=0,
        )
        assert fault in told(given).faults[0]
        assert page(told(given))


def test_several_processes_count_as_one() -> None:
    one, other = tally(held=3, failures=2), tally(latency_s=0.1, held=4, failures=5)
    both = merged([one, other])

    assert both.held == 7
    assert both.failures == {"http 429": 7}
    assert sum(each.due for each in both.intervals) == 2000
    assert merged([other, one]) == both
    assert merged([one]) == one


@given(st.integers(1, 9), st.integers(1, 50))
def test_connections_are_shared_out(processes: int, connections: int) -> None:
    load = Load(
        **{name: getattr(LOAD, name) for name in LOAD.__struct_fields__}
        | {"processes": processes, "connections": connections}
    )
    shares = connections_of(load)

    assert sum(shares) == connections
    assert min(shares) >= 1


def test_the_page_needs_nothing_else_and_tells_no_secret() -> None:
    each = page(told(tally(lag_s=1, failures=3)))

    assert re.findall(r"""(?:src|href|url)\s*[=(]|@import|<script""", each) == []
    assert each.count("<svg") == 3
    assert "prefers-color-scheme: dark" in each
    assert "Not valid" in each
    assert "secret" not in each
    assert "<script" not in page(report("http://x/<script>", LOAD, tally()))


@given(st.lists(st.just(0.0) | st.floats(1e-9, 1e9), max_size=20))
def test_axes_hold_their_values(values: list[float]) -> None:
    axis = linear("", values)
    assert axis.low <= min(values, default=0)
    assert max(values, default=0) <= axis.high * (1 + 1e-6)
    assert 4 <= len(axis.ticks) <= 12

    powers = logarithmic("", values, str)
    for value in values:
        assert 0 <= powers.at(value) <= 1
        assert 0 <= axis.at(value) <= 1


@pytest.mark.parametrize(
    ("duration_s", "shown"),
    [(0, "0.00 ms"), (0.00034, "0.34 ms"), (0.0456, "45.6 ms"), (0.456, "456 ms"), (4.5, "4.50 s")],
)
def test_durations_have_three_digits(duration_s: float, shown: str) -> None:
    assert milliseconds(duration_s) == shown
