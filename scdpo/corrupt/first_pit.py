"""First pit: where a wrong solution, sampled anyway, stops being one that could still end right.

A *pit* is a move after which no roll-out ends right (Self-Explore, arXiv 2404.10346). It is found by bisection over the
moves: of n moves about log2(n) are rolled out from, and roll-outs from one place stop at the first that is right. The
wrong solution's own rest is the rejected side; a roll-out that succeeded from the place before is the chosen one. Both
are the model's own words at temperature 1. Not covered: solutions that the model climbs out of again by luck; the
first pit is taken to be followed by pits alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sandbox import AsyncSession, SessionClosed, Solution
from scdpo.corrupt.rollouts import Rollouts, Track, draft_of, roll_out
from scdpo.corrupt.slips import no_slip, sides, tells_another_output, with_same_output
from scdpo.data.filters import drop_reason
from scdpo.data.moves import move_ends
from scdpo.data.pairs import cut_where_sides_differ
from scdpo.data.records import (
    BranchRecord,
    ConfirmationRecord,
    DropRecord,
    OriginRecord,
    PairRecord,
    RateRecord,
    SolutionRecord,
    block_records,
)
from scdpo.sampling.sampler import Draft, Sampler
from verifier import extract_answer, verify
from verifier.solution import uncleanness


@dataclass(frozen=True, slots=True)
class PitSettings:
    """How pits are sought.

    Attributes:
        rollouts: from one place at most; that all of them fail makes it a pit.
        solutions: wrong solutions looked at per problem.
        seed: fixes every sample.
    """

    rollouts: int = 8
    solutions: int = 1
    seed: int = 0


@dataclass(slots=True)
class PitSearch:
    """What the search in one wrong solution has found so far."""

    wrong: SolutionRecord
    places: dict[int, Rollouts] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens sampled in all."""
        return sum(found.tokens for found in self.places.values())

    @property
    def tried(self) -> int:
        """Roll-outs in all."""
        return sum(found.tried for found in self.places.values())


async def first_pit(
    wrong: SolutionRecord, sampler: Sampler, settings: PitSettings
) -> tuple[list[PairRecord], BranchRecord]:
    """Find the first pit of a wrong solution; return the pair that branches before it, if any, and the record.

    The record stands under the step before the pit; its ``chosen_id`` is the wrong solution's. Reasons for no pair:
    ``pit_at_first_move`` (nothing is shared), ``prefix_differs`` (the code no longer prints what was recorded),
    ``no_clean_rollout`` (none that succeeded states its answer and is free of errors and repairs),
    those of ``slips.no_slip``, and ``kernel_lost``.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had.
    """
    search = PitSearch(wrong)
    try:
        async with _sessions(wrong, sampler) as sessions:
            if sessions is None:
                return [], _record(search, settings, -1, "prefix_differs")
            before, pit = await _bisect(search, sampler, settings, sessions)
    except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
        return [], _record(search, settings, -1, "kernel_lost")
    if before < 0:
        return [], _record(search, settings, before, "pit_at_first_move")
    examples = search.places[before].examples
    chosen = next((draft for draft in examples if _may_be_chosen(draft, wrong)), None)
    if chosen is None:
        return [], _record(search, settings, before, "no_clean_rollout")
    pair = with_same_output(cut_where_sides_differ(_pair(search, settings, before, pit, chosen)))
    excuse = no_slip(*sides(pair), pair.question)
    if excuse:
        return [], _record(search, settings, before, excuse)
    return [pair], _record(search, settings, before)


@asynccontextmanager
async def _sessions(
    wrong: SolutionRecord, sampler: Sampler
) -> AsyncIterator[dict[int, AsyncSession | None] | None]:
    """Give a session for each place: the code runs once, and is forked after every move; None if it differs."""
    async with AsyncExitStack() as stack:
        track = await stack.enter_async_context(Track(sampler.box))
        sessions: dict[int, AsyncSession | None] | None = {}
        ends = set(move_ends(wrong.solution))
        for step in wrong.solution.steps[: max(ends, default=-1) + 1]:
            if not await track.take(step):
                sessions = None
                break
            if sessions is not None and step.index in ends:
                fork = await track.session.fork() if track.session is not None else None
                if fork is not None:
                    stack.push_async_callback(fork.close)
                sessions[step.index] = fork
        yield sessions


async def _bisect(
    search: PitSearch, sampler: Sampler, settings: PitSettings, sessions: dict[int, AsyncSession | None]
) -> tuple[int, int]:
    """Return the last place from which a roll-out was right (-1: the question alone), and the pit after it.

    The pit is the end of a move, or the last step.
    """
    places = [-1, *sorted(sessions), len(search.wrong.solution.steps) - 1]
    low, high = (
        0,
        len(places) - 1,
    )  # the question can be solved: its problem has a right solution; the end is wrong
    while high - low > 1:
        middle = (low + high) // 2
        step = places[middle]
        found = await roll_out(
            sampler,
            search.wrong.question,
            search.wrong.gold,
            draft_of(search.wrong, step, sampler),
            sessions[step],
            range(settings.rollouts),
            (settings.seed, search.wrong.id, step, "pit"),
            enough=1,
        )
        search.places[step] = found
        low, high = (middle, high) if found.right else (low, middle)
    return places[low], places[high]


def _may_be_chosen(draft: Draft, wrong: SolutionRecord) -> bool:
    """Whether a roll-out that was right is fluent, clean, quotes its outputs and states its answer."""
    solution = Solution(draft.blocks)
    return (
        drop_reason(draft.blocks, wrong.sampling.format) is None
        and uncleanness(solution, wrong.question) is None
        and not tells_another_output(draft.blocks, wrong.question)
        and verify(solution, wrong.gold, require="stated").correct
    )


def _pair(search: PitSearch, settings: PitSettings, before: int, pit: int, chosen: Draft) -> PairRecord:
    wrong = search.wrong
    shared = len(wrong.solution.prefix(before).blocks)
    tokens = wrong.sampling.block_tokens
    id = f"{wrong.id}@{before}.p{settings.seed}"
    return PairRecord(
        id=id,
        problem_id=wrong.problem_id,
        kind="step_controlled",
        branch_step=before,
        question=wrong.question,
        gold=wrong.gold,
        format=wrong.sampling.format,
        prefix=wrong.blocks[:shared],
        chosen=block_records(chosen.blocks),
        rejected=wrong.blocks[shared:],
        chosen_answer=extract_answer(Solution(chosen.blocks)),
        rejected_answer=wrong.verdict.answer,
        prefix_tokens=tokens[:shared],
        chosen_tokens=chosen.block_tokens,
        rejected_tokens=tokens[shared:],
        origin=OriginRecord(
            chosen_id=id,
            rejected_id=wrong.id,
            corruptor="first_pit",
            temperatures=wrong.sampling.temperatures[before + 1 :],
            attempts=search.tried,
        ),
        confirmation=ConfirmationRecord(
            before=_rate(search.places[before]), after=_rate(search.places.get(pit))
        ),
    )


def _rate(found: Rollouts | None) -> RateRecord:
    """Return a place's rate; the end of a wrong solution, which needs no roll-out, counts as one that failed."""
    return RateRecord(right=found.right, tried=found.tried) if found else RateRecord(right=0, tried=1)


def _record(search: PitSearch, settings: PitSettings, before: int, reason: str | None = None) -> BranchRecord:
    return BranchRecord(
        id=f"{search.wrong.id}@p{settings.seed}",
        problem_id=search.wrong.problem_id,
        chosen_id=search.wrong.id,
        branch_step=max(before, 0),
        corruptor="first_pit",
        attempts=1,
        kept=int(reason is None),
        dropped=[DropRecord(reason=reason, count=1)] if reason else [],
        tokens=search.tokens,
    )
