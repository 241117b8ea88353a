"""Where to spend a budget of sampled tokens: attempts go to the places where what comes of them is least certain.

An attempt after a step is worth a pair only if it goes wrong, and the pair is worth something only if the model could
have got it right from there. Both are likely where the model is unsure: with p for the chance that an attempt goes
wrong, p(1 - p) for each token that it takes. Places where attempts keep coming out right, and problems that the model
never solves, sink in that order until the budget is spent. Not covered: what roll-outs would tell of a place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

PRIOR: Final = 2.0
"""Attempts at a place that what is known of its problem is worth."""
SHARE: Final = 0.5
"""Of the tokens that are left, a pass hands out this share, so that later passes know what came of it."""
LEAST_PASS: Final = 2_000
"""Tokens that a pass hands out at least: each pass runs the shared steps of its solutions again."""


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A step after which more attempts may be made.

    Attributes:
        solution: id of the solution that is branched off.
        step: the last shared step.
        wrong: the chance that an attempt goes wrong for all that is known of the problem, 0 to 1 (``wrong_after``).
        tokens: what an attempt is expected to take, over 0.
        tried: attempts that were made here.
        failed: how many of them did not come out right.
        most: attempts to be made here at most.
        useful: the share of attempts that go wrong which give a pair.
        missing: pairs that are still wanted here.
    """

    solution: str
    step: int
    wrong: float
    tokens: float
    tried: int = 0
    failed: int = 0
    most: int = 16
    useful: float = 1.0
    missing: int = 1

    @property
    def chance(self) -> float:
        """The chance that the next attempt goes wrong."""
        return (PRIOR * self.wrong + self.failed) / (PRIOR + self.tried)

    @property
    def worth(self) -> float:
        """What a token is worth here."""
        return self.chance * (1 - self.chance) / self.tokens

    @property
    def wave(self) -> int:
        """How many attempts to make next: as many as were made and one more, no more than are allowed."""
        return min(2 * self.tried + 1, self.most) - self.tried

    @property
    def done(self) -> bool:
        """Whether nothing is to be tried here any more."""
        return self.missing < 1 or self.tried >= self.most


def hand_out(places: Iterable[OpenPlace], tokens: float) -> dict[str, dict[int, int]]:
    """Return how many attempts are to be made in all after which steps of which solutions in the next pass.

    Args:
        places: with what is known of them by now.
        tokens: that are left.

    Returns:
        By solution and step, the number of attempts in all; empty where nothing is left to spend or to try.
    """
    given: dict[str, dict[int, int]] = {}
    pass_tokens = min(tokens, max(LEAST_PASS, SHARE * tokens))
    for place in sorted(places, key=_rank):
        if place.done or place.worth <= 0:
            continue
        if pass_tokens < place.tokens:
            break
        pass_tokens -= place.wave * place.tokens
        given.setdefault(place.solution, {})[place.step] = place.tried + place.wave
    return given


def expect(places: Iterable[OpenPlace], tokens: float) -> tuple[float, float]:
    """Return how many pairs a budget is expected to give, and how many of its tokens are used up.

    Places are taken as ``hand_out`` would take them if no attempt at a place tells of another place.
    """
    pairs = spent = 0.0
    queue = [(_rank(place), place, 1.0) for place in places if not place.done and place.worth > 0]
    heapq.heapify(queue)
    while queue and spent < tokens:
        _, place, open_still = heapq.heappop(queue)
        found = 1 - (1 - place.chance * place.useful) ** place.wave
        part = min(1.0, (tokens - spent) / (open_still * place.wave * place.tokens))
        spent += part * open_still * place.wave * place.tokens
        pairs += part * open_still * found
        later = replace(
            place, tried=place.tried + place.wave
        )  # none of them went wrong, or the place is done
        if not later.done:
            heapq.heappush(queue, (_rank(later), later, open_still * (1 - found)))
    return pairs, spent


def _rank(place: OpenPlace) -> tuple[float, str, int]:
    return -place.worth, place.solution, place.step


def wrong_after(wrong: float, left: float) -> float:
    """Return the chance that what is left of a solution goes wrong, if all of it goes wrong with chance ``wrong``.

    Args:
        wrong: of whole solutions, 0 to 1.
        left: the share of the solution's tokens that are left, 0 to 1: each is as likely to be the slip.
    """
    return float(1 - (1 - wrong) ** left)


def wrong_share(counts: Mapping[str, int]) -> float:
    """Return the share of a problem's sampled solutions that are wrong, with one of each kind added.

    Args:
        counts: how many were ``right`` and ``wrong``.
    """
    right, wrong = counts.get("right", 0), counts.get("wrong", 0)
    return (wrong + 1) / (right + wrong + 2)
