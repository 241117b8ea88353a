"""Draw a heat-map of token credit as a PNG that says by itself what it shows, with models side by side.

Red is credit below zero, blue above; the kernel's tokens are grey and not coloured. All text is drawn as text,
whatever it holds. Not covered: scripts that the bundled font has no letters for (they show as boxes).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from eval.heat import STRENGTHS, HeatMap, HeatToken

_MARK: Final = "▼ from here on it differs from the right solution"
_LINE_CHARACTERS: Final = 64
_COLUMN_INCHES: Final = 4.8
_LINE_INCHES: Final = 0.22
_HEAD_CHARACTERS: Final = 74
"""Of the words above the solutions, on one line of one column; their letters are narrower."""
_GREY: Final = "#6a6a6a"

_Line = list[tuple[str, HeatToken]]


def save_png(path: Path, heat: HeatMap) -> None:
    """Draw question, answers, scale and unit, and under them a column a model.

    Args:
        path: the file to write.
        heat: of at least one model.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = {name: _lines(steps) for name, steps in heat.models}
    head = _head(heat, _HEAD_CHARACTERS * max(1, len(columns)))
    height = len(head) + max(map(len, columns.values())) + 6
    width = max(len(columns), 1.4)
    figure = Figure(figsize=(_COLUMN_INCHES * width, _LINE_INCHES * height), dpi=120)
    FigureCanvasAgg(figure)
    above: Any = _axes(figure, 0, 1, height, width)
    for number, (words, style) in enumerate(head):
        above.text(1, -number - 1, words, va="center", parse_math=False, **style)
    _draw_scale(above, heat, -len(head) - 1.3)
    for column, (name, lines) in enumerate(columns.items()):
        axes = _axes(figure, column / width, 1 / width, height, 1)
        top = -len(head) - 3.4
        axes.text(1, top, name, fontsize=11, weight="bold", va="center", parse_math=False)
        for number, row in enumerate(lines):
            _draw_line(axes, row, top - 1.4 - number)
    figure.savefig(path)


def _axes(figure: Any, left: float, share: float, height: float, columns: float) -> Any:
    axes: Any = figure.add_axes((left, 0, share, 1))
    axes.set_axis_off()
    axes.set_xlim(0, (_LINE_CHARACTERS + 2) * columns)
    axes.set_ylim(-height, 0)
    return axes


def _head(heat: HeatMap, characters: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the lines above the solutions, each with its style."""
    plain: dict[str, Any] = {"fontsize": 9}
    lines: list[tuple[str, dict[str, Any]]] = [(heat.title, {"fontsize": 11, "weight": "bold"})]
    for paragraph in (heat.question, heat.answers, heat.there, heat.unit):
        lines += [(line, plain) for line in textwrap.wrap(paragraph, characters)]
    return lines


def _draw_scale(axes: Any, heat: HeatMap, y: float) -> None:
    """Draw the colours with the credit at their ends, and what they mean."""
    for step in range(-STRENGTHS, STRENGTHS + 1):
        colour = _rgb("minus" if step < 0 else "plus", abs(step))
        axes.add_patch(_box(8 + step + STRENGTHS, y - 0.5, 1, colour))
    style = {"fontsize": 8.5, "va": "center", "parse_math": False}
    axes.text(7.5, y, f"{-heat.scale:.2g}", ha="right", **style)
    words = f"{heat.scale:+.2g}   red: training made it less likely, blue: more likely; grey: the kernel's"
    axes.text(8.5 + 2 * STRENGTHS + 1, y, words, **style)


def _draw_line(axes: Any, line: _Line, y: float) -> None:
    at = 1
    for text, token in line:
        edge = "black" if token.first else "none"
        axes.add_patch(_box(at, y - 0.5, len(text), _rgb(token.side, token.strength), edge))
        for offset, letter in enumerate(text):
            axes.text(
                at + offset,
                y,
                letter,
                fontsize=8.5,
                family="monospace",
                va="center",
                parse_math=False,
                weight="bold" if token.first else "normal",
                color="black" if token.own else _GREY,
            )
        at += len(text)


def _box(x: float, y: float, width: float, colour: tuple[float, float, float], edge: str = "none") -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, 1, facecolor=colour, edgecolor=edge, zorder=2 if edge != "none" else 1)


def _lines(steps: Sequence[Sequence[HeatToken]]) -> list[_Line]:
    """Return the tokens' text cut into lines of a fixed width, each step on lines of its own."""
    lines: list[_Line] = []
    for step in steps:
        if any(token.first for token in step):
            lines.append([(_MARK, HeatToken(_MARK, 0.0, "plus", 0, True, False))])
        lines.append([])
        used = 0
        for token in step:
            for number, part in enumerate(token.text.expandtabs(4).split("\n")):
                if number:
                    lines.append([])
                    used = 0
                while part:
                    room = _LINE_CHARACTERS - used
                    if room == 0:
                        lines.append([])
                        used, room = 0, _LINE_CHARACTERS
                    lines[-1].append((part[:room], token))
                    used += len(part[:room])
                    part = part[room:]
    return lines


def _rgb(side: str, strength: int) -> tuple[float, float, float]:
    depth = 0.6 * strength / STRENGTHS
    return (1.0, 1 - depth, 1 - depth) if side == "minus" else (1 - depth, 1 - depth / 2, 1.0)
