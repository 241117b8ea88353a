"""The paper's corruptor: let the model go on after a step at a raised, ascending temperature until it is wrong.

A prefix runs once: each further step runs in the session of the step before it, and every attempt starts
from a fork. Reference: arXiv 2407.00782, section 3.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sandbox import AsyncSession, Block, SessionClosed, Solution
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE, Track, draft_of
from scdpo.corrupt.slips import no_slip, sides, tells_another_output, with_same_output
from scdpo.data.filters import drop_reason, near_duplicates
from scdpo.data.pairs import drawn_steps, step_controlled_pair
from scdpo.data.records import BranchRecord, DropRecord, OriginRecord, PairRecord, SolutionRecord, is_readable
from scdpo.data.second_look import right_in_a_reading
from scdpo.sampling.sampler import Draft, Sampler, derive_seed
from scdpo.sampling.schedule import Schedule
from verifier import verify


@dataclass(frozen=True, slots=True)
class BranchSettings:
    """How branches are sought.

    Attributes:
        schedule: the temperature of each new step.
        steps: how many steps of a solution to branch after, drawn by the seed; None for all.
        attempts: continuations tried after a step before it is given up.
        wave: so many of them are sampled first; each further wave is twice as large, so that little is
            sampled in vain after a step where most continuations go wrong.
        pairs: kept after each step.
        seed: fixes every sample.
        confirm: roll-outs from before and from after the first wrong step of each pair; 0 for none.
        granted: attempts after single steps, for a call that spends a budget: steps that are not named are passed
            over. None makes ``attempts`` after each.
    """

    schedule: Schedule = field(default_factory=Schedule)
    steps: int | None = None
    attempts: int = 16
    wave: int = 1
    pairs: int = 1
    seed: int = 0
    confirm: int = 0
    granted: Mapping[int, int] | None = None

    def attempts_after(self, step: int) -> int:
        """Return how many continuations are tried after a step, those of earlier calls included."""
        return self.attempts if self.granted is None else self.granted.get(step, 0)

    @property
    def sessions(self) -> int:
        """How many sessions one solution holds as a rule: its prefix, a wave of forks, a first wrong step."""
        return max(self.wave + 1, ROLLOUTS_AT_ONCE + 2 if self.confirm else 0)


@dataclass(frozen=True, slots=True)
class Branches:
    """What came of one step: the pairs kept, and the record of all attempts."""

    pairs: list[PairRecord]
    record: BranchRecord


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier calls made of one step, for a call that wants more of it.

    Attributes:
        judged: attempts with the settings' seed whose end is known; the next one has this number.
        kept: pairs, whatever the seed.
        given_up: why nothing more is tried here: the code does not give what the record shows (``prefix_differs``:
            then nothing is tried after later steps either), or its kernel was lost; empty where it may go on.
        pairs: those pairs, so that none is made that nearly repeats one.
    """

    judged: int = 0
    kept: int = 0
    given_up: str = ""
    pairs: tuple[PairRecord, ...] = ()


_NOTHING: Final = Before()


def open_steps(chosen: SolutionRecord, settings: BranchSettings, before: Mapping[int, Before]) -> list[int]:
    """Return the steps of a solution after which the settings ask for more than earlier calls made, ascending.

    Steps before a text that misquotes an output are none: that text would stand on the chosen side.
    """
    ends = [step for step, here in before.items() if here.given_up == "prefix_differs"]
    steps = drawn_steps(chosen, settings.steps, settings.seed)
    known = {step: before.get(step, _NOTHING) for step in steps if step < min(ends, default=step + 1)}
    return [
        step
        for step, here in known.items()
        if not here.given_up
        and here.kept < settings.pairs
        and here.judged < settings.attempts_after(step)
        and not tells_another_output(_from_last_shared(chosen.solution, step), chosen.question)
    ]


def _from_last_shared(solution: Solution, step: int) -> tuple[Block, ...]:
    """Return what follows a step, and the block before it, which may be the output that the next text tells."""
    return (*solution.prefix(step).blocks[-1:], *solution.rest(step).blocks)


async def corrupt_by_temperature(
    chosen: SolutionRecord,
    sampler: Sampler,
    settings: BranchSettings,
    before: Mapping[int, Before] | None = None,
) -> AsyncIterator[Branches]:
    """Branch off a preferred solution after every step before the one that states its answer.

    The settings may ask for fewer.

    A call that goes on where others ended makes the pairs that one call with its settings would have made.

    Args:
        chosen: the preferred solution.
        sampler: the model that goes wrong, and the sandbox.
        settings: temperatures and numbers of attempts.
        before: what earlier calls made, by step; a step of which they made enough is passed over.

    Yields:
        One item per step, in order; of what is new alone.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had.
    """
    known = before or {}
    wanted = open_steps(chosen, settings, known)
    async with Track(sampler.box) as track:
        for step in chosen.solution.steps[: max(wanted, default=-1) + 1]:
            try:
                if not await track.take(step):
                    # What follows would be a continuation of something else than the record shows.
                    yield _given_up(chosen, step.index, settings, "prefix_differs", known)
                    break
                if step.index not in wanted:
                    continue
                here = known.get(step.index, _NOTHING)
                branches = await _branch_after(chosen, step.index, sampler, settings, track.session, here)
            except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
                yield _given_up(chosen, step.index, settings, "kernel_lost", known)
                break
            yield branches


async def _branch_after(
    chosen: SolutionRecord,
    step: int,
    sampler: Sampler,
    settings: BranchSettings,
    session: AsyncSession | None,
    before: Before,
) -> Branches:
    prefix = draft_of(chosen, step, sampler)
    dropped: Counter[str] = Counter()
    pairs: list[PairRecord] = []
    tokens, tried, wanted = 0, before.judged, settings.pairs - before.kept
    most = settings.attempts_after(step)
    while tried < most and len(pairs) < wanted:
        numbers = range(tried, min(2 * tried + settings.wave, most))
        drafts = await _drafts(chosen, step, sampler, settings, session, prefix, numbers)
        for number, draft in zip(numbers, drafts, strict=True):
            tokens += draft.tokens
            if len(pairs) == wanted:
                dropped["surplus"] += 1
                continue
            answer, reason = await asyncio.to_thread(judge, draft, chosen, sampler.format.name)
            if reason:
                dropped[reason] += 1
                continue
            origin = OriginRecord(
                chosen_id=chosen.id,
                rejected_id=f"{chosen.id}@{step}.{settings.seed}.{number}",
                corruptor="temperature",
                temperatures=draft.temperatures,
                attempts=number + 1,
            )
            pair = step_controlled_pair(chosen, step, draft.blocks, draft.block_tokens, answer, origin)
            pair = with_same_output(pair)
            if excuse := no_slip(*sides(pair), pair.question):
                dropped[excuse] += 1
            elif _nearly_repeats(pair, [*before.pairs, *pairs]):
                dropped["near_duplicate"] += 1
            else:
                pairs.append(pair)
        tried = numbers.stop
    if settings.confirm:
        confirmer = Confirmer(sampler, settings.confirm, settings.seed)
        pairs, sampled = await confirmer.confirm_beyond(pairs, step, session)
        tokens += sampled
    made = tried - before.judged
    record = _branch_record(chosen, step, settings, dropped, before.judged, made, len(pairs), tokens)
    return Branches(pairs, record)


async def _drafts(
    chosen: SolutionRecord,
    step: int,
    sampler: Sampler,
    settings: BranchSettings,
    session: AsyncSession | None,
    prefix: Draft,
    numbers: range,
) -> list[Draft]:
    """Sample attempts of these numbers, no more at once than may be under way."""
    drafts: list[Draft] = []
    while len(drafts) < len(numbers):
        some = numbers[len(drafts) : len(drafts) + sampler.limits.in_flight]
        forks = await session.fork(len(some)) if session is not None else [None] * len(some)
        seeds = [derive_seed(settings.seed, chosen.id, step, number) for number in some]
        drafts += await asyncio.gather(
            *(
                sampler.write(chosen.question, settings.schedule, seed, prefix, fork)
                for seed, fork in zip(seeds, forks, strict=True)
            )
        )
    return drafts


def _given_up(
    chosen: SolutionRecord, step: int, settings: BranchSettings, reason: str, known: Mapping[int, Before]
) -> Branches:
    """Return that no branch could be tried after a step, as one attempt that was dropped."""
    first = known.get(step, _NOTHING).judged
    return Branches([], _branch_record(chosen, step, settings, Counter([reason]), first, attempts=1))


def _branch_record(
    chosen: SolutionRecord,
    step: int,
    settings: BranchSettings,
    dropped: Counter[str],
    first: int,
    attempts: int,
    kept: int = 0,
    tokens: int = 0,
) -> BranchRecord:
    return BranchRecord(
        id=f"{chosen.id}@{step}.{settings.seed}" + (f".{first}" if first else ""),
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        branch_step=step,
        corruptor="temperature",
        attempts=attempts,
        kept=kept,
        dropped=[DropRecord(reason=reason, count=count) for reason, count in dropped.most_common()],
        tokens=tokens,
    )


def made_before(
    branches: Iterable[BranchRecord], pairs: Iterable[PairRecord], settings: BranchSettings
) -> dict[int, Before]:
    """Return what earlier calls made of one chosen solution, by step.

    Args:
        branches: its records of branches by temperature, of any seed.
        pairs: its pairs by temperature.
        settings: of the call that goes on.
    """
    before: dict[int, Before] = {}
    for branch in branches:
        here = before.get(branch.branch_step, Before())
        reasons = {drop.reason: drop.count for drop in branch.dropped}
        own = _numbers(branch.id, branch.chosen_id)[1] == settings.seed
        # An attempt that was over once the pairs were found was not judged; it is made again, and comes out the same.
        judged = branch.attempts - reasons.get("surplus", 0) if own else 0
        given_up = next((reason for reason in GIVEN_UP if own and reason in reasons), here.given_up)
        before[branch.branch_step] = Before(here.judged + judged, here.kept + branch.kept, given_up)
    for pair in pairs:
        step, seed, number = _numbers(pair.origin.rejected_id, pair.origin.chosen_id)
        here = before.get(step, Before())
        # A pair of an attempt that is not recorded yet was made by a call that was stopped, and will be made again.
        if seed != settings.seed or number < here.judged:
            before[step] = replace(here, pairs=(*here.pairs, pair))
    return before


GIVEN_UP: Final = ("prefix_differs", "kernel_lost")
"""Why nothing more is tried after a step."""


def _numbers(id: str, chosen_id: str) -> tuple[int, int, int]:
    """Return step, seed and attempt (0 where it has none) of an id such as ``CHOSEN@3.0.12``."""
    step, seed, number = [*id.removeprefix(f"{chosen_id}@").split("."), "0"][:3]
    return int(step), int(seed), int(number)


def _nearly_repeats(pair: PairRecord, others: list[PairRecord]) -> bool:
    """Return whether a pair's rejected side nearly repeats that of an earlier one after the same step."""
    texts = [Solution.of(b.model_dump() for b in p.rejected).render("markdown") for p in (*others, pair)]
    return len(others) in near_duplicates(texts)


def judge(draft: Draft, chosen: SolutionRecord, format: str) -> tuple[str | None, str]:
    """Return the answer of a continuation of a preferred solution, and why it is not kept; empty if it is.

    Takes CPU time: call it in a thread.
    """
    if draft.finish != "end":
        return None, f"unfinished_{draft.finish}"
    garbled = drop_reason(draft.blocks, format)
    if garbled:
        return None, garbled
    verdict = verify(Solution(draft.blocks), chosen.gold, require="stated")
    answer = verdict.prediction
    if answer is None or not is_readable(answer, chosen.gold):
        return None, "no_answer"
    if verdict.status != "incorrect":
        return answer, verdict.status
    other = right_in_a_reading(draft.blocks, answer, chosen.gold, chosen.question)
    return answer, "right_in_a_reading" if other else ""
