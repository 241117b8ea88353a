"""Identities stay right and changes turn wrong, on pairs whose labels are exact."""

from collections import Counter

import pytest

from benchmarks.answer_pairs import FAMILIES, labelled_pairs
from verifier import verify


def count_errors(count: int, seed: int) -> tuple[Counter[bool], list[str]]:
    labels: Counter[bool] = Counter()
    errors = []
    for pair in labelled_pairs(count, seed):
        labels[pair.correct] += 1
        verdict = verify(pair.prediction, pair.gold)
        if verdict.correct != pair.correct:
            errors.append(f"{pair} {verdict}")
    return labels, errors


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_pairs(seed: int) -> None:
    labels, errors = count_errors(1_000, seed)
    assert errors == []
    assert min(labels.values()) > 400


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert list(labelled_pairs(100, 3)) == list(labelled_pairs(100, 3))
    assert {p.family for p in labelled_pairs(200)} == set(FAMILIES)


@pytest.mark.slow
def test_a_hundred_thousand_pairs() -> None:
    labels, errors = count_errors(100_000, 42)
    assert errors == []  # 0 of 50,000 wrong ones accepted: at most 6e-5 with 95 % confidence
    assert labels[False] >= 49_000
