"""Make preference pairs of solutions: naive ones of whole solutions, step-controlled ones of a branch."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from sandbox import Block, Solution
from scdpo.data.records import OriginRecord, PairRecord, SolutionRecord, block_records
from verifier import verify


class Sided(Protocol):
    """What may stand on one side of a pair."""

    @property
    def preferred(self) -> bool:
        """Whether it may be chosen."""

    @property
    def dispreferred(self) -> bool:
        """Whether it may be rejected."""


S = TypeVar("S", bound=Sided)


def naive_pairs(solutions: Iterable[SolutionRecord], per_problem: int = 1) -> Iterator[PairRecord]:
    """Pair preferred with dispreferred solutions of the same problem (the paper's D_naive).

    Args:
        solutions: sampled solutions, of any number of problems, in any order.
        per_problem: at most so many pairs per problem; the first ones use each solution once.

    Yields:
        Pairs, problem by problem in order of first appearance.
    """
    groups: dict[str, list[SolutionRecord]] = defaultdict(list)
    for solution in solutions:
        groups[solution.problem_id].append(solution)
    for group in groups.values():
        for chosen, rejected in matched(group, per_problem):
            yield naive_pair(chosen, rejected)


def matched(solutions: Sequence[S], count: int) -> list[tuple[S, S]]:
    """Match the preferred with the dispreferred solutions of one problem, at most ``count`` times.

    The first matches use each solution once.
    """
    preferred = [s for s in solutions if s.preferred]
    dispreferred = [s for s in solutions if s.dispreferred]
    span = max(len(preferred), len(dispreferred))
    diagonals = sorted(
        itertools.product(range(len(preferred)), range(len(dispreferred))),
        key=lambda ij: ((ij[1] - ij[0]) % span, ij[0]),
    )
    return [(preferred[i], dispreferred[j]) for i, j in diagonals[:count]]


def naive_pair_id(problem_id: str, chosen_id: str, rejected_id: str) -> str:
    """Return the id of the naive pair of two solutions of a problem."""
    return f"{chosen_id}>{rejected_id.removeprefix(problem_id)}"


def naive_pair(chosen: SolutionRecord, rejected: SolutionRecord) -> PairRecord:
    """Return the pair of a preferred and a dispreferred solution of one problem."""
    return PairRecord(
        id=naive_pair_id(chosen.problem_id, chosen.id, rejected.id),
        problem_id=chosen.problem_id,
        kind="naive",
        branch_step=None,
        question=chosen.question,
        gold=chosen.gold,
        format=chosen.sampling.format,
        prefix=[],
        chosen=chosen.blocks,
        rejected=rejected.blocks,
        chosen_answer=chosen.verdict.answer,
        rejected_answer=rejected.verdict.answer,
        prefix_tokens=[],
        chosen_tokens=chosen.sampling.block_tokens,
        rejected_tokens=rejected.sampling.block_tokens,
        origin=OriginRecord(
            chosen_id=chosen.id,
            rejected_id=rejected.id,
            corruptor="sampling",
            temperatures=rejected.sampling.temperatures,
        ),
    )


def step_controlled_pair(
    chosen: SolutionRecord,
    branch_step: int,
    rejected: Sequence[Block],
    rejected_tokens: list[list[int]],
    rejected_answer: str | None,
    origin: OriginRecord,
) -> PairRecord:
    """Return the pair that branches off a preferred solution after one of its steps (the paper's D_SC).

    Steps with which both sides begin alike belong to the shared prefix, whichever step the continuation was sampled
    after: so each side's first step is where they differ, and ``branch_step`` of the pair is the step before it.

    Args:
        chosen: the preferred solution; its own rest is the chosen side.
        branch_step: the step after which the rejected side was made, from 0.
        rejected: the blocks that go wrong after it.
        rejected_tokens: their sampled token ids, or empty.
        rejected_answer: the wrong answer they end in.
        origin: how they were made.
    """
    shared = len(chosen.solution.prefix(branch_step).blocks)
    tokens = chosen.sampling.block_tokens
    pair = PairRecord(
        id=origin.rejected_id,
        problem_id=chosen.problem_id,
        kind="step_controlled",
        branch_step=branch_step,
        question=chosen.question,
        gold=chosen.gold,
        format=chosen.sampling.format,
        prefix=chosen.blocks[:shared],
        chosen=chosen.blocks[shared:],
        rejected=block_records(rejected),
        chosen_answer=chosen.verdict.answer,
        rejected_answer=rejected_answer,
        prefix_tokens=tokens[:shared],
        chosen_tokens=tokens[shared:],
        rejected_tokens=rejected_tokens,
        origin=origin,
    )
    return cut_where_sides_differ(pair)


def cut_where_sides_differ(pair: PairRecord) -> PairRecord:
    """Return a step-controlled pair whose prefix holds all the steps with which both sides begin.

    The chosen side's token ids stand for those steps. A pair whose sides differ at once comes back as it is.
    """
    chosen, rejected = (Solution.of(b.model_dump() for b in side) for side in (pair.chosen, pair.rejected))
    common = common_steps(chosen, rejected)
    if not common:
        return pair
    blocks = len(chosen.prefix(common - 1).blocks)
    known = bool(pair.chosen_tokens and (pair.prefix_tokens or not pair.prefix))
    return pair.model_copy(
        update={
            "branch_step": (-1 if pair.branch_step is None else pair.branch_step) + common,
            "prefix": pair.prefix + pair.chosen[:blocks],
            "chosen": pair.chosen[blocks:],
            "rejected": pair.rejected[blocks:],
            "prefix_tokens": pair.prefix_tokens + pair.chosen_tokens[:blocks] if known else [],
            "chosen_tokens": pair.chosen_tokens[blocks:],
            "rejected_tokens": pair.rejected_tokens[blocks:],
        }
    )


def common_steps(one: Solution, other: Solution) -> int:
    """Return how many steps two solutions begin with alike, block for block; each keeps at least its last."""
    most = max(0, min(len(one.steps), len(other.steps)) - 1)
    pairs = zip(one.steps[:most], other.steps[:most], strict=True)
    return sum(1 for _ in itertools.takewhile(lambda ab: ab[0].blocks == ab[1].blocks, pairs))


def branch_steps(chosen: SolutionRecord) -> range:
    """Return the steps after which a right solution can be made to go wrong: those before it states the answer.

    What comes after "The answer is 4." contradicts it or repeats it, and teaches nothing of the problem. A value
    that a step only finds ("So there are 4 trout.") is not stated, and may be followed by a slip.
    """
    solution = chosen.solution
    last = max(0, len(solution.steps) - 1)
    stated = (k for k in range(last) if verify(solution.prefix(k), chosen.gold, require="stated").correct)
    return range(next(stated, last))


def drawn_steps(chosen: SolutionRecord, count: int | None, seed: int) -> list[int]:
    """Return ``count`` of the steps after which to branch off a solution, ascending; None takes all.

    The draw depends on the seed and the solution's id alone.
    """
    steps = branch_steps(chosen)
    if count is None or count >= len(steps):
        return list(steps)
    return sorted(random.Random(f"{seed} {chosen.id}").sample(steps, count))


def data_equal(pairs: Sequence[PairRecord], solutions: Iterable[SolutionRecord]) -> list[PairRecord]:
    """Return as many naive pairs as ``pairs`` has of both kinds: the paper's data-equal DPO baseline.

    Only problems that ``pairs`` holds are used. Problems give pairs in turn, so that none gives many while
    another could still give one. May be shorter where the solutions do not suffice; compare lengths.
    """
    known = {pair.problem_id for pair in pairs}
    everything = naive_pairs((s for s in solutions if s.problem_id in known), per_problem=len(pairs) + 1)
    by_problem: dict[str, list[PairRecord]] = defaultdict(list)
    for pair in everything:
        by_problem[pair.problem_id].append(pair)
    turns = itertools.zip_longest(*by_problem.values())
    return [pair for turn in turns for pair in turn if pair is not None][: len(pairs)]
