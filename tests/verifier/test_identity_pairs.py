"""A second source of pairs with exact labels: laws that give the value by another way, and the slips on that way."""

from collections import Counter

import pytest

from benchmarks.identity_pairs import LAWS, identity_pairs
from verifier import verify


def errors(count: int, seed: int) -> list[str]:
    found = []
    for pair in identity_pairs(count, seed):
        verdict = verify(pair.prediction, pair.gold)
        if verdict.correct != pair.correct:
            found.append(f"{pair} {verdict}")
    return found


def test_some_hundred_pairs() -> None:
    assert errors(600, 1) == []


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert list(identity_pairs(100, 3)) == list(identity_pairs(100, 3))
    laws = Counter(pair.law for pair in identity_pairs(2000))
    assert set(laws) == set(LAWS)


@pytest.mark.slow
def test_a_hundred_thousand_pairs() -> None:
    assert len(errors(100_000, 42)) <= 10
