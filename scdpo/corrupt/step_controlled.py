"""Step-controlled pairs of one solution by mutation, without a run folder: the shortest way to a pair."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox import Sandbox, Solution
from scdpo.corrupt import Corruption, corrupt_by_mutation
from scdpo.corrupt.slips import with_same_output
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import step_controlled_pair
from scdpo.data.records import OriginRecord, PairRecord, SolutionRecord


def step_controlled_pairs(
    solution: Solution, gold: str, box: Sandbox, *, question: str = "", seed: int = 0
) -> list[PairRecord]:
    """Make a correct code-integrated solution go wrong after each step where that is possible.

    Args:
        solution: right, and its recorded outputs are those that its code gives.
        gold: the right answer.
        box: where the changed code runs.
        question: the problem.
        seed: decides which changes are tried first.

    Returns:
        At most one pair a step; none where the solution is not right or nothing consistent was found.

    Raises:
        SandboxError: if no session can be had.
    """
    chosen = as_record(solution, question, gold, id="solution", problem_id="problem")
    if not chosen.preferred:
        return []
    found = corrupt_by_mutation(solution, gold, box, question=question, seed=seed)
    return mutation_pairs(chosen, found, seed)


def mutation_pairs(chosen: SolutionRecord, found: Sequence[Corruption], seed: int) -> list[PairRecord]:
    """Return the pairs of a preferred solution and its mutated continuations."""
    return [
        with_same_output(
            step_controlled_pair(
                chosen,
                corruption.branch_step,
                corruption.rejected,
                [],
                corruption.final_answer,
                OriginRecord(
                    chosen_id=chosen.id,
                    rejected_id=f"{chosen.id}@{corruption.branch_step}.m{seed}",
                    corruptor="mutation",
                    mutation=corruption.description,
                    plan=corruption.plan,
                    attempts=corruption.attempts,
                ),
            )
        )
        for corruption in found
    ]
