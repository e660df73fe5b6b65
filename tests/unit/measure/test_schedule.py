"""Schedules follow from their seed alone, and are what their names say."""

import statistics
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.measure.schedule import Kind, schedule, share

RATES = st.floats(1, 2000)
SEEDS = st.integers(0, 2**64)


@given(kind=st.sampled_from(["poisson", "constant"]), rate=RATES, seed=SEEDS)
def test_the_same_seed_gives_the_same_times_in_order(kind: Kind, rate: float, seed: int) -> None:
    times = schedule(kind, rate_per_s=rate, duration_s=1.5, seed=seed)

    assert times == schedule(kind, rate_per_s=rate, duration_s=1.5, seed=seed)
    assert list(times) == sorted(times)
    assert all(0 <= each < 1.5 for each in times)


def test_another_seed_gives_other_times() -> None:
    one, other = (schedule("poisson", rate_per_s=50, duration_s=2, seed=seed) for seed in (1, 2))

    assert one != other


def test_the_times_of_a_seed_stay_what_they_are() -> None:
    times = schedule("poisson", rate_per_s=4, duration_s=1, seed=7)

    assert [round(each, 6) for each in times[:5]] == [
        0.097829,
        0.138708,
        0.401832,
        0.420631,
        0.612535,
    ]


def test_constant_times_are_equally_far_apart() -> None:
    assert list(schedule("constant", rate_per_s=4, duration_s=1, seed=1)) == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_exponential_and_counts_vary_as_much_as_their_mean(seed: int) -> None:
    rate, duration_s = 1000.0, 40.0
    times = schedule("poisson", rate_per_s=rate, duration_s=duration_s, seed=seed)
    gaps = [after - before for before, after in pairwise(times)]
    counts = [0] * int(duration_s * 10)
    for each in times:
        counts[int(each * 10)] += 1

    # Bounds are five standard errors of 40,000 gaps and of 400 counts.
    assert statistics.fmean(gaps) == pytest.approx(1 / rate, rel=0.025)
    assert statistics.pvariance(gaps) == pytest.approx(1 / rate**2, rel=0.075)
    assert statistics.pvariance(counts) == pytest.approx(rate / 10, rel=0.36)
    longer = sum(gap > 1 / rate for gap in gaps) / len(gaps)
    assert longer == pytest.approx(0.3679, abs=0.0125)


@given(seed=SEEDS, count=st.integers(1, 9))
def test_the_shares_of_the_processes_are_the_schedule(seed: int, count: int) -> None:
    times = schedule("poisson", rate_per_s=100, duration_s=1, seed=seed)
    parts: list[array[float]] = [share(times, index=index, count=count) for index in range(count)]

    assert sorted(each for part in parts for each in part) == list(times)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
