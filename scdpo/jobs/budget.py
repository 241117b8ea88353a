"""Branching within a budget of sampled tokens: pass by pass, to where ``scdpo.corrupt.budget`` hands them out.

What was spent stands in the run's records, so a call that was stopped goes on, and one with more tokens adds to what is
there. Not covered: the very places that the last tokens go to may be others after a stop in the middle of a pass.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from scdpo.corrupt.budget import OpenPlace, expect, hand_out, wrong_after, wrong_share
from scdpo.corrupt.temperature import Before, BranchSettings, made_before, open_steps
from scdpo.data.records import BranchRecord, SolutionRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import chosen_solutions
from scdpo.jobs.outcomes import Branched

USEFUL: Final = 0.45
"""The share of wrong attempts that give a pair, while none were made: the others do not end, or are no slips. Of the
built-in model's 0.56 and 0.32 do (two seeds)."""
CHARACTERS_A_TOKEN: Final = 4
"""For solutions that came without their number of tokens."""
_RIGHT: Final = "correct"

Grants = Mapping[str, Mapping[int, int]]
"""Attempts in all, by the id of a solution and the step after which they are made."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a budget gives, or gave.

    Attributes:
        tokens: sampled.
        pairs: made.
    """

    tokens: int
    pairs: int


class Hears(Protocol):
    """Hears what a budget is expected to give, and what came."""

    def expects(self, budget: int, estimate: Spending) -> None:
        """Before the first pass: what is left of the budget, and what it is expected to give."""

    def came(self, estimate: Spending, spent: Spending) -> None:
        """After the last pass."""


async def spend(
    run: Run,
    settings: BranchSettings,
    budget: int,
    one_pass: Callable[[Grants], Awaitable[None]],
    hears: Hears,
) -> None:
    """Branch off a run's chosen solutions by temperature until the budget is spent or nothing is left to try.

    Args:
        run: holds naive pairs, or solutions of others.
        settings: as for ``branch_by_temperature``; ``attempts`` bounds every place.
        budget: tokens that the corruptor may have sampled in this run, earlier calls included.
        one_pass: makes the attempts that are handed out.
        hears: is told the estimate and the outcome.

    Raises:
        EngineError, RunError: as ``one_pass`` does.
    """
    before = _spent(run)
    left = budget - before.tokens
    pairs, tokens = expect(_places(run, settings), left)
    estimate = Spending(round(tokens), round(pairs))
    hears.expects(max(0, left), estimate)
    while grants := hand_out(_places(run, settings), left):
        await one_pass(grants)
        now = _spent(run)
        if budget - now.tokens == left:
            break  # the attempts were made and took nothing: every kernel was lost, say
        left = budget - now.tokens
    after = _spent(run)
    hears.came(estimate, Spending(after.tokens - before.tokens, after.pairs - before.pairs))


def _spent(run: Run) -> Spending:
    branches = [branch for branch in run.branches if branch.corruptor == "temperature"]
    return Spending(sum(branch.tokens for branch in branches), sum(branch.kept for branch in branches))


def _places(run: Run, settings: BranchSettings) -> Iterator[OpenPlace]:
    """Yield the places of a run at which the settings allow more attempts."""
    judged: dict[str, Counter[str]] = defaultdict(Counter)
    for solution in run.solutions:
        judged[solution.problem_id]["right" if solution.verdict.status == _RIGHT else "wrong"] += 1
    past = Branched(run, "temperature")
    useful = _useful(run)
    for chosen in chosen_solutions(run):
        branches = past.branches(chosen.id)
        before = made_before(branches, (), settings)
        wrong = wrong_share(judged[chosen.problem_id])
        for step in open_steps(chosen, settings, before):
            if not _may_slip(chosen, step):
                continue
            here = [branch for branch in branches if branch.branch_step == step]
            yield _place(chosen, step, settings, before.get(step, Before()), here, wrong, useful)


def _place(
    chosen: SolutionRecord,
    step: int,
    settings: BranchSettings,
    before: Before,
    here: list[BranchRecord],
    wrong: float,
    useful: float,
) -> OpenPlace:
    made = sum(branch.attempts for branch in here)
    right = sum(drop.count for branch in here for drop in branch.dropped if drop.reason == _RIGHT)
    taken = sum(branch.tokens for branch in here)
    return OpenPlace(
        solution=chosen.id,
        step=step,
        wrong=wrong_after(wrong, _tokens_after(chosen, step) / _tokens_after(chosen, -1)),
        tokens=taken / made if taken else _tokens_after(chosen, step),
        tried=before.judged,
        failed=max(0, before.judged - right),
        most=settings.attempts,
        useful=useful,
        missing=settings.pairs - before.kept,
    )


def _tokens_after(chosen: SolutionRecord, step: int) -> float:
    """Return how many tokens a solution has after a step (-1: all of them), 1 or more."""
    shared = len(chosen.solution.prefix(step).blocks) if step >= 0 else 0
    if chosen.sampling.block_tokens:
        return max(1, sum(map(len, chosen.sampling.block_tokens[shared:])))
    written = [block.content for block in chosen.blocks[shared:] if block.type != "execution"]
    return max(1.0, sum(map(len, written)) / CHARACTERS_A_TOKEN)


def _may_slip(chosen: SolutionRecord, step: int) -> bool:
    """Whether there is more to come than a quotation: code, or in a chain of thought any step."""
    rest = chosen.solution.rest(step).blocks
    return any(block.type == "code" for block in rest) or all(block.type == "text" for block in chosen.blocks)


def _useful(run: Run) -> float:
    """Return the share of wrong attempts that gave a pair, ten attempts' worth of ``USEFUL`` added."""
    kept = wrong = 0
    for branch in run.branches:
        if branch.corruptor == "temperature":
            reasons = {drop.reason: drop.count for drop in branch.dropped}
            kept += branch.kept
            wrong += branch.attempts - reasons.get(_RIGHT, 0) - reasons.get("surplus", 0)
    return (kept + 10 * USEFUL) / (wrong + 10)
