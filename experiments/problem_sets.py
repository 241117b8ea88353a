"""The problems of the replication: what pairs are made of, and what is tested on.

Preference problems are the built-in mix without a quarter of the word problem templates. The tests are new
instances of that (``seen``), the same solved at temperature 1 (``sampled``), and the templates left out
(``templates``: the policy was fine-tuned on them, no pair shows one). A question's text decides which split may hold
it, so no test problem is among those of the pairs. Larger instances than the policy was trained on are not tested:
it solves one in a hundred of them, whatever it is trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice

from scdpo.data.problems import EMBEDDED_FAMILIES, Family, Problem, Split, generate

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
    "sampled": SEEN,
    "templates": {"gsm_symbolic": replace(_WORDS, templates=HELD_OUT)},
    "templates, again": {"gsm_symbolic": replace(_WORDS, templates=HELD_OUT)},
}
"""The test sets by name."""
TEMPERATURES: Mapping[str, float] = {"sampled": 1.0}
"""At which solutions are drawn; tests that are not here are solved greedily."""
AGAIN: Mapping[str, int] = {"templates, again": 500}
"""Added to the seed of a test set that repeats another one with fresh instances."""


def preference_problems(seed: int, limit: int, without: AbstractSet[str] = frozenset()) -> list[Problem]:
    """Return the problems that a seed's pairs are made of, ``without`` some families."""
    return _problems(SEEN, "preference", seed, limit, "seen", without)


def held_out_problems(
    name: str, seed: int, limit: int, without: AbstractSet[str] = frozenset()
) -> list[Problem]:
    """Return the test problems of one of ``TESTS``, ``without`` some families; other seeds give others."""
    return _problems(TESTS[name], "test", seed + AGAIN.get(name, 0), limit, name, without)


def _problems(
    families: Mapping[str, Family], split: Split, seed: int, limit: int, name: str, without: AbstractSet[str]
) -> list[Problem]:
    kept = {family: options for family, options in families.items() if family not in without}
    return [made.problem for made in islice(generate(kept, split, seed, name), limit)]
