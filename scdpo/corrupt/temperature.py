"""The paper's corruptor: let the model go on after a step at a raised, ascending temperature until it is wrong.

A prefix runs once: each further step runs in the session of the step before it, and every attempt starts
from a fork. Reference: arXiv 2407.00782, section 3.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sandbox import AsyncSession, SessionClosed, Solution
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE, Track, draft_of
from scdpo.corrupt.slips import no_slip, sides, with_same_output
from scdpo.data.filters import drop_reason, near_duplicates
from scdpo.data.pairs import drawn_steps, step_controlled_pair
from scdpo.data.records import BranchRecord, DropRecord, OriginRecord, PairRecord, SolutionRecord, is_readable
from scdpo.sampling.sampler import Draft, Sampler, derive_seed
from scdpo.sampling.schedule import Schedule
from verifier import verify


@dataclass(frozen=True, slots=True)
class BranchSettings:
    """How branches are sought.

    Attributes:
        schedule: the temperature of each new step.
        steps: how many steps of a solution to branch after, drawn by the seed; None for all but the last.
        attempts: continuations tried after a step before it is given up.
        wave: so many of them are sampled first; each further wave is twice as large, so that little is
            sampled in vain after a step where most continuations go wrong.
        pairs: kept after each step.
        seed: fixes every sample.
        confirm: roll-outs from before and from after the first wrong step of each pair; 0 for none.
    """

    schedule: Schedule = field(default_factory=Schedule)
    steps: int | None = None
    attempts: int = 16
    wave: int = 1
    pairs: int = 1
    seed: int = 0
    confirm: int = 0

    @property
    def sessions(self) -> int:
        """How many sessions one solution holds as a rule: its prefix, a wave of forks, a first wrong step."""
        return max(self.wave + 1, ROLLOUTS_AT_ONCE + 2 if self.confirm else 0)


@dataclass(frozen=True, slots=True)
class Branches:
    """What came of one step: the pairs kept, and the record of all attempts."""

    pairs: list[PairRecord]
    record: BranchRecord


async def corrupt_by_temperature(
    chosen: SolutionRecord, sampler: Sampler, settings: BranchSettings, skip: frozenset[int] = frozenset()
) -> AsyncIterator[Branches]:
    """Branch off a preferred solution after every step but the last, or after as many as the settings say.

    Args:
        chosen: the preferred solution.
        sampler: the model that goes wrong, and the sandbox.
        settings: temperatures and numbers of attempts.
        skip: steps that are done already.

    Yields:
        One item a step, in order.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had.
    """
    wanted = drawn_steps(chosen, settings.steps, settings.seed)
    async with Track(sampler.box) as track:
        for step in chosen.solution.steps[: max(wanted, default=-1) + 1]:
            try:
                if not await track.take(step):
                    # What follows would be a continuation of something else than the record shows.
                    yield _given_up(chosen, step.index, settings, "prefix_differs")
                    break
                if step.index in skip or step.index not in wanted:
                    continue
                branches = await _branch_after(chosen, step.index, sampler, settings, track.session)
            except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
                yield _given_up(chosen, step.index, settings, "kernel_lost")
                break
            yield branches


async def _branch_after(
    chosen: SolutionRecord,
    step: int,
    sampler: Sampler,
    settings: BranchSettings,
    session: AsyncSession | None,
) -> Branches:
    prefix = draft_of(chosen, step, sampler)
    dropped: Counter[str] = Counter()
    pairs: list[PairRecord] = []
    tried = tokens = 0
    while tried < settings.attempts and len(pairs) < settings.pairs:
        numbers = range(tried, min(2 * tried + settings.wave, settings.attempts))
        forks = await session.fork(len(numbers)) if session is not None else [None] * len(numbers)
        seeds = [derive_seed(settings.seed, chosen.id, step, number) for number in numbers]
        drafts = await asyncio.gather(
            *(
                sampler.write(chosen.question, settings.schedule, seed, prefix, fork)
                for seed, fork in zip(seeds, forks, strict=True)
            )
        )
        for number, draft in zip(numbers, drafts, strict=True):
            tokens += draft.tokens
            if len(pairs) == settings.pairs:
                dropped["surplus"] += 1
                continue
            answer, reason = await asyncio.to_thread(_judge, draft, chosen.gold, sampler.format.name)
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
            if excuse := no_slip(*sides(pair)):
                dropped[excuse] += 1
            elif _nearly_repeats(pair, pairs):
                dropped["near_duplicate"] += 1
            else:
                pairs.append(pair)
        tried = numbers.stop
    if settings.confirm:
        confirmer = Confirmer(sampler, settings.confirm, settings.seed)
        pairs, sampled = await confirmer.confirm_beyond(pairs, step, session)
        tokens += sampled
    return Branches(pairs, _branch_record(chosen, step, settings, dropped, tried, len(pairs), tokens))


def _given_up(chosen: SolutionRecord, step: int, settings: BranchSettings, reason: str) -> Branches:
    """Return that no branch could be tried after a step, as one attempt that was dropped."""
    return Branches([], _branch_record(chosen, step, settings, Counter([reason]), attempts=1))


def _branch_record(
    chosen: SolutionRecord,
    step: int,
    settings: BranchSettings,
    dropped: Counter[str],
    attempts: int = 0,
    kept: int = 0,
    tokens: int = 0,
) -> BranchRecord:
    return BranchRecord(
        id=f"{chosen.id}@{step}.{settings.seed}",
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        branch_step=step,
        corruptor="temperature",
        attempts=attempts,
        kept=kept,
        dropped=[DropRecord(reason=reason, count=count) for reason, count in dropped.most_common()],
        tokens=tokens,
    )


def _nearly_repeats(pair: PairRecord, others: list[PairRecord]) -> bool:
    """Return whether a pair's rejected side nearly repeats that of an earlier one after the same step."""
    texts = [Solution.of(b.model_dump() for b in p.rejected).render("markdown") for p in (*others, pair)]
    return len(others) in near_duplicates(texts)


def _judge(draft: Draft, gold: str, format: str) -> tuple[str | None, str]:
    """Return the continuation's answer, and why it is not kept; empty if it is."""
    if draft.finish != "end":
        return None, f"unfinished_{draft.finish}"
    garbled = drop_reason(draft.blocks, format)
    if garbled:
        return None, garbled
    verdict = verify(Solution(draft.blocks), gold, require="stated")
    if not is_readable(verdict.prediction, gold):
        return None, "no_answer"
    return verdict.prediction, "" if verdict.status == "incorrect" else verdict.status
