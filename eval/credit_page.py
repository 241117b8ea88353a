"""Draw token credit: a self-contained page, and a PNG, with models side by side on one colour scale.

Red is credit below zero, blue above; the kernel's tokens are grey and not coloured. All text is shown as
text, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

from scdpo.training.credit import TokenCredit

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title><style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; }
.error { font: bold 11px system-ui, sans-serif; color: #a40000; }
.step + .step { margin-top: .3rem; }
.models { display: flex; gap: 2rem; flex-wrap: wrap; }
.model { flex: 1 1 26rem; min-width: 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.7 ui-monospace, monospace; margin: 0; }
.kernel { color: #767676; } .scale { height: .8rem; width: 12rem; display: inline-block; vertical-align: middle;
background: linear-gradient(to right, {{ colour(-1) }}, #fff, {{ colour(1) }}); border: 1px solid #ccc; }
</style></head><body>
<h1>{{ title }}</h1><p>{{ question }}</p>{% if answers %}<p>{{ answers }}</p>{% endif %}
<p>{{ "%.2g" % -scale }} <span class="scale"></span> {{ "%.2g" % scale }}<br>
Red: the trained model finds the token less likely than the model it started from; blue: more likely. Grey: written by
the kernel. Rest on a token to read its credit.</p>
<div class="models">{% for name, tokens in models.items() %}
<section class="model"><h2>{{ name }}</h2>{% for step in steps(tokens) %}{% if loop.index0 == error %}
<div class="error">{{ mark }}</div>{% endif %}
<pre class="step">{% for t in step %}{% if t.own -%}
<span title="{{ '%+.4f' % t.credit }}" style="background:{{ colour(t.credit / scale) }}">{{ t.text }}</span>
{%- else -%}<span class="kernel">{{ t.text }}</span>{%- endif %}{% endfor %}</pre>
{%- endfor %}</section>
{% endfor %}</div></body></html>
"""
_ERROR: Final = "▼ wrong continuation"
_LINE_CHARACTERS: Final = 64
_COLUMN_INCHES: Final = 4.8


def page(
    title: str,
    question: str,
    models: Mapping[str, Sequence[TokenCredit]],
    shared_steps: int | None = None,
    answers: str = "",
) -> str:
    """Return a page that shows one solution under several models, each step on lines of its own.

    Args:
        title: of the page.
        question: the problem's text.
        models: for each model's name, the credit it gives; all of the same solution.
        shared_steps: how many steps stand before the wrong part, which is marked; None for no mark.
        answers: a sentence that says what is right and what the solution says.
    """
    environment = Environment(autoescape=True)
    template = environment.from_string(_PAGE)
    return template.render(
        title=title,
        question=question,
        models=dict(models),
        scale=_scale(models),
        colour=_css_colour,
        error=shared_steps,
        answers=answers,
        steps=_steps,
        mark=_ERROR,
    )


def save_png(
    path: Path, models: Mapping[str, Sequence[TokenCredit]], shared_steps: int | None = None
) -> None:
    """Draw the same as a picture, one column a model.

    Args:
        path: the file to write.
        models: as for ``page``.
        shared_steps: as for ``page``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = _scale(models)
    lines = {name: _lines(tokens, shared_steps) for name, tokens in models.items()}
    height = max(len(rows) for rows in lines.values()) + 4
    figure = Figure(figsize=(_COLUMN_INCHES * len(models), 0.22 * height), dpi=120)
    FigureCanvasAgg(figure)
    for column, (name, rows) in enumerate(lines.items()):
        axes: Any = figure.add_axes((column / len(models), 0, 1 / len(models), 1))
        axes.set_axis_off()
        axes.set_xlim(0, _LINE_CHARACTERS + 2)
        axes.set_ylim(-height, 0)
        axes.text(1, -1, name, fontsize=11, weight="bold", va="center", parse_math=False)
        for number, row in enumerate(rows):
            at = 1
            for text, token in row:
                colour = _rgb(token.credit / scale) if token.own else (1.0, 1.0, 1.0)
                axes.add_patch(_box(at, -number - 2.9, len(text), colour))
                style = {"fontsize": 8.5, "family": "monospace", "va": "center", "parse_math": False}
                for offset, character in enumerate(text):
                    axes.text(
                        at + offset,
                        -number - 2.4,
                        character,
                        color="black" if token.own else "#767676",
                        **style,
                    )
                at += len(text)
    figure.text(
        0.2 / figure.get_figwidth(),
        0.5 / height,
        f"red: less likely than before training, to {-scale:.2g}; blue: more likely, to {scale:.2g}; "
        "grey: written by the kernel",
        fontsize=8,
    )
    figure.savefig(path)


def _box(x: float, y: float, width: float, colour: tuple[float, float, float]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, 1, facecolor=colour, edgecolor="none")


def _steps(tokens: Sequence[TokenCredit]) -> list[list[TokenCredit]]:
    """Return the tokens step by step, the end of the message with the last step."""
    steps: list[list[TokenCredit]] = []
    for token in tokens:
        if not steps or token.step not in (None, steps[-1][0].step):
            steps.append([])
        steps[-1].append(token)
    return steps


def _lines(
    tokens: Sequence[TokenCredit], shared_steps: int | None = None
) -> list[list[tuple[str, TokenCredit]]]:
    """Return the tokens' text cut into lines of a fixed width, each step on lines of its own."""
    lines: list[list[tuple[str, TokenCredit]]] = []
    for number, step in enumerate(_steps(tokens)):
        if number == shared_steps:
            lines.append([(_ERROR, TokenCredit(_ERROR, 0.0, None, True))])
        lines.append([])
        used = 0
        for token in step:
            for i, part in enumerate(token.text.expandtabs(4).split("\n")):
                if i:
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


def _scale(models: Mapping[str, Sequence[TokenCredit]]) -> float:
    """Return the credit of full colour: the size that 2 % of all own tokens exceed."""
    sizes = sorted(abs(token.credit) for tokens in models.values() for token in tokens if token.own)
    return sizes[int(0.98 * (len(sizes) - 1))] or 1.0 if sizes else 1.0


def _rgb(value: float) -> tuple[float, float, float]:
    strength = 0.6 * min(1.0, abs(value))
    return (1.0, 1 - strength, 1 - strength) if value < 0 else (1 - strength, 1 - strength / 2, 1.0)


def _css_colour(value: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in _rgb(value))
