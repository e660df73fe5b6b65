"""Numbers as text: Prometheus' format, and OpenMetrics for whoever asks for it.

Source: Prometheus, "Exposition formats", text format 0.0.4; OpenMetrics 1.0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from shipmark_serve.metrics.family import Family, Labels, Layout

TEXT = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
_ASKED = "application/openmetrics-text"
_VALUE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' numbers, `width` of its family many."""

    family: Family
    labels: Labels
    cells: Sequence[float]


def samples(layout: Layout, cells: Sequence[float]) -> Iterator[Sample]:
    """What is to be shown of a row of cells: not the series that never were."""
    for family in layout.families:
        for labels, place in layout.series(family):
            if not labels or any(cells[place]):
                yield Sample(family, labels, cells[place])


def media_type(accept: str) -> bytes:
    """The format for a request with that Accept header."""
    return OPENMETRICS if _ASKED in accept else TEXT


def render(shown: Iterable[Sample], form: bytes) -> bytes:
    """Write samples, those of one family together, as TEXT or OPENMETRICS."""
    openmetrics = form == OPENMETRICS
    lines: list[str] = []
    family: Family | None = None
    for sample in shown:
        if sample.family is not family:
            family = sample.family
            lines += _head(family, openmetrics=openmetrics)
        lines += _lines(sample)
    if openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode()


def _head(family: Family, *, openmetrics: bool) -> Iterator[str]:
    # In the older format, a counter's family has the name of its samples.
    suffix = "_total" if family.kind == "counter" and not openmetrics else ""
    name = f"{family.name}{suffix}"
    yield f"# HELP {name} {family.help.translate(_HELP)}"
    yield f"# TYPE {name} {family.kind}"
    if openmetrics and family.unit:
        yield f"# UNIT {name} {family.unit}"


def _lines(sample: Sample) -> Iterator[str]:
    name, cells = sample.family.name, sample.cells
    labels = [
        f'{label}="{value.translate(_VALUE)}"'
        for label, value in zip(sample.family.labels, sample.labels, strict=True)
    ]
    if sample.family.kind != "histogram":
        suffix = "_total" if sample.family.kind == "counter" else ""
        yield f"{name}{suffix}{_set(labels)} {cells[0]!r}"
        return
    *counts, total = cells
    bounds = [*map(repr, sample.family.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(counts), strict=True):
        within = _set([*labels, f'le="{bound}"'])
        yield f"{name}_bucket{within} {count!r}"
    yield f"{name}_sum{_set(labels)} {total!r}"
    yield f"{name}_count{_set(labels)} {sum(counts)!r}"


def _set(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""
