"""The jobs that make preference data in a run folder: sample solutions and naive pairs, then branch off them.

A job reads what the run holds and does only what is missing, so calling it again after a stop goes on, and
calling it again after the end does nothing. What is sampled for a problem depends on the seed and the problem
alone, not on where a job was stopped. Not covered: several machines.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Literal, Protocol, TypeVar

from sandbox import AsyncSandbox, Solution
from scdpo.corrupt import acorrupt_by_mutation
from scdpo.corrupt.confirm import ROLLOUTS_AT_ONCE, Confirmer
from scdpo.corrupt.temperature import Branches, BranchSettings, corrupt_by_temperature
from scdpo.filters import near_duplicates
from scdpo.pairs import drawn_steps, naive_pairs
from scdpo.problems import Problem
from scdpo.records import CONFIRMED_DROP, BranchRecord, DropRecord, PairRecord, SolutionRecord
from scdpo.runs import Run, RunError
from scdpo.sampler import Sampler
from scdpo.schedule import Schedule
from scdpo.step_controlled import mutation_pairs

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
        at_most: solutions a problem (the paper's K, 100).
        wave: so many are sampled at once; each further wave of a problem is twice as large.
        pairs: naive pairs wanted a problem; a problem is done when it has as many solutions of both kinds.
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
    known = known_solutions(run, problems)
    open_problems = [p for p in problems if not enough(known[p.id], settings)]
    progress.start("sample", len(problems), len(problems) - len(open_problems))

    async def one(problem: Problem) -> list[SolutionRecord]:
        return await _sample_problem(run, problem, known[problem.id], sampler, settings)

    width = max(1, sampler.limits.in_flight // settings.wave)
    async for made in each(one, open_problems, width):
        progress.advance(sum(1 for _ in naive_pairs(made, settings.pairs)))
        known[made[0].problem_id] = made
    solutions = _in_order(s for p in problems for s in known[p.id])
    pairs = list(naive_pairs(solutions, settings.pairs))
    for pair in pairs:
        run.pairs.append(pair)
    _count_sampling(run, problems, solutions, pairs, monotonic() - started)


def known_solutions(run: Run, problems: Sequence[Problem]) -> dict[str, list[SolutionRecord]]:
    """Return the solutions that a run holds, by problem.

    Raises:
        RunError: if a problem's question or gold answer differs from that of its solutions.
    """
    asked = {problem.id: problem for problem in problems}
    known: dict[str, list[SolutionRecord]] = defaultdict(list)
    for record in run.solutions:
        problem = asked.get(record.problem_id)
        if problem is not None and (problem.question, problem.gold) != (record.question, record.gold):
            field = "question" if problem.question != record.question else "gold answer"
            raise RunError(
                f"the {field} of problem {problem.id!r} is not the one that {run.folder} holds solutions of: "
                "the problems were changed since. Put them back, or choose another folder; a field 'id' in each "
                "line of a file keeps problems apart when lines come and go"
            )
        known[record.problem_id].append(record)
    return known


async def _sample_problem(
    run: Run, problem: Problem, known: list[SolutionRecord], sampler: Sampler, settings: NaiveSettings
) -> list[SolutionRecord]:
    """Sample a problem wave by wave; the waves are the same ones whether or not a stop came between."""
    schedule = Schedule.constant(settings.temperature)
    made = {record.id: record for record in known}
    numbers, size = range(min(settings.wave, settings.at_most)), settings.wave
    while numbers:
        ids = {f"{problem.id}#{settings.seed}.{number}": number for number in numbers}
        missing = [number for id, number in ids.items() if id not in made]
        for record in await asyncio.gather(
            *(sampler.solve(problem, number, schedule, settings.seed) for number in missing)
        ):
            run.solutions.append(record)
            made[record.id] = record
        if enough(list(made.values()), settings):
            break
        size *= 2
        numbers = range(numbers.stop, min(numbers.stop + size, settings.at_most))
    return list(made.values())


def enough(solutions: Sequence[SolutionRecord], settings: NaiveSettings) -> bool:
    """Whether a problem's solutions suffice for its pairs, or it has been sampled as often as it may be.

    A wave that was cut off never suffices: an unstopped job would have had the whole of it.
    """
    if _cut_off(solutions, settings):
        return False
    preferred = sum(s.preferred for s in solutions)
    dispreferred = sum(s.dispreferred for s in solutions)
    return min(preferred, dispreferred) >= settings.pairs or len(solutions) >= settings.at_most


def _cut_off(solutions: Sequence[SolutionRecord], settings: NaiveSettings) -> bool:
    made = sum(s.id.startswith(f"{s.problem_id}#{settings.seed}.") for s in solutions)
    whole, size = 0, settings.wave
    while whole < min(made, settings.at_most):
        whole, size = min(whole + size, settings.at_most), 2 * size
    return made < whole


def _in_order(solutions: Iterable[SolutionRecord]) -> list[SolutionRecord]:
    """Sort by problem and number: the file has them in the order in which they were ready."""

    def key(record: SolutionRecord) -> tuple[str, list[int]]:
        number = record.id.removeprefix(record.problem_id).lstrip("#").split(".")
        return record.problem_id, [int(part) for part in number if part.isdigit()]

    return sorted(solutions, key=key)


def _count_sampling(
    run: Run,
    problems: Sequence[Problem],
    solutions: Sequence[SolutionRecord],
    pairs: Sequence[PairRecord],
    seconds: float,
) -> None:
    fates = Counter(_fate(solution) for solution in solutions)
    usable = fates.pop("preferred", 0) + fates.pop("dispreferred", 0)
    run.write_stage("solutions", len(solutions), usable, fates, seconds)
    preferred = {s.problem_id for s in solutions if s.preferred}
    dispreferred = {s.problem_id for s in solutions if s.dispreferred}
    missing = Counter(
        "neither"
        if p.id not in preferred and p.id not in dispreferred
        else ("no preferred solution" if p.id not in preferred else "no dispreferred solution")
        for p in problems
        if p.id not in preferred or p.id not in dispreferred
    )
    paired = len({pair.problem_id for pair in pairs})
    run.write_stage("problems with a naive pair", len(problems), paired, missing, 0.0)


def _fate(solution: SolutionRecord) -> str:
    if solution.preferred:
        return "preferred"
    if solution.dispreferred:
        return "dispreferred"
    if solution.dropped:
        return solution.dropped
    if solution.verdict.status == "correct":
        return "right but not clean"
    return "no answer" if solution.verdict.answer is None else "unverifiable"


async def branch_by_temperature(
    run: Run, sampler: Sampler, settings: BranchSettings, progress: Progress
) -> None:
    """Branch off the chosen solution of every naive pair of a run, after the steps that the settings say.

    Raises:
        EngineError: if the engine cannot serve.
        RunError: if the run has no naive pairs, or a record cannot be written.
    """
    done: dict[str, set[int]] = defaultdict(set)
    for branch in run.branches:
        if branch.corruptor == "temperature" and branch.id.endswith(f".{settings.seed}"):
            done[branch.chosen_id].add(branch.branch_step)
    # More solutions at once than there are sessions for could wait for each other.
    width = max(1, sampler.limits.in_flight // settings.sessions)

    def branches(chosen: SolutionRecord) -> AsyncIterator[Branches]:
        return corrupt_by_temperature(chosen, sampler, settings, frozenset(done[chosen.id]))

    def is_done(chosen: SolutionRecord) -> bool:
        return done[chosen.id].issuperset(drawn_steps(chosen, settings.steps, settings.seed))

    await _branch(run, branches, is_done, width, progress, "temperature")


async def branch_by_mutation(
    run: Run,
    box: AsyncSandbox,
    seed: int,
    progress: Progress,
    confirmer: Confirmer | None = None,
) -> None:
    """Mutate the code of the chosen solutions of a run; needs no model but to confirm the pairs.

    Where the run has no naive pairs, every preferred solution is used.

    Raises:
        RunError: if the run has no preferred solutions, or a record cannot be written.
    """
    done = {b.chosen_id for b in run.branches if b.corruptor == "mutation" and b.id.endswith(f"m{seed}")}

    width = mutations_at_once(confirmer.sampler.limits.in_flight if confirmer else 0)

    async def branches(chosen: SolutionRecord) -> AsyncIterator[Branches]:
        yield await _mutate(chosen, box, seed, confirmer)

    await _branch(run, branches, lambda chosen: chosen.id in done, width, progress, "mutation")


def mutations_at_once(rollouts_in_flight: int) -> int:
    """Return how many solutions to mutate at once: few where only kernels work, more where an engine waits for them."""
    return max(MUTATING, rollouts_in_flight // (ROLLOUTS_AT_ONCE + 2))


async def _mutate(
    chosen: SolutionRecord, box: AsyncSandbox, seed: int, confirmer: Confirmer | None
) -> Branches:
    """Mutate one solution after all of its steps; the record of its attempts stands under step 0."""
    dropped: Counter[str] = Counter()
    found = await acorrupt_by_mutation(
        chosen.solution, chosen.gold, box, question=chosen.question, seed=seed, dropped=dropped
    )
    pairs, tokens = mutation_pairs(chosen, found, seed), 0
    if confirmer is not None:
        pairs, tokens = await confirmer.confirm(pairs)
    record = BranchRecord(
        id=f"{chosen.id}@m{seed}",
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        branch_step=0,
        corruptor="mutation",
        attempts=len(pairs) + sum(dropped.values()),
        kept=len(pairs),
        dropped=[DropRecord(reason=reason, count=count) for reason, count in dropped.most_common()],
        tokens=tokens,
    )
    return Branches(pairs, record)


async def _branch(
    run: Run,
    branches: Callable[[SolutionRecord], AsyncIterator[Branches]],
    is_done: Callable[[SolutionRecord], bool],
    width: int,
    progress: Progress,
    corruptor: Literal["temperature", "mutation"],
) -> None:
    started = monotonic()
    chosen = chosen_solutions(run)
    stage = f"step-controlled pairs by {corruptor}"
    left = [s for s in chosen if not is_done(s)]
    progress.start(stage, len(chosen), len(chosen) - len(left))

    async def one(solution: SolutionRecord) -> int:
        kept = 0
        async for branch in branches(solution):
            # Pairs first: a branch that is recorded as done must have its pairs.
            unlike = _unlike_each_other(branch.pairs)
            kept += sum(run.pairs.append(pair) for pair in unlike)
            run.branches.append(branch.record)
        return kept

    async for kept in each(one, left, width):
        progress.advance(kept)
    used = {s.id for s in chosen}
    records = [b for b in run.branches if b.chosen_id in used and b.corruptor == corruptor]
    counts: Counter[str] = Counter()
    for record in records:
        counts.update({drop.reason: drop.count for drop in record.dropped})
    run.write_stage(
        stage, sum(b.attempts for b in records), sum(b.kept for b in records), counts, monotonic() - started
    )
    pairs = [p for p in run.pairs if p.origin.corruptor == corruptor and p.origin.chosen_id in used]
    _count_confirmed(run, f"errors that begin with the branch, by {corruptor}", pairs)


def _count_confirmed(run: Run, stage: str, pairs: Sequence[PairRecord]) -> None:
    """Enter how many pairs roll-outs confirm, and why the others are not; nothing where there were no roll-outs."""
    if not any(pair.confirmation.before.tried for pair in pairs):
        return
    fates = Counter(_confirmation_fate(pair) for pair in pairs)
    run.write_stage(stage, len(pairs), fates.pop("confirmed", 0), fates, 0.0)


def _confirmation_fate(pair: PairRecord) -> str:
    drop, before = pair.confirmation.drop, pair.confirmation.before
    if drop is None:
        return "not_tried"
    if drop >= CONFIRMED_DROP:
        return "confirmed"
    rarely = before.right < CONFIRMED_DROP * before.tried
    return "rarely_right_before" if rarely else "often_right_after"


def _unlike_each_other(pairs: Sequence[PairRecord]) -> list[PairRecord]:
    """Leave out pairs whose rejected side nearly repeats an earlier one after the same step."""
    texts = [Solution.of(b.model_dump() for b in pair.rejected).render("markdown") for pair in pairs]
    repeated = set(near_duplicates(texts))
    return [pair for i, pair in enumerate(pairs) if i not in repeated]


def chosen_solutions(run: Run) -> list[SolutionRecord]:
    """Return the solutions that pairs branch off: those that naive pairs chose, or all preferred ones.

    One a problem where there are naive pairs, as in the paper.
    """
    solutions = {s.id: s for s in run.solutions if s.preferred}
    named = dict.fromkeys(p.origin.chosen_id for p in run.pairs if p.kind == "naive")
    first: dict[str, SolutionRecord] = {}
    for id in named:
        if id in solutions:
            first.setdefault(solutions[id].problem_id, solutions[id])
    return list(first.values()) if named else list(solutions.values())


async def each(work: Callable[[T], Awaitable[R]], items: Iterable[T], width: int) -> AsyncIterator[R]:
    """Do ``work`` on every item, at most ``width`` at a time, and yield results as they come.

    The first error ends the others and is raised.
    """
    todo = iter(items)
    running: set[asyncio.Task[R]] = set()
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
        await asyncio.gather(*running, return_exceptions=True)


async def _awaited(work: Awaitable[R]) -> R:
    return await work
