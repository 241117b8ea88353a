"""Whether the error of a step-controlled pair begins where its branch does, estimated by a few roll-outs.

A sampled continuation may be sound for some steps and go wrong later, and a prefix may be one from which the model
seldom gets to the right answer. So the model goes on at temperature 1 from the shared steps, and from the shared
steps and the first step of the rejected side; where the share of right answers falls, that step is the error.
Not covered: errors that the model itself finds and repairs later, which look like none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from sandbox import AsyncSandbox, AsyncSession, Block, Solution
from sandbox.blocks import Step
from scdpo.corrupt.mutation.trial import even
from scdpo.data.records import BlockRecord, ConfirmationRecord, PairRecord, RateRecord
from scdpo.sampling.sampler import Draft, Sampler, derive_seed
from scdpo.sampling.schedule import Schedule
from verifier import verify

ROLLOUTS_AT_ONCE: Final = 4
"""Roll-outs that are under way at once for one solution."""
_PLAIN: Final = Schedule.constant(1.0)


class Track:
    """A session that takes the steps of a solution one by one; an asynchronous context manager that closes it.

    Args:
        box: gives a session at the first step that needs one.
        session: one to go on with.
    """

    def __init__(self, box: AsyncSandbox, session: AsyncSession | None = None) -> None:
        self._box = box
        self.session = session

    async def __aenter__(self) -> Track:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.session is not None:
            await self.session.close()

    async def take(self, step: Step) -> bool:
        """Run a step's code, if it has any; return whether that gave the output which the step records.

        White space does not count: outputs that were recorded elsewhere are wrapped differently.

        Raises:
            SandboxError: if no session can be had, or it was ended from without.
        """
        if step.code is None:
            return True
        self.session = self.session or await self._box.session()
        result = await self.session.run(step.code)
        recorded = [even(output) for output in step.outputs]
        return not result.state_lost and recorded == [even(result.output)]


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Adds to pairs how often roll-outs end in the right answer, from before and from after the first wrong step.

    Attributes:
        sampler: the model that is to be trained, and the sandbox.
        rollouts: from each of the two places, 1 or more.
        seed: fixes every sample.
    """

    sampler: Sampler
    rollouts: int
    seed: int = 0

    async def confirm(self, pairs: Sequence[PairRecord]) -> tuple[list[PairRecord], int]:
        """Confirm step-controlled pairs that branch off one solution; its code runs once.

        Returns:
            The pairs, in order, and how many tokens were sampled. Pairs behind a step whose code no longer gives
            the recorded output stay as they are.

        Raises:
            EngineError: if the engine cannot serve.
            SandboxError: if no session can be had, or it was ended from without.
        """
        done: dict[str, PairRecord] = {}
        tokens = 0
        whole = [*pairs[0].prefix, *pairs[0].chosen] if pairs else []
        async with Track(self.sampler.box) as track:
            for step in Solution(_blocks(whole)).steps:
                if not await track.take(step):
                    break
                here = [pair for pair in pairs if pair.branch_step == step.index]
                confirmed, sampled = await self.confirm_here(here, track.session)
                done.update({pair.id: pair for pair in confirmed})
                tokens += sampled
        return [done.get(pair.id, pair) for pair in pairs], tokens

    async def confirm_here(
        self, pairs: Sequence[PairRecord], session: AsyncSession | None
    ) -> tuple[list[PairRecord], int]:
        """Confirm pairs that share their prefix, with a session in the state after it; None where it has no code.

        Returns and raises as ``confirm``; the session is forked and stays as it is.
        """
        if not pairs:
            return [], 0
        shared = pairs[0]
        place = f"{shared.origin.chosen_id}@{shared.branch_step}"
        before, tokens = await self._rate(shared, [], shared.prefix_tokens, session, place)
        confirmed = []
        for pair in pairs:
            after, more = await self._rate_after(pair, session)
            tokens += more
            confirmation = ConfirmationRecord(before=before, after=after)
            confirmed.append(pair.model_copy(update={"confirmation": confirmation}))
        return confirmed, tokens

    async def _rate_after(self, pair: PairRecord, session: AsyncSession | None) -> tuple[RateRecord, int]:
        """Roll out from after the first step of a pair's rejected side."""
        wrong = Solution(_blocks(pair.rejected)).steps[0]
        blocks = pair.rejected[: len(wrong.blocks)]
        known = bool(pair.prefix_tokens and pair.rejected_tokens)
        tokens = [*pair.prefix_tokens, *pair.rejected_tokens[: len(wrong.blocks)]] if known else []
        if not wrong.is_code:
            return await self._rate(pair, blocks, tokens, session, pair.id)
        fork = await session.fork() if session is not None else None
        async with Track(self.sampler.box, fork) as track:
            if not await track.take(wrong):
                return RateRecord(), 0
            return await self._rate(pair, blocks, tokens, track.session, pair.id)

    async def _rate(
        self,
        pair: PairRecord,
        blocks: Sequence[BlockRecord],
        tokens: list[list[int]],
        session: AsyncSession | None,
        place: str,
    ) -> tuple[RateRecord, int]:
        """Roll out from a pair's prefix and blocks after it, in forks of the session that holds their state."""
        before, after = _blocks(pair.prefix), _blocks(blocks)
        # Each on its own: a text that goes on from the prefix's was sampled without a mark between the two.
        text = self.sampler.format.render(before) + self.sampler.format.render(after)
        prefix = Draft(text=text, blocks=before + after, block_tokens=tokens)
        right = sampled = 0
        for start in range(0, self.rollouts, ROLLOUTS_AT_ONCE):
            numbers = range(start, min(start + ROLLOUTS_AT_ONCE, self.rollouts))
            forks = await session.fork(len(numbers)) if session is not None else [None] * len(numbers)
            seeds = [derive_seed(self.seed, place, "confirm", number) for number in numbers]
            drafts = await asyncio.gather(
                *(
                    self.sampler.write(pair.question, _PLAIN, seed, prefix, fork)
                    for seed, fork in zip(seeds, forks, strict=True)
                )
            )
            sampled += sum(draft.tokens for draft in drafts)
            right += await asyncio.to_thread(_count_right, prefix, drafts, pair.gold)
        return RateRecord(right=right, tried=self.rollouts), sampled


def _count_right(prefix: Draft, drafts: Sequence[Draft], gold: str) -> int:
    """Return how many continuations ended, and in the right answer. Takes CPU time."""
    return sum(
        draft.finish == "end" and verify(Solution(prefix.blocks + draft.blocks), gold).status == "correct"
        for draft in drafts
    )


def _blocks(records: Sequence[BlockRecord]) -> tuple[Block, ...]:
    return tuple(Block(record.type, record.content) for record in records)
