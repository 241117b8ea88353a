"""The jobs that roll out from solutions of a run: first pits of wrong ones, values at every step, pairs made without.

Each does only what is missing, as the jobs of ``scdpo.jobs.local`` do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from time import monotonic

from sandbox import SessionClosed
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.first_pit import PitSettings, first_pit
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE
from scdpo.corrupt.values import ValueSettings, step_values, value_id, value_places
from scdpo.data.records import RolloutRecord, SolutionRecord
from scdpo.data.runs import Run, RunError
from scdpo.jobs.local import Progress, count_confirmed, each
from scdpo.sampling.sampler import Sampler


async def branch_at_first_pits(run: Run, sampler: Sampler, settings: PitSettings, progress: Progress) -> None:
    """Make step-controlled pairs of the wrong solutions that sampling made, of problems that have a right one too.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if the run holds no wrong solution of a problem that is solved too, or a record cannot be written.
    """
    started = monotonic()
    known = {record.id for record in run.branches}
    used = [solution.id for solution in wrong_solutions(run, settings.solutions)]
    if not used:
        raise RunError(
            f"{run.folder} holds no problem with a right and a wrong solution: scdpo sample makes them, with a higher "
            "--at-most if it is done"
        )
    left = [id for id in used if f"{id}@p{settings.seed}" not in known]
    progress.start("first pits", len(used), len(used) - len(left))

    async def one(id: str) -> int:
        pairs, record = await first_pit(run.solutions.get(id), sampler, settings)
        # Pairs first: a branch that is recorded as done must have its pairs.
        kept = sum(run.pairs.append(pair) for pair in pairs)
        run.branches.append(record)
        return kept

    async for kept in each(one, left, max(1, sampler.limits.in_flight // ROLLOUTS_AT_ONCE)):
        progress.advance(kept)
    _count_pits(run, monotonic() - started)


def wrong_solutions(run: Run, per_problem: int) -> Iterator[SolutionRecord]:
    """Yield the first wrong solutions of each problem that has a preferred one too."""
    solved = {solution.problem_id for solution in run.solutions if solution.preferred}
    seen: Counter[str] = Counter()
    for solution in run.solutions:
        if (
            solution.dispreferred
            and solution.problem_id in solved
            and seen[solution.problem_id] < per_problem
        ):
            seen[solution.problem_id] += 1
            yield solution


def _count_pits(run: Run, seconds: float) -> None:
    attempts = kept = 0
    dropped: Counter[str] = Counter()
    for record in run.branches:
        if record.corruptor == "first_pit":
            attempts += record.attempts
            kept += record.kept
            dropped.update({drop.reason: drop.count for drop in record.dropped})
    run.write_stage("step-controlled pairs by first pit", attempts, kept, dropped, seconds)


async def estimate_values(run: Run, sampler: Sampler, settings: ValueSettings, progress: Progress) -> None:
    """Estimate the values of every place in the solutions of a run's naive pairs.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if the run has no naive pairs, or a record cannot be written.
    """
    started = monotonic()
    known = {record.id for record in run.values}
    ids = dict.fromkeys(
        id
        for pair in run.pairs
        if pair.kind == "naive"
        for id in (pair.origin.chosen_id, pair.origin.rejected_id)
        if id in run.solutions
    )
    if not ids:
        raise RunError(f"{run.folder} has no naive pairs to estimate values of: scdpo sample makes them")

    def missing(solution: SolutionRecord) -> bool:
        return any(value_id(solution, place, settings) not in known for place in value_places(solution))

    left = [id for id in ids if missing(run.solutions.get(id))]
    progress.start("values", len(ids), len(ids) - len(left))
    lost: Counter[str] = Counter()

    async def one(id: str) -> int:
        solution = run.solutions.get(id)
        there = frozenset(p for p in value_places(solution) if value_id(solution, p, settings) in known)
        new = 0
        try:
            async for value in step_values(solution, sampler, settings, there):
                new += run.values.append(value)
        except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
            lost["kernel_lost"] += 1
        return new

    async for new in each(one, left, max(1, sampler.limits.in_flight // ROLLOUTS_AT_ONCE)):
        progress.advance(new)
    run.write_stage("solutions with values", len(ids), len(ids) - lost.total(), lost, monotonic() - started)


async def confirm_pairs(run: Run, confirmer: Confirmer, corruptor: str, progress: Progress) -> None:
    """Roll out from the pairs of a corruptor that have fewer roll-outs than are wanted, and enter them in the pairs.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if a record cannot be written.
    """
    run.settle_rollouts()
    await roll_out_pairs(run, confirmer, corruptor, progress)
    run.settle_rollouts()
    count_confirmed(run, corruptor)


async def roll_out_pairs(run: Run, confirmer: Confirmer, corruptor: str, progress: Progress) -> None:
    """As ``confirm_pairs``, with the roll-outs left in ``rollouts.jsonl``."""
    waiting = unconfirmed(run, corruptor, confirmer.rollouts)
    progress.start("roll-outs", len(waiting), 0)

    async def one(ids: list[str]) -> int:
        new = 0
        try:
            confirmed, tokens = await confirmer.confirm([run.pairs.get(id) for id in ids])
        except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
            return 0
        for pair in confirmed:
            if pair.confirmation.before.tried:
                record = RolloutRecord(id=pair.id, confirmation=pair.confirmation, tokens=tokens)
                new += run.rollouts.append(record)
                tokens = 0  # they were sampled for all of them
        return new

    width = max(1, confirmer.sampler.limits.in_flight // (ROLLOUTS_AT_ONCE + 2))
    async for new in each(one, list(waiting.values()), width):
        progress.advance(new)


def unconfirmed(run: Run, corruptor: str, rollouts: int) -> dict[str, list[str]]:
    """Return the ids of the pairs that have fewer roll-outs than are wanted, by the solution they branch off."""
    there = {record.id for record in run.rollouts}
    waiting: dict[str, list[str]] = defaultdict(list)
    for pair in run.pairs:
        mine = pair.kind == "step_controlled" and pair.origin.corruptor == corruptor
        if mine and pair.confirmation.before.tried < rollouts and pair.id not in there:
            waiting[pair.origin.chosen_id].append(pair.id)
    return waiting
