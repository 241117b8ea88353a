"""The jobs that make preference data in a run folder: sample solutions and naive pairs, then branch off them.

A job reads what the run holds and does only what is missing, so calling it again after a stop goes on, and
calling it again after the end does nothing. What is sampled for a problem depends on the seed and the problem
alone, not on where a job was stopped. Not covered: several machines.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, Literal, Protocol, TypeVar

from sandbox import AsyncSandbox, SessionClosed
from scdpo.corrupt import acorrupt_by_mutation
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.guided import GuidedSettings, corrupt_by_guidance, guided_id
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE
from scdpo.corrupt.step_controlled import mutation_pairs
from scdpo.corrupt.temperature import (
    GIVEN_UP,
    Branches,
    BranchSettings,
    corrupt_by_temperature,
    made_before,
    open_steps,
)
from scdpo.data.moves import move_ends
from scdpo.data.problems import Problem
from scdpo.data.records import IMPORTED, BranchRecord, DropRecord, PairRecord, SolutionRecord
from scdpo.data.runs import Run, RunError
from scdpo.jobs.outcomes import Branched, SolutionFate, known_outcomes, write_naive_pairs
from scdpo.sampling.sampler import Sampler
from scdpo.sampling.schedule import Schedule

MUTATING: Final = 8
"""Solutions that are mutated at once."""
T = TypeVar("T")
R = TypeVar("R")


class Progress(Protocol):
    """Hears how far a job is."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage of ``total`` items, ``done`` of which were made by an earlier call."""

    def advance(self, kept: int) -> None:
        """One more item is done, and ``kept`` records came of it."""


@dataclass(frozen=True, slots=True)
class NaiveSettings:
    """When a problem has been sampled enough.

    Attributes:
        at_most: solutions per problem (the paper's K, 100) that are sampled with the seed.
        wave: so many are sampled at once; each further wave of a problem is twice as large.
        pairs: naive pairs wanted per problem; a problem is done when it has as many solutions of both kinds, with
            whatever seed they were sampled.
        temperature: of every step (the paper's is 1).
        seed: fixes every sample.
    """

    at_most: int = 100
    wave: int = 4
    pairs: int = 1
    temperature: float = 1.0
    seed: int = 0


async def sample_naive(
    run: Run, problems: Sequence[Problem], sampler: Sampler, settings: NaiveSettings, progress: Progress
) -> None:
    """Sample each problem until it has preferred and dispreferred solutions, and pair them.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if a problem is not the one that the run holds solutions of, or a record cannot be written.
    """
    started = monotonic()
    outcomes = known_outcomes(run, problems)
    left = []
    for problem in problems:
        if enough(outcomes[problem.id], settings):
            write_naive_pairs(run, outcomes[problem.id], settings.pairs)  # a stop may have come before them
        else:
            left.append(problem)
    progress.start("sample", len(problems), len(problems) - len(left))

    async def one(problem: Problem) -> int:
        await _sample_problem(run, problem, outcomes[problem.id], sampler, settings)
        return write_naive_pairs(run, outcomes[problem.id], settings.pairs)

    width = max(1, sampler.limits.in_flight // settings.wave)
    async for new in each(one, left, width):
        progress.advance(new)
    _count_sampling(run, [outcomes[problem.id] for problem in problems], monotonic() - started)


async def _sample_problem(
    run: Run, problem: Problem, outcomes: list[SolutionFate], sampler: Sampler, settings: NaiveSettings
) -> None:
    """Sample a problem wave by wave and add what comes of it to its outcomes.

    The waves are the same ones whether or not a stop came between.
    """
    schedule = Schedule.constant(settings.temperature)
    made = {outcome.id for outcome in outcomes}
    numbers, size = range(min(settings.wave, settings.at_most)), settings.wave
    while numbers:
        missing = [n for n in numbers if f"{problem.id}#{settings.seed}.{n}" not in made]
        for record in await asyncio.gather(
            *(sampler.solve(problem, number, schedule, settings.seed) for number in missing)
        ):
            run.solutions.append(record)
            outcomes.append(SolutionFate.of(record))
        if enough(outcomes, settings):
            break
        size *= 2
        numbers = range(numbers.stop, min(numbers.stop + size, settings.at_most))


def enough(solutions: Sequence[SolutionFate], settings: NaiveSettings) -> bool:
    """Whether a problem's solutions suffice for its pairs, or it has been sampled as often as it may be.

    A wave that was cut off never suffices: an unstopped job would have had the whole of it.
    """
    made = sum(s.id.startswith(f"{s.problem_id}#{settings.seed}.") for s in solutions)
    if _cut_off(made, settings):
        return False
    preferred = sum(s.preferred for s in solutions)
    dispreferred = sum(s.dispreferred for s in solutions)
    return min(preferred, dispreferred) >= settings.pairs or made >= settings.at_most


def _cut_off(made: int, settings: NaiveSettings) -> bool:
    whole, size = 0, settings.wave
    while whole < min(made, settings.at_most):
        whole, size = min(whole + size, settings.at_most), 2 * size
    return made < whole


def _count_sampling(run: Run, outcomes: Sequence[Sequence[SolutionFate]], seconds: float) -> None:
    """Enter the counts of sampling, given the outcomes of each problem."""
    fates = Counter(outcome.fate for some in outcomes for outcome in some)
    made = fates.total()
    usable = fates.pop("preferred", 0) + fates.pop("dispreferred", 0)
    run.write_stage("solutions", made, usable, fates, seconds)
    missing: Counter[str] = Counter()
    for some in outcomes:
        preferred, dispreferred = any(o.preferred for o in some), any(o.dispreferred for o in some)
        if not preferred or not dispreferred:
            lacking = "no dispreferred solution" if preferred else "no preferred solution"
            missing["neither" if not preferred and not dispreferred else lacking] += 1
    paired = len(outcomes) - missing.total()
    run.write_stage("problems with a naive pair", len(outcomes), paired, missing, 0.0)


async def branch_by_temperature(
    run: Run,
    sampler: Sampler,
    settings: BranchSettings,
    progress: Progress,
    grants: Mapping[str, Mapping[int, int]] | None = None,
) -> None:
    """Branch off the chosen solution of every naive pair of a run, after the steps that the settings say.

    What earlier calls made counts: with more steps, attempts or pairs, or another seed, only what lacks is made.

    Args:
        run: with naive pairs, or solutions of others.
        sampler: the model and the sandbox.
        settings: temperatures and numbers of attempts.
        progress: hears how far it is.
        grants: attempts by solution and step, for one pass of a budget (``scdpo.jobs.budget``); None for no budget.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if the run was sampled and has no naive pairs, or a record cannot be written.
    """
    past = Branched(run, "temperature")
    # More solutions at once than there are sessions for could wait for each other.
    width = max(1, sampler.limits.in_flight // settings.sessions)

    def branches(chosen: SolutionRecord) -> AsyncIterator[Branches]:
        before = made_before(past.branches(chosen.id), past.pairs(chosen.id), settings)
        return corrupt_by_temperature(chosen, sampler, with_grants(settings, grants, chosen.id), before)

    def is_done(chosen: SolutionRecord) -> bool:
        before = made_before(past.branches(chosen.id), (), settings)
        return not open_steps(chosen, with_grants(settings, grants, chosen.id), before)

    await _branch(run, branches, is_done, width, progress, "temperature")


async def branch_by_guidance(
    run: Run, sampler: Sampler, settings: GuidedSettings, progress: Progress
) -> None:
    """Ask for guided slips in the chosen solutions of a run; what earlier calls made with the seed is not made again.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if the run was sampled and has no naive pairs, or a record cannot be written.
    """
    done = {branch.id for branch in run.branches if branch.corruptor == "guided"}
    given_up = {
        branch.chosen_id
        for branch in run.branches
        if branch.corruptor == "guided"
        and branch.id.endswith(f".g{settings.seed}")
        and any(drop.reason in GIVEN_UP for drop in branch.dropped)
    }

    def is_done(chosen: SolutionRecord) -> bool:
        ids = {guided_id(chosen, step, settings) for step in move_ends(chosen.solution)}
        return ids <= done or chosen.id in given_up

    width = max(1, sampler.limits.in_flight // settings.sessions)

    def branches(chosen: SolutionRecord) -> AsyncIterator[Branches]:
        return corrupt_by_guidance(chosen, sampler, settings, done)

    await _branch(run, branches, is_done, width, progress, "guided")


def with_grants(
    settings: BranchSettings, grants: Mapping[str, Mapping[int, int]] | None, id: str
) -> BranchSettings:
    """Return the settings with the attempts that a pass of a budget grants one solution."""
    return settings if grants is None else replace(settings, granted=grants.get(id, {}))


async def branch_by_mutation(
    run: Run,
    box: AsyncSandbox,
    seed: int,
    progress: Progress,
    confirmer: Confirmer | None = None,
) -> None:
    """Mutate the code of the chosen solutions of a run; needs no model but to confirm the pairs.

    Where the run was never sampled, every preferred solution is used.

    Raises:
        RunError: if the run was sampled and has no naive pairs, or a record cannot be written.
    """
    done = {b.chosen_id for b in run.branches if b.corruptor == "mutation" and b.id.endswith(f"m{seed}")}
    past = Branched(run, "mutation")
    width = mutations_at_once(confirmer.sampler.limits.in_flight if confirmer else 0)

    async def branches(chosen: SolutionRecord) -> AsyncIterator[Branches]:
        yield await _mutate(chosen, box, seed, confirmer, past.pairs(chosen.id))

    await _branch(run, branches, lambda chosen: chosen.id in done, width, progress, "mutation")


def mutations_at_once(rollouts_in_flight: int) -> int:
    """Return how many solutions to mutate at once: few where only kernels work, more where an engine waits for them."""
    return max(MUTATING, rollouts_in_flight // (ROLLOUTS_AT_ONCE + 2))


async def _mutate(
    chosen: SolutionRecord,
    box: AsyncSandbox,
    seed: int,
    confirmer: Confirmer | None,
    earlier: Sequence[PairRecord],
) -> Branches:
    """Mutate one solution after all of its steps; the record of its attempts stands under step 0.

    A mutation that another seed made already is left out.
    """
    known = {(p.branch_step, *p.rejected) for p in earlier if not p.id.endswith(f"m{seed}")}
    dropped: Counter[str] = Counter()
    pairs: list[PairRecord] = []
    tokens = 0
    try:
        found = await acorrupt_by_mutation(
            chosen.solution, chosen.gold, box, question=chosen.question, seed=seed, dropped=dropped
        )
        made = mutation_pairs(chosen, found, seed)
        pairs = [pair for pair in made if (pair.branch_step, *pair.rejected) not in known]
        dropped.update({"made_by_another_seed": len(made) - len(pairs)})
        if confirmer is not None:
            pairs, tokens = await confirmer.confirm(pairs)
    except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
        pairs, dropped = [], Counter(["kernel_lost"])
    record = BranchRecord(
        id=f"{chosen.id}@m{seed}",
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        branch_step=0,
        corruptor="mutation",
        attempts=len(pairs) + sum(dropped.values()),
        kept=len(pairs),
        dropped=[DropRecord(reason=reason, count=count) for reason, count in dropped.most_common() if count],
        tokens=tokens,
    )
    return Branches(pairs, record)


async def _branch(
    run: Run,
    branches: Callable[[SolutionRecord], AsyncIterator[Branches]],
    is_done: Callable[[SolutionRecord], bool],
    width: int,
    progress: Progress,
    corruptor: Literal["temperature", "mutation", "guided"],
) -> None:
    started = monotonic()
    stage = f"step-controlled pairs by {corruptor}"
    used, left = set(), []
    for solution in chosen_solutions(run):
        used.add(solution.id)
        if not is_done(solution):
            left.append(solution.id)
    if not used and run.settings("sample"):
        raise RunError(
            f"{run.folder} has no naive pairs to branch off: scdpo sample makes them, with a higher --at-most if it is "
            "done; corrupt --solutions, in another folder, takes all right solutions of a file"
        )
    progress.start(stage, len(used), len(used) - len(left))

    async def one(id: str) -> int:
        kept = 0
        async for branch in branches(run.solutions.get(id)):
            # Pairs first: a branch that is recorded as done must have its pairs.
            kept += sum(run.pairs.append(pair) for pair in branch.pairs)
            run.branches.append(branch.record)
        return kept

    async for kept in each(one, left, width):
        progress.advance(kept)
    _count_branches(run, stage, corruptor, used, monotonic() - started)
    count_confirmed(run, corruptor)


def _count_branches(run: Run, stage: str, corruptor: str, used: Set[str], seconds: float) -> None:
    """Enter what came of the branches off the solutions that are used."""
    attempts = kept = 0
    dropped: Counter[str] = Counter()
    for record in run.branches:
        if record.chosen_id in used and record.corruptor == corruptor:
            attempts += record.attempts
            kept += record.kept
            dropped.update({drop.reason: drop.count for drop in record.dropped})
    run.write_stage(stage, attempts, kept, dropped, seconds)


def count_confirmed(run: Run, corruptor: str) -> None:
    """Enter how many pairs roll-outs confirm, and why the others are not; nothing where there were no roll-outs."""
    fates: Counter[str] = Counter()
    tried = False
    for pair in run.pairs:
        if pair.kind == "step_controlled" and pair.origin.corruptor == corruptor:
            fates[_confirmation_fate(pair)] += 1
            tried = tried or pair.confirmation.before.tried > 0
    if tried:
        made = fates.total()
        stage = f"errors that begin with the branch, by {corruptor}"
        run.write_stage(stage, made, fates.pop("confirmed", 0), fates, 0.0)


def _confirmation_fate(pair: PairRecord) -> str:
    confirmed = pair.confirmation.confirmed
    if confirmed is None:
        return "not_tried"
    if confirmed:
        return "confirmed"
    return "often_right_after" if pair.confirmation.before.right else "never_right_before"


def chosen_solutions(run: Run) -> Iterator[SolutionRecord]:
    """Yield the solutions that pairs branch off: one for each problem that has naive pairs, as in the paper.

    Of problems without naive pairs, all preferred solutions that were brought in from elsewhere; in a run that was
    never sampled, all preferred ones.
    """
    chosen: dict[str, str] = {}
    sampled = bool(run.settings("sample"))
    for pair in run.pairs:
        if pair.kind == "naive":
            sampled = True
            if pair.origin.chosen_id in run.solutions:
                chosen.setdefault(pair.problem_id, pair.origin.chosen_id)
    for solution in run.solutions:
        named = chosen.get(solution.problem_id)
        free = named is None and (not sampled or solution.sampling.engine == IMPORTED)
        if solution.preferred and (free or solution.id == named):
            yield solution


async def each(work: Callable[[T], Awaitable[R]], items: Iterable[T], width: int) -> AsyncIterator[R]:
    """Do ``work`` on every item, at most ``width`` at a time, and yield results as they come.

    The first error ends the others and is raised.
    """
    todo = iter(items)
    running: set[asyncio.Task[R]] = set()
    finished: set[asyncio.Task[R]] = set()
    try:
        while True:
            for item in todo:
                running.add(asyncio.ensure_future(_awaited(work(item))))
                if len(running) >= width:
                    break
            if not running:
                return
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        # The finished ones too: several may have failed at once, and only the first error is raised.
        await asyncio.gather(*running, *finished, return_exceptions=True)


async def _awaited(work: Awaitable[R]) -> R:
    return await work
