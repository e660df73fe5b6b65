"""Counts of durations in log-linear buckets, as an HDR histogram keeps them. Pure.

Every power of two is divided into the same number of buckets, so that the width of a bucket is at
most 1/128 of the values in it, from nanoseconds to days, in memory that does not grow with the
number of values.

Source: G. Tene, HdrHistogram.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Self

from shipmark_serve.contract.records import Record

_BITS = 8
_HALF = 1 << (_BITS - 1)
RELATIVE_WIDTH = 1 / _HALF
"""A value that is told is at most this much greater than the one that was recorded."""


class Counts(Record, frozen=True, kw_only=True):
    """What a histogram holds, as it crosses between processes."""

    total_ns: int = 0
    maximum_ns: int = 0
    buckets: dict[int, int] = {}
    """Index of a bucket -> how many values it has."""


class Histogram:
    """How often which duration was seen, in nanoseconds."""

    __slots__ = ("buckets", "count", "maximum_ns", "total_ns")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total_ns = 0
        self.maximum_ns = 0

    def record(self, duration_ns: int) -> None:
        """Count one duration; what is negative counts as 0."""
        value = max(duration_ns, 0)
        index = _index(value)
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + 1
        self.count += 1
        self.total_ns += value
        self.maximum_ns = max(self.maximum_ns, value)

    def percentile_ns(self, fraction: float) -> int:
        """The least duration that at least `fraction` of all did not exceed; 0 where there is none.

        Exact to the width of a bucket, rounded up; never above the greatest.
        """
        wanted = max(math.ceil(fraction * self.count), 1)
        seen = 0
        for index, count in sorted(self.buckets.items()):
            seen += count
            if seen >= wanted:
                return min(_highest(index), self.maximum_ns)
        return self.maximum_ns

    @property
    def mean_ns(self) -> float:
        """The exact mean; 0 where nothing was recorded."""
        return self.total_ns / self.count if self.count else 0.0

    def curve(self) -> Iterator[tuple[float, int]]:
        """For each bucket in use, which fraction of all was at most how long."""
        seen = 0
        for index, count in sorted(self.buckets.items()):
            seen += count
            yield seen / self.count, min(_highest(index), self.maximum_ns)

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram.merged((self, other))

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> Self:
        """All counts of `parts` together."""
        whole = cls()
        for part in parts:
            for index, count in part.buckets.items():
                whole.buckets[index] = whole.buckets.get(index, 0) + count
            whole.count += part.count
            whole.total_ns += part.total_ns
            whole.maximum_ns = max(whole.maximum_ns, part.maximum_ns)
        return whole

    def export(self) -> Counts:
        """What it holds now, as a record."""
        return Counts(
            total_ns=self.total_ns,
            maximum_ns=self.maximum_ns,
            buckets=dict(sorted(self.buckets.items())),
        )

    @classmethod
    def of(cls, counts: Counts) -> Self:
        """The histogram that `counts` was exported from."""
        whole = cls()
        whole.total_ns, whole.maximum_ns = counts.total_ns, counts.maximum_ns
        whole.buckets = dict(counts.buckets)
        whole.count = sum(whole.buckets.values())
        return whole


def _index(value: int) -> int:
    """The bucket of a value: itself while it is small, then exponent and leading bits."""
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else shift * _HALF + (value >> shift)


def _highest(index: int) -> int:
    """The greatest value of a bucket."""
    if index < 2 * _HALF:
        return index
    shift = index // _HALF - 1
    return ((index - shift * _HALF + 1) << shift) - 1
