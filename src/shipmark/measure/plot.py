"""Line charts as SVG that a page holds; colours are the page's. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 12, 12, 42
_CHARACTER = 7


@dataclass(frozen=True, slots=True)
class Line:
    """One line; None in `points` interrupts it."""

    title: str
    points: Sequence[tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values lie on an axis, and which of them are named."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    place: Callable[[float], float] = float
    """Value -> where it lies, in any unit."""

    def at(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        low, high = self.place(self.low), self.place(self.high)
        inside = min(max(value, self.low), self.high)
        return (self.place(inside) - low) / (high - low) if high > low else 0.0


def linear(title: str, values: Sequence[float]) -> Axis:
    """From 0 to the greatest value, in round steps."""
    greatest = max([*values, 0.0]) or 1.0
    step = 10.0 ** math.floor(math.log10(greatest))
    while greatest / step < 4:
        step /= 2
    high = math.ceil(greatest / step - 1e-9) * step
    count = round(high / step)
    return Axis(title, 0.0, high, [(n * step, f"{n * step:,.4g}") for n in range(count + 1)])


def logarithmic(title: str, values: Sequence[float], name: Callable[[float], str]) -> Axis:
    """Whole powers of ten around the values that are above 0."""
    positive = [value for value in values if value > 0] or [1.0]
    first = math.floor(math.log10(min(positive)))
    last = max(math.ceil(math.log10(max(positive))), first + 1)
    ticks = [(10.0**power, name(10.0**power)) for power in range(first, last + 1)]
    return Axis(title, 10.0**first, 10.0**last, ticks, math.log10)


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """An SVG element; its lines have the classes `line0`, `line1` and so on."""
    plot_width, plot_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def across(value: float) -> float:
        return round(_LEFT + x.at(value) * plot_width, 1)

    def up(value: float) -> float:
        return round(_TOP + (1 - y.at(value)) * plot_height, 1)

    bottom = HEIGHT - _BOTTOM
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{up(v)}" y2="{up(v)}"/>'
            f'<text x="{_LEFT - 8}" y="{up(v) + 4}" text-anchor="end">{escape(name)}</text>'
            for v, name in y.ticks
        ),
        *(
            f'<line class="grid" x1="{across(v)}" x2="{across(v)}" y1="{_TOP}" y2="{bottom}"/>'
            f'<text x="{across(v)}" y="{bottom + 18}" text-anchor="middle">{escape(name)}</text>'
            for v, name in x.ticks
        ),
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(x.title)}</text>',
    ]
    legend = _LEFT
    for number, line in enumerate(lines):
        path = _path(line.points, across, up)
        parts.append(f'<path class="line{number}" d="{path}"/>')
        parts.append(
            f'<rect class="key{number}" x="{legend}" y="{HEIGHT - 15}" width="10" height="10"/>'
            f'<text x="{legend + 15}" y="{HEIGHT - 6}">{escape(line.title)}</text>'
        )
        legend += 15 + _CHARACTER * len(line.title) + 18
    return "\n".join([*parts, "</svg>"])


def _path(
    points: Sequence[tuple[float, float] | None],
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> str:
    steps, draw = [], False
    for point in points:
        if point is not None:
            steps.append(f"{'L' if draw else 'M'}{across(point[0])} {up(point[1])}")
        draw = point is not None
    return " ".join(steps)
