"""A report as one HTML page that needs nothing else. Pure."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from shipmark.measure.plot import Axis, Line, chart, linear, logarithmic
from shipmark.measure.report import Durations, Moment, Report, milliseconds

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --paper: #fff; --grid: #dfe3e8;
  --line0: #0a62c4; --line1: #c2410c; --line2: #7a5195; --bad: #b3261e; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4af; --paper: #14171b;
  --grid: #2c323a; --line0: #6cb0ff; --line1: #ffa057; --line2: #cba6f7; --bad: #ff8a80;
  --good: #6fdd8b; } }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-weight: 600; } .yes { color: var(--good); } .no { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead { color: var(--soft); font-weight: 400; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--grid); } path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.line0 { stroke: var(--line0); } .line1 { stroke: var(--line1); } .line2 { stroke: var(--line2); }
.key0 { fill: var(--line0); } .key1 { fill: var(--line1); } .key2 { fill: var(--line2); }
p.note { color: var(--soft); }
"""
_NOTE = """<p class="note">Open loop: the schedule was made beforehand, and no request waited for an
earlier reply. Latency counts from when a request was due, not from when it was sent; own lag is
what the generator added to it.</p>"""
_PERCENTILES = ((0.5, "50%"), (0.9, "90%"), (0.99, "99%"), (0.999, "99.9%"), (0.9999, "99.99%"),
                (0.99999, "99.999%"))  # fmt: skip


def page(told: Report) -> str:
    """The page."""
    verdict = (
        '<p class="verdict yes">Valid.</p>'
        if told.valid
        else f'<p class="verdict no">Not valid: {escape("; ".join(told.faults))}.</p>'
    )
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(told.target)} under load</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(told.target)} under load</h1>",
            verdict,
            f"<p>{escape(_sentence(told))}</p>",
            _table(told),
            "<h2>Latency by percentile</h2>",
            _curve(told),
            "<h2>Latency over time</h2>",
            _latency(told.moments),
            "<h2>Rate over time</h2>",
            _rates(told.moments),
            _NOTE,
            "</body></html>\n",
        ]
    )


def _sentence(told: Report) -> str:
    failures = "".join(f", {count:,} {kind}" for kind, count in told.failures.items())
    return (
        f"{told.due:,} requests of {told.request_bytes:,} bytes in {told.duration_s:g} s "
        f"({told.schedule} arrivals, seed {told.seed}): {told.offered_per_s:,.1f} a second were "
        f"due, {told.throughput_per_s:,.1f} were answered; {told.failed:,} failed{failures}. "
        f"{told.opened} of at most {told.connections} connections, {told.processes} "
        f"generator{'s' if told.processes > 1 else ''}."
    )


def _table(told: Report) -> str:
    rows = [("latency", told.latency), ("refused", told.refused), ("own lag", told.lag)]
    head = ("", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
    return "".join(
        [
            '<div class="wide"><table><thead><tr>',
            *(f"<th>{name}</th>" for name in head),
            "</tr></thead><tbody>",
            *(
                "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(name, each)) + "</tr>"
                for name, each in rows
                if each.count
            ),
            "</tbody></table></div>",
        ]
    )


def _cells(name: str, each: Durations) -> Iterator[str]:
    yield name
    yield f"{each.count:,}"
    for value in (each.mean_s, each.p50_s, each.p90_s, each.p99_s, each.p999_s, each.max_s):
        yield milliseconds(value)


def _curve(told: Report) -> str:
    """How many were answered within how long; each step to the right is ten times rarer."""
    rarest = 1 - 1 / max(told.answered, 10)
    points = [(min(fraction, rarest), value) for fraction, value in told.curve]
    x = Axis(
        "fraction of the answered",
        0.0,
        max(rarest, 0.9),
        [tick for tick in _PERCENTILES if tick[0] <= max(rarest, 0.9)],
        lambda fraction: -math.log10(1 - fraction),
    )
    y = _durations([value for _, value in points])
    return chart("Latency by percentile", x, y, [Line("latency", points)])


def _latency(moments: Sequence[Moment]) -> str:
    series = {
        "p50": [(each.at_s, each.p50_s) for each in moments],
        "p99": [(each.at_s, each.p99_s) for each in moments],
        "max": [(each.at_s, each.max_s) for each in moments],
    }
    lines = [
        Line(title, [None if value is None else (at, value) for at, value in points])
        for title, points in series.items()
    ]
    values = [value for points in series.values() for _, value in points if value is not None]
    return chart("Latency over time", _time(moments), _durations(values), lines)


def _rates(moments: Sequence[Moment]) -> str:
    lines = [
        Line("due", [(each.at_s, each.due_per_s) for each in moments]),
        Line("answered", [(each.at_s, each.answered_per_s) for each in moments]),
        Line("failed", [(each.at_s, each.failed_per_s) for each in moments]),
    ]
    rates = [point[1] for line in lines for point in line.points if point is not None]
    return chart("Rate over time", _time(moments), linear("a second", rates), lines)


def _time(moments: Sequence[Moment]) -> Axis:
    return linear("seconds", [each.at_s for each in moments])


def _durations(values: Sequence[float]) -> Axis:
    return logarithmic("latency", values, _power)


def _power(value_s: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if value_s >= unit * 0.999:
            return f"{value_s / unit:.0f} {name}"
    return "0"
