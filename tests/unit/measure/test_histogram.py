"""A histogram tells percentiles to the width of its buckets, and merging is adding."""

import math

from hypothesis import given
from hypothesis import strategies as st

from shipmark.measure.histogram import RELATIVE_WIDTH, Histogram

DURATIONS = st.lists(
    st.one_of(st.integers(0, 1000), st.integers(0, 10**13), st.just(10**9)), max_size=200
)


def histogram_of(durations: list[int]) -> Histogram:
    histogram = Histogram()
    for each in durations:
        histogram.record(each)
    return histogram


@given(DURATIONS.filter(bool), st.floats(0, 1))
def test_a_percentile_is_the_exact_one_or_at_most_a_bucket_more(
    durations: list[int], fraction: float
) -> None:
    rank = max(math.ceil(fraction * len(durations)), 1)
    exact = sorted(durations)[rank - 1]

    told = histogram_of(durations).percentile_ns(fraction)

    assert exact <= told <= exact * (1 + RELATIVE_WIDTH)


@given(DURATIONS)
def test_count_mean_and_greatest_are_exact(durations: list[int]) -> None:
    histogram = histogram_of(durations)

    assert histogram.count == len(durations)
    assert histogram.total_ns == sum(durations)
    assert histogram.maximum_ns == max(durations, default=0)
    assert histogram.percentile_ns(1) == histogram.maximum_ns


@given(DURATIONS, DURATIONS, DURATIONS)
def test_merging_is_adding(one: list[int], two: list[int], three: list[int]) -> None:
    a, b, c = map(histogram_of, (one, two, three))
    all_of_them = histogram_of(one + two + three).export()

    assert ((a + b) + c).export() == all_of_them
    assert (a + (b + c)).export() == all_of_them
    assert (c + a + b).export() == all_of_them
    assert Histogram.merged([a, Histogram(), b, c]).export() == all_of_them
    assert a.count == len(one), "merging changes no part"


@given(DURATIONS)
def test_what_is_exported_comes_back(durations: list[int]) -> None:
    histogram = histogram_of(durations)
    again = Histogram.of(histogram.export())

    assert again.export() == histogram.export()
    assert again.count == histogram.count


@given(DURATIONS.filter(bool))
def test_the_curve_rises_to_all_and_the_greatest(durations: list[int]) -> None:
    curve = list(histogram_of(durations).curve())

    assert curve == sorted(curve)
    assert curve[-1] == (1.0, max(durations))


def test_of_nothing_every_percentile_is_zero_and_a_clock_that_steps_back_counts_as_zero() -> None:
    histogram = Histogram()
    assert (histogram.percentile_ns(0.5), histogram.mean_ns) == (0, 0)

    histogram.record(-5)
    assert (histogram.count, histogram.total_ns) == (1, 0)
