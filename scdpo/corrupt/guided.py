"""Guided slip: the model writes a right step again with one named subtle error, and goes on from it.

The model is shown the problem, the right steps so far and the step that comes next, and is asked for that step with an
error of a kind that is drawn by how often models make it (RISE, arXiv 2410.06638, edits whole solutions so). The step's
code runs in a fork of the right state, the model goes on from it at temperature 1, and what comes out is judged and
confirmed as a sampled continuation is. Needs a model that follows instructions. Not covered: several errors in a row.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

from sandbox import AsyncSession, Block, SessionClosed, Solution
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.mutation.weights import KIND_WEIGHTS
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE, Track, draft_of
from scdpo.corrupt.slips import no_slip, sides, with_same_output
from scdpo.corrupt.temperature import Branches, judge
from scdpo.data.moves import first_move, move_ends
from scdpo.data.pairs import branch_steps, step_controlled_pair
from scdpo.data.records import BranchRecord, DropRecord, OriginRecord, PairRecord, SolutionRecord
from scdpo.sampling.sampler import Draft, Sampler, derive_seed
from scdpo.sampling.schedule import Schedule

KINDS: Final = {
    "dropped_term": "leave out one quantity that belongs into the calculation",
    "added_term": "bring in one quantity of the problem that does not belong into the calculation",
    "variable": "use another quantity of the problem in place of the right one",
    "operator": "use a wrong operation in one place, such as adding where one must subtract",
    "constant": "misread one number of the problem",
    "swapped_operands": "subtract or divide the wrong way round",
    "lost_parentheses": "do two operations in the wrong order",
    "off_by_one": "count one too many or one too few",
    "wrong_function": "take a related but wrong function, such as the largest in place of the sum",
    "swapped_premises": "mix up two quantities of the problem",
}
"""What the model is asked for, by kind; their weights are those of the mutation."""

_PLAIN: Final = Schedule.constant(1.0)
# "This contains a deliberate error"; leaves "the error is 5 cm" to the filters that all solutions pass.
_GIVES_AWAY: Final = re.compile(
    r"\b(?:subtl[ey]|intentional\w*|deliberate\w*|on purpose|incorrect\w*|wrong\w*|erroneous\w*|(?:one|an) error)\b",
    re.IGNORECASE,
)
_REQUEST: Final = """Here is a problem, and the right steps towards its solution so far.

Problem: {question}

Steps so far:
{before}

The right next step:
{step}

Write this next step again as a student would who makes one small mistake: {error}. Keep the wording, layout and length
of the step. Do not point out the mistake and do not go on after the step. Write only the step."""


@dataclass(frozen=True, slots=True)
class GuidedSettings:
    """How guided slips are sought.

    Attributes:
        attempts: asked for before each move but the first, at most; the first that gives a pair is the last.
        seed: fixes every sample.
        confirm: roll-outs from before and from after the wrong move of each pair; 0 for none.
    """

    attempts: int = 4
    seed: int = 0
    confirm: int = 0

    @property
    def sessions(self) -> int:
        """How many sessions one solution holds: its prefix, the slip's own, and those of its roll-outs."""
        return 2 + (ROLLOUTS_AT_ONCE + 1 if self.confirm else 0)


def guided_id(chosen: SolutionRecord, step: int, settings: GuidedSettings) -> str:
    """Return the id of the record of what was asked for after a step."""
    return f"{chosen.id}@{step}.g{settings.seed}"


async def corrupt_by_guidance(
    chosen: SolutionRecord, sampler: Sampler, settings: GuidedSettings, done: Set[str] = frozenset()
) -> AsyncIterator[Branches]:
    """Ask for a slip after every move of a preferred solution before it states its answer.

    Args:
        chosen: the preferred solution.
        sampler: the model, which must follow instructions, and the sandbox.
        settings: how many attempts.
        done: ids of records that were made before; their steps are passed over.

    Yields:
        One item per move, in order; of what is new alone.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had.
    """
    possible = branch_steps(chosen)
    places = [
        step
        for step in move_ends(chosen.solution)
        if step in possible and guided_id(chosen, step, settings) not in done
    ]
    async with Track(sampler.box) as track:
        for step in chosen.solution.steps[: max(places, default=-1) + 1]:
            try:
                if not await track.take(step):
                    yield _given_up(chosen, step.index, settings, "prefix_differs")
                    return
                if step.index not in places:
                    continue
                branches = await _slip_after(chosen, step.index, sampler, settings, track.session)
            except SessionClosed:  # the kernel was ended from without, when the host ran out of memory, say
                yield _given_up(chosen, step.index, settings, "kernel_lost")
                return
            yield branches


async def _slip_after(
    chosen: SolutionRecord,
    step: int,
    sampler: Sampler,
    settings: GuidedSettings,
    session: AsyncSession | None,
) -> Branches:
    dropped: Counter[str] = Counter()
    pairs: list[PairRecord] = []
    tokens = tried = 0
    while tried < settings.attempts and not pairs:
        seed = derive_seed(settings.seed, chosen.id, step, tried, "guided")
        tried += 1
        kind = random.Random(seed).choices(list(KINDS), [KIND_WEIGHTS[kind] for kind in KINDS])[0]
        attempt = await _attempt(chosen, step, kind, seed, sampler, session)
        tokens += attempt.tokens
        if attempt.finish != "slip":
            dropped[attempt.finish] += 1
            continue
        answer, reason = await asyncio.to_thread(judge, attempt.draft, chosen, sampler.format.name)
        pair = _pair(chosen, step, settings, kind, attempt, answer, tried)
        if reason := reason or no_slip(*sides(pair), pair.question) or "":
            dropped[reason] += 1
        else:
            pairs.append(pair)
    if settings.confirm and pairs:
        confirmer = Confirmer(sampler, settings.confirm, settings.seed)
        pairs, sampled = await confirmer.confirm_beyond(pairs, step, session)
        tokens += sampled
    return Branches(pairs, _record(chosen, step, settings, dropped, tried, len(pairs), tokens))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A slip with what follows it; ``finish`` is ``slip``, or why there is none."""

    finish: str
    tokens: int
    draft: Draft


async def _attempt(
    chosen: SolutionRecord, step: int, kind: str, seed: int, sampler: Sampler, session: AsyncSession | None
) -> _Attempt:
    """Ask for a slip after a step, run it, and let the model go on from it."""
    before, rest = chosen.solution.prefix(step).blocks, chosen.solution.rest(step).blocks
    right = rest[: first_move(rest)]
    fork = await session.fork() if session is not None else None
    asked = await sampler.write(
        _request(chosen.question, before, right, kind, sampler),
        _PLAIN,
        seed,
        session=fork,
        enough=lambda blocks: _is_whole(blocks, right),
    )
    slip = asked.blocks[: first_move(asked.blocks)]
    if reason := _unfit(slip, right):
        return _Attempt(reason, asked.tokens, asked)
    own = draft_of(chosen, step, sampler).block_tokens
    known = [*own, *asked.block_tokens[: len(slip)]] if own or not before else []
    prefix = sampler.prefix(before, slip, known)
    fork = await session.fork() if session is not None else None
    async with Track(sampler.box, fork) as track:
        if not all([await track.take(one) for one in Solution(slip).steps]):
            return _Attempt("output_differs", asked.tokens, asked)
        state = await track.session.fork() if track.session is not None else None
    goes_on = await sampler.write(chosen.question, _PLAIN, derive_seed(seed, "rest"), prefix, state)
    tokens = [*asked.block_tokens[: len(slip)], *goes_on.block_tokens] if goes_on.block_tokens else []
    whole = Draft(
        blocks=(*slip, *goes_on.blocks),
        block_tokens=tokens,
        temperatures=[1.0] * (len(Solution(slip).steps) + len(goes_on.temperatures)),
        finish=goes_on.finish,
    )
    return _Attempt("slip", asked.tokens + goes_on.tokens, whole)


def _request(
    question: str, before: Sequence[Block], step: Sequence[Block], kind: str, sampler: Sampler
) -> str:
    """Return what the model is asked, with the steps written as it writes them itself."""

    def written(blocks: Sequence[Block], after: Sequence[Block] = ()) -> str:
        return "".join(piece.text for piece in sampler.format.write(blocks, after)).strip()

    unrun = [block for block in step if block.type != "execution"]
    return _REQUEST.format(
        question=question, before=written(before), step=written(unrun, before), error=KINDS[kind]
    )


def _is_whole(blocks: Sequence[Block], right: Sequence[Block]) -> bool:
    """Whether what the model wrote is a move such as the right one: with code that ran, where that has code."""
    wanted = "execution" if any(block.type == "code" for block in right) else "text"
    return any(block.type == wanted for block in blocks)


def _unfit(slip: Sequence[Block], right: Sequence[Block]) -> str | None:
    """Return why a written step is no slip."""
    if not _is_whole(slip, right):
        return "not_the_step"
    if [(b.type, b.content.strip()) for b in slip] == [(b.type, b.content.strip()) for b in right]:
        return "no_change"
    if any(block.type != "execution" and _GIVES_AWAY.search(block.content) for block in slip):
        return "gives_itself_away"
    return None


def _pair(
    chosen: SolutionRecord,
    step: int,
    settings: GuidedSettings,
    kind: str,
    attempt: _Attempt,
    answer: str | None,
    tried: int,
) -> PairRecord:
    origin = OriginRecord(
        chosen_id=chosen.id,
        rejected_id=f"{guided_id(chosen, step, settings)}.{tried - 1}",
        corruptor="guided",
        mutation=kind,
        temperatures=attempt.draft.temperatures,
        attempts=tried,
    )
    draft = attempt.draft
    return with_same_output(
        step_controlled_pair(chosen, step, draft.blocks, draft.block_tokens, answer, origin)
    )


def _given_up(chosen: SolutionRecord, step: int, settings: GuidedSettings, reason: str) -> Branches:
    return Branches([], _record(chosen, step, settings, Counter([reason]), attempts=1))


def _record(
    chosen: SolutionRecord,
    step: int,
    settings: GuidedSettings,
    dropped: Counter[str],
    attempts: int,
    kept: int = 0,
    tokens: int = 0,
) -> BranchRecord:
    return BranchRecord(
        id=guided_id(chosen, step, settings),
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        branch_step=step,
        corruptor="guided",
        attempts=attempts,
        kept=kept,
        dropped=[DropRecord(reason=reason, count=count) for reason, count in dropped.most_common()],
        tokens=tokens,
    )
