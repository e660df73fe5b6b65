"""Which builds are measured, what is asked of each, and what its time goes into."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.building.report import MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of build."""

    title: str
    bound: str
    cold: bool = False
    base_there: bool = False
    change: Literal["nothing", "code", "weights"] = "nothing"
    large: bool = False
    at_most_s: float | None = None
    at_most_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKind:
    """One kind of build whose memory is measured."""

    build: Kind
    bound: str
    at_most_bytes: int


_EMPTY = Kind(
    title="cold, and the base made too",
    cold=True,
    at_most_ratio=0.6,
    bound="x",
)
_COLD = Kind(
    title="cold, base there",
    cold=True,
    base_there=True,
    at_most_ratio=0.6,
    bound="x",
)
_CODE = Kind(title="a line of code changed", change="code", at_most_s=0.35, bound="x")
_NOTHING = Kind(title="nothing changed", at_most_s=0.5, bound="x")
_WEIGHTS = Kind(
    title="1 GiB of weights changed", change="weights", large=True, at_most_s=10, bound="x"
)
KINDS = (_COLD, _EMPTY, _CODE, _NOTHING, _WEIGHTS)

MEMORY = (
    MemoryKind(build=_WEIGHTS, at_most_bytes=200 * MEGABYTE, bound="x"),
    MemoryKind(build=_EMPTY, at_most_bytes=200 * MEGABYTE, bound="x"),
)

METHOD = ("x",)
