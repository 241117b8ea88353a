"""Line charts as SVG that stand on their own: no script, no font file, no library.

Colours come from CSS variables with fixed fall-backs, so a chart inside the report follows its light or dark
theme and a chart in a file of its own is drawn on white. Not covered: logarithmic axes and dates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 280  # as wide as a phone, so that the labels stay readable there
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 16, 10, 44
_LEGEND_LINE = 18
_LETTER = 6.8  # width of a letter of the labels, about
# Okabe and Ito's colours, which colour-blind readers tell apart; each line also has its own mark.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8B6D00", "#56B4E9")
_MARKS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points (x, y), and for each the ends of its interval where there is one."""

    name: str
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float]] = ()


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    title: str,
    *,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Draw a line chart and return it as an ``<svg>`` element.

    Args:
        series: what to draw, each in the colour of its place; points that are not finite are left out.
        x_label: under the x-axis.
        y_label: beside the y-axis.
        title: the chart's name for a screen reader.
        y_range: ends of the y-axis; from the data if None.

    Raises:
        ValueError: if no finite point is there.
    """
    clean = [_finite(s) for s in series]
    xs = [x for s in clean for x, _ in s.points]
    ys = [y for s in clean for _, y in s.points] + [y for s in clean for pair in s.intervals for y in pair]
    if not xs:
        raise ValueError(f"{title}: no finite point to draw")
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(*(y_range or (min(ys), max(ys))))
    legend, top = _legend(clean) if len(clean) > 1 else ([], _TOP)
    frame = _Frame((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]), top)
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{_text(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--surface, #ffffff)"/>',
        *_axes(frame, x_ticks, y_ticks, x_label, y_label),
    ]
    for number, one in enumerate(clean):
        if one.points:
            parts += _line(frame, one, COLOURS[number % len(COLOURS)], _MARKS[number % len(_MARKS)])
    return "\n".join([*parts, *legend, "</svg>"])


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers, evenly spaced, from at or below ``low`` to at or above ``high``."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-99):
        half = abs(low) / 2 if abs(low) > 1e-90 else 0.5
        low, high = low - half, high + half
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class _Frame:
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    top: float

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(_LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - self.top - _BOTTOM), 1)


def _finite(series: Series) -> Series:
    kept = [i for i, point in enumerate(series.points) if all(map(math.isfinite, point))]
    intervals = [series.intervals[i] for i in kept] if series.intervals else []
    return Series(series.name, [series.points[i] for i in kept], intervals)


def _text(text: str) -> str:
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _number(value: float) -> str:
    return f"{value:g}" if value == 0 or 1e-4 <= abs(value) < 1e5 else f"{value:.0e}"


def _axes(
    frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str, y_label: str
) -> list[str]:
    ink = 'fill="var(--ink-soft, #4a4a4a)"'
    grid = 'stroke="var(--line, #d5d5d5)"'
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value in y_ticks:
        y = frame.y(value)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}" {grid}/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end" {ink}>{_number(value)}</text>')
    for value in x_ticks:
        x = frame.x(value)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 4}" {grid}/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" {ink}>{_number(value)}</text>')
    middle = (frame.top + bottom) / 2
    parts.append(
        f'<text x="{(_LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle" {ink}>{_text(x_label)}</text>'
    )
    parts.append(
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle" {ink}>{_text(y_label)}</text>'
    )
    return parts


def _line(frame: _Frame, series: Series, colour: str, mark: str) -> list[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in series.points]
    parts = []
    for (x, _), (low, high) in zip(places, series.intervals, strict=False):
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{frame.y(low)}" y2="{frame.y(high)}" stroke="{colour}" opacity="0.6"/>'
        )
    path = " ".join(f"{x},{y}" for x, y in places)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    if len(places) <= 60:  # marks on more points than that hide the line
        parts += [_mark(mark, x, y, colour) for x, y in places]
    return parts


def _mark(mark: str, x: float, y: float, colour: str) -> str:
    if mark == "circle":
        return f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>'
    if mark == "square":
        return f'<rect x="{x - 3:g}" y="{y - 3:g}" width="6" height="6" fill="{colour}"/>'
    corners = (
        ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)) if mark == "diamond" else ((0, -4), (4, 3.5), (-4, 3.5))
    )
    points = " ".join(f"{x + dx:g},{y + dy:g}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def _legend(series: Sequence[Series]) -> tuple[list[str], float]:
    """Return the legend, in as many lines above the plot as it needs, and where the plot begins below it.

    A series without points keeps its colour and is not named.
    """
    parts: list[str] = []
    x, y = float(_LEFT), 14.0
    for number, one in enumerate(series):
        if not one.points:
            continue
        name = one.name if len(one.name) <= 40 else one.name[:39] + "…"
        width = 26 + _LETTER * len(name)
        if x > _LEFT and x + width > WIDTH - _RIGHT:
            x, y = _LEFT, y + _LEGEND_LINE
        colour, mark = COLOURS[number % len(COLOURS)], _MARKS[number % len(_MARKS)]
        parts.append(_mark(mark, x + 4, y - 4, colour))
        parts.append(f'<text x="{x + 13:g}" y="{y:g}" fill="var(--ink, #1a1a1a)">{_text(name)}</text>')
        x += width
    return parts, y + 12
