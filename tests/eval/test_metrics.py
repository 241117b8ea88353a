"""Numbers worked out by hand, or by brute force over every case."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import Interval, bootstrap, compare, estimate, holm, maj_at_k, mcnemar, pass_at_k, wilson


def test_wilson_of_8_in_10_by_hand():
    # z = 1.959964: (0.8 + z²/20 ± z·sqrt(0.016 + z²/400)) / (1 + z²/10)
    interval = wilson(8, 10)
    assert interval.low == pytest.approx(0.49016, abs=1e-5)
    assert interval.high == pytest.approx(0.94331, abs=1e-5)


def test_wilson_of_none_and_of_all_touches_the_ends():
    assert wilson(0, 20).low == 0
    assert wilson(0, 20).high == pytest.approx(3.841459 / (20 + 3.841459), abs=1e-6)
    assert wilson(20, 20).high == 1


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_stays_in_range(total, data):
    correct = data.draw(st.integers(0, total))
    interval = wilson(correct, total)
    assert 0 <= interval.low <= correct / total <= interval.high <= 1


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(correct, total):
    with pytest.raises(ValueError):
        wilson(correct, total)


def test_bootstrap_agrees_with_the_binomial_quantiles():
    # Resampling 100 scores of which 70 are 1 draws Binomial(100, 0.7) / 100: its quantiles are 0.61 and 0.79.
    interval = bootstrap([1.0] * 70 + [0.0] * 30)
    assert interval.low == pytest.approx(0.61, abs=0.011)
    assert interval.high == pytest.approx(0.79, abs=0.011)


def test_bootstrap_repeats_itself():
    values = [0.0, 0.25, 0.5, 1.0] * 10
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)


def test_bootstrap_of_equal_values_is_a_point():
    assert bootstrap([0.5] * 7) == Interval(0.5, 0.5)


def test_estimate_of_scores():
    result = estimate([1, 0, 0.5, 0.5])
    assert result.value == 0.5
    assert result.problems == 4
    assert result.wilson == wilson(2, 4)


@pytest.mark.parametrize("values", [[], [1.1], [-0.1, 1]])
def test_estimate_refuses_what_is_no_score(values):
    with pytest.raises(ValueError):
        estimate(values)


def test_pass_at_k_by_hand():
    assert pass_at_k(5, 2, 1) == pytest.approx(2 / 5)
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - 3 / 10)
    assert pass_at_k(5, 2, 4) == 1
    assert pass_at_k(5, 0, 5) == 0


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(samples, data):
    correct = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    subsets = list(itertools.combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_of_many_samples_stays_exact():
    assert pass_at_k(10_000, 1, 1) == pytest.approx(1e-4)


@pytest.mark.parametrize(("samples", "correct", "k"), [(3, 4, 1), (3, 1, 4), (3, 1, 0), (3, -1, 1)])
def test_pass_at_k_refuses_impossible_counts(samples, correct, k):
    with pytest.raises(ValueError):
        pass_at_k(samples, correct, k)


@pytest.mark.parametrize(
    ("answers", "correct", "expected"),
    [
        (["4", "4", "5"], [True, True, False], 1.0),
        (["4", "5", "5"], [True, False, False], 0.0),
        (["4", "5", None], [True, False, False], 0.5),
        (["4", "5", "6"], [True, False, False], 1 / 3),
        (["4.0", "4", "5", "5"], [True, True, False, False], 0.5),
        ([None, None, None], [False, False, False], 0.0),
        ([None, None, "4"], [False, False, True], 1.0),
    ],
)
def test_majority_with_ties_and_abstentions(answers, correct, expected):
    assert maj_at_k(answers, correct, len(answers)) == pytest.approx(expected)


def test_wrong_answers_vote_together_only_if_written_alike():
    correct = [True, True, False, False, False]
    assert maj_at_k(["4", "4", "1/2", "0.5", "2/4"], correct, 5) == 1
    assert maj_at_k(["4", "4", "1/2", "1/2", "1/2"], correct, 5) == 0


def test_majority_averages_over_blocks_and_leaves_out_the_rest():
    answers = ["4", "4", "5", "5", "4"]
    assert maj_at_k(answers, [a == "4" for a in answers], 2) == 0.5


def test_majority_of_one_is_the_accuracy():
    correct = [True, False, True, True]
    assert maj_at_k(["a", "b", "a", "a"], correct, 1) == 0.75


@pytest.mark.parametrize("k", [0, 3])
def test_majority_refuses_k_out_of_range(k):
    with pytest.raises(ValueError):
        maj_at_k(["1", "2"], [True, False], k)


def test_mcnemar_by_hand():
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(5, 5) == 1
    assert mcnemar(9, 1) == mcnemar(1, 9)


def test_mcnemar_of_thousands_does_not_overflow():
    assert 0 < mcnemar(2000, 2400) < 1e-8


def test_compare_counts_and_differences():
    first = {"a": 1, "b": 0, "c": 0, "d": 0, "only-first": 1}
    second = {"a": 0, "b": 1, "c": 1, "d": 0}
    paired = compare(first, second)
    assert (paired.problems, paired.unpaired) == (4, 1)
    assert (paired.first_only, paired.second_only) == (1, 2)
    assert paired.difference == 0.25
    assert paired.mcnemar == 1
    assert paired.p_value == paired.mcnemar
    assert paired.test == "McNemar exact"


def test_compare_of_sampled_scores_has_no_mcnemar():
    paired = compare({"a": 0.5, "b": 0.25}, {"a": 0.75, "b": 1.0})
    assert paired.mcnemar is None
    assert paired.test == "paired bootstrap"
    assert paired.p_value == paired.bootstrap


def test_compare_of_equal_models_finds_nothing():
    scores = {str(i): float(i % 2) for i in range(50)}
    paired = compare(scores, scores)
    assert paired.bootstrap == 1
    assert paired.interval == Interval(0, 0)


def test_paired_bootstrap_agrees_with_the_normal_approximation():
    # 300 problems: 30 only the second solves, 10 only the first: mean 1/15, sd 0.359, so z = 3.22 and p = 0.0013.
    first = {str(i): float(i < 10) for i in range(300)}
    second = {str(i): float(10 <= i < 40) for i in range(300)}
    deviation = math.sqrt(40 / 300 - (20 / 300) ** 2) / math.sqrt(300)
    p = math.erfc((20 / 300) / deviation / math.sqrt(2))
    paired = compare(first, second)
    assert paired.bootstrap == pytest.approx(p, abs=0.0015)
    assert paired.interval.low == pytest.approx(20 / 300 - 1.96 * deviation, abs=0.005)


def test_under_the_null_the_tests_reject_as_rarely_as_they_should():
    rng = np.random.default_rng(0)
    exact = resampled = 0
    for trial in range(400):
        draws = rng.random((2, 80)) < 0.6
        first, second = ({str(i): float(v) for i, v in enumerate(row)} for row in draws)
        paired = compare(first, second, resamples=500, seed=trial)
        exact += paired.mcnemar < 0.05
        resampled += paired.bootstrap < 0.05
    assert exact / 400 <= 0.05 + 0.01
    assert resampled / 400 == pytest.approx(0.05, abs=0.03)


def test_models_without_a_common_problem_cannot_be_compared():
    with pytest.raises(ValueError, match="no problem in common"):
        compare({"a": 1}, {"b": 1})


def test_holm_by_hand():
    # Sorted: 0.01 x 3, 0.02 x 2, 0.04 x 1; a corrected value is never below that of a smaller p.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
