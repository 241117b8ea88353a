"""The problems of the replication: what pairs are made of, and three sets to test on.

Preference problems are the built-in mix without a quarter of the word problem templates. The tests are new
instances of that (``seen``), the templates left out (``templates``: the policy was fine-tuned on them, no pair
shows one), and larger instances than the policy was ever trained on (``harder``). A question's text decides which
split may hold it, so no test problem is among those of the pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from scdpo.problems import EMBEDDED_FAMILIES, Family, Problem, Split, generate

_WORDS = EMBEDDED_FAMILIES["gsm_symbolic"]
_TEMPLATES = sorted(_WORDS.templates or ())
HELD_OUT = frozenset(_TEMPLATES[3::4])
"""Templates of ``gsm_symbolic`` of which no pair is made: every fourth."""

SEEN: Mapping[str, Family] = {
    **EMBEDDED_FAMILIES,
    "gsm_symbolic": replace(_WORDS, templates=frozenset(_TEMPLATES) - HELD_OUT),
}
TESTS: Mapping[str, Mapping[str, Family]] = {
    "seen": SEEN,
    "templates": {"gsm_symbolic": replace(_WORDS, templates=HELD_OUT)},
    "harder": {
        "leg_counting": Family(weight=30, options={"min_animals": 6, "max_animals": 6}),
        "chain_sum": Family(
            weight=30, options={"min_terms": 6, "max_terms": 6, "min_digits": 1, "max_digits": 2}
        ),
        "simple_equations": Family(
            weight=20, options={"min_value": 41, "max_value": 99, "operators_weights": [0.5, 0.5, 0.0]}
        ),
        "simple_geometry": Family(weight=20, options={"min_sides": 7, "max_sides": 7}),
    },
}
"""The test sets by name."""


def preference_problems(seed: int, limit: int) -> list[Problem]:
    """Return the problems that a seed's pairs are made of."""
    return _problems(SEEN, "preference", seed, limit, "seen")


def held_out_problems(name: str, seed: int, limit: int) -> list[Problem]:
    """Return the test problems of one of ``TESTS``; other seeds give others."""
    return _problems(TESTS[name], "test", seed, limit, name)


def _problems(
    families: Mapping[str, Family], split: Split, seed: int, limit: int, name: str
) -> list[Problem]:
    return [made.problem for made in islice(generate(families, split, seed, name), limit)]
