"""Token credit as a heat-map: colours, scale, and where the wrong solution leaves the right one.

Reads what ``scdpo credit`` keeps in ``RUN/credit/credit.json``; the report, the page and the picture are drawn from it.
Not covered: drawing (``eval.report``, ``eval.credit_picture``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

STRENGTHS: Final = 9
_SHARE: Final = 0.98
"""Of the model's own tokens, the share that full colour covers: one extreme token must not leave the rest pale."""


@dataclass(frozen=True, slots=True)
class HeatToken:
    """One token: its text, its credit, and its colour's side (plus, minus) and strength (0, none, to 9).

    ``own`` tells the model's tokens from the kernel's; ``first`` marks where the solution leaves the right one.
    """

    text: str
    credit: float
    side: str
    strength: int
    own: bool
    first: bool


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The token credit of one solution under several models, each a list of steps of tokens.

    ``answers`` says what is right and what the solution says, ``there`` where the two solutions part, ``unit`` what a
    number means; ``scale`` is the credit at full colour.
    """

    title: str
    question: str
    answers: str
    there: str
    unit: str
    scale: float
    models: tuple[tuple[str, tuple[tuple[HeatToken, ...], ...]], ...]


def heat_map(data: Mapping[str, Any]) -> HeatMap:
    """Return the heat-map of what ``scdpo credit`` kept.

    Args:
        data: ``title``, ``question`` and ``models``: by name, tokens with ``text``, ``credit``, ``own`` and ``step``;
            perhaps ``answers`` and ``there``, sentences, ``beta`` of the training, and ``first``, the number of the
            first token that the right solution does not have.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if it is not as described.
    """
    first = data.get("first")
    models = {str(name): list(tokens) for name, tokens in data["models"].items()}
    scale = _scale([t for tokens in models.values() for t in tokens])
    shown = tuple(
        (name, _steps(tokens, [_token(t, scale, i == first) for i, t in enumerate(tokens)]))
        for name, tokens in models.items()
    )
    return HeatMap(
        title=str(data["title"]),
        question=str(data["question"]),
        answers=str(data.get("answers", "")),
        there=str(data.get("there", "")),
        unit=_unit(float(data["beta"])) if "beta" in data else "",
        scale=scale,
        models=shown,
    )


def _unit(beta: float) -> str:
    """Return what a credit means; equation 7 of the paper has it as beta times a natural logarithm."""
    twice = beta * math.log(2)
    return (
        f"Credit is β × ln(p trained / p start), with β = {beta:g}: {twice:+.3f} says that training made the token "
        f"twice as likely, {-twice:+.3f} half as likely."
    )


def _scale(tokens: Sequence[Mapping[str, Any]]) -> float:
    """Return the credit of full colour, above 0."""
    own = (abs(float(t["credit"])) for t in tokens if t["own"])
    sizes = sorted(size for size in own if math.isfinite(size))
    return (sizes[int(_SHARE * (len(sizes) - 1))] or sizes[-1] or 1.0) if sizes else 1.0


def _token(token: Mapping[str, Any], scale: float, first: bool) -> HeatToken:
    credit, own = float(token["credit"]), bool(token["own"])
    coloured = own and math.isfinite(credit)
    strength = min(STRENGTHS, round(STRENGTHS * abs(credit) / scale)) if coloured else 0
    return HeatToken(str(token["text"]), credit, "plus" if credit >= 0 else "minus", strength, own, first)


def _steps(
    tokens: Sequence[Mapping[str, Any]], shown: Sequence[HeatToken]
) -> tuple[tuple[HeatToken, ...], ...]:
    """Return the tokens step by step, the end of the message with the last step."""
    steps: list[list[HeatToken]] = []
    at: object = None
    for token, drawn in zip(tokens, shown, strict=True):
        step = token.get("step")
        if not steps or (step is not None and step != at):
            steps.append([])
            at = step
        steps[-1].append(drawn)
    return tuple(map(tuple, steps))
