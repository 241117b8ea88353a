"""Chains of thought go wrong in the equations that they state, and read on from there."""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox import Block, Solution
from scdpo.corrupt import Corruption
from scdpo.corrupt.mutation.chain import corrupt_chain
from verifier import verify

QUESTION = "A shop sells 14 pens at $3 each and then 5 books at $11 each. How much does it take in?"
SHOP = Solution(
    (
        Block("text", "First we find what the pens bring in.\n"),
        Block("text", "The pens bring in 14 * 3 = 42 dollars.\n"),
        Block("text", "The books bring in 5 * 11 = 55 dollars.\n"),
        Block("text", "Together that is 42 + 55 = 97 dollars.\n"),
        Block("text", "The answer is \\boxed{97}."),
    )
)


def corrupted(
    solution: Solution = SHOP, gold: str = "97", seed: int = 0
) -> tuple[list[Corruption], Counter[str]]:
    dropped: Counter[str] = Counter()
    return corrupt_chain(solution, gold, QUESTION, None, 40, seed, dropped), dropped


@pytest.mark.parametrize("seed", range(6))
def test_a_slip_is_carried_to_the_end(seed: int) -> None:
    found, _ = corrupted(seed=seed)
    assert [c.branch_step for c in found] == [0, 1, 2]
    for corruption in found:
        wrong = "".join(block.content for block in corruption.rejected)
        assert "97" not in wrong
        assert verify(corruption.final_answer, "97").status == "incorrect"
        assert f"\\boxed{{{corruption.final_answer}}}" in wrong
        # The sum is worked out again from the slip on, unless it is the slip.
        if corruption.branch_step < 2:
            left, _, right = (
                corruption.rejected[-2].content.removeprefix("Together that is ").partition(" = ")
            )
            assert sum(map(int, left.split(" + "))) == int(right.split()[0])


def test_each_kind_of_slip_is_made() -> None:
    kinds = {c.kind: c.description for seed in range(60) for c in corrupted(seed=seed)[0]}
    assert kinds.keys() == {"arithmetic", "operator", "variable"}


def test_the_equation_tells_a_slip_of_reckoning_from_the_others() -> None:
    for seed in range(30):
        for corruption in corrupted(seed=seed)[0]:
            _, _, after = corruption.description.partition(" became ")
            left, _, right = after.strip("`").partition(" = ")
            holds = verify(left, right).correct
            assert holds == (corruption.kind != "arithmetic"), corruption.description


def test_a_value_that_the_problem_gives_too_is_left_alone() -> None:
    twice = Solution(
        (Block("text", "See.\n"), Block("text", "It is 3 + 11 = 14.\n"), Block("text", "\\boxed{14}"))
    )
    found, dropped = corrupted(twice, "14")
    assert found == []
    assert dropped["ambiguous_value"] > 0


def test_calculator_marks_are_refused() -> None:
    marked = Solution(
        (Block("text", "See.\n"), Block("text", "It is 6*7=<<6*7=42>>42.\n"), Block("text", "\\boxed{42}"))
    )
    assert corrupted(marked, "42") == ([], Counter({"garbled_solution": 1}))
