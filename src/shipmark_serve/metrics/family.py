"""What is measured: families of series, and where the numbers of each lie in a row of cells."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric and every label set that it can ever have: cells are laid out once, at start."""

    name: str
    """Without `_total`, `_bucket` and the like; ends in its unit, where it has one."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    unit: str = ""
    labels: Labels = ()
    series: tuple[Labels, ...] = ((),)
    """Values of `labels`; one that has labels is left out of an exposition while it is zero."""
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, rising; a bucket without bound follows them."""

    def __post_init__(self) -> None:
        if any(low >= high for low, high in pairwise(self.bounds)):
            raise ValueError(f"the bounds of {self.name} do not rise: {self.bounds}")
        if bool(self.bounds) != (self.kind == "histogram"):
            raise ValueError(f"{self.name} is a {self.kind} with {len(self.bounds)} bounds")

    @property
    def width(self) -> int:
        """Cells of one series: a histogram has its buckets, not cumulated, and then the sum."""
        return len(self.bounds) + 2 if self.bounds else 1


class Layout:
    """The cells of several families, in order."""

    def __init__(self, families: Iterable[Family]) -> None:
        self.families = tuple(families)
        self._offsets: dict[tuple[str, Labels], int] = {}
        self.size = 0
        for family in self.families:
            for labels in family.series:
                if (family.name, labels) in self._offsets:
                    raise ValueError(f"{family.name} has {labels} twice")
                self._offsets[family.name, labels] = self.size
                self.size += family.width

    def offset(self, family: Family, labels: Labels = ()) -> int:
        """The first cell of a series."""
        return self._offsets[family.name, labels]

    def series(self, family: Family) -> Iterator[tuple[Labels, slice]]:
        """Every label set of a family, with its cells."""
        for labels in family.series:
            offset = self.offset(family, labels)
            yield labels, slice(offset, offset + family.width)
