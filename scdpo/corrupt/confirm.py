"""Whether the error of a step-controlled pair begins where its branch does, estimated by a few roll-outs.

A sampled continuation may be sound for some steps and go wrong later, and a prefix may be one from which the model
seldom gets to the right answer. So the model goes on at temperature 1 from the shared steps, and from the shared
steps and the first move of the rejected side; where the share of right answers falls, that move is the error.
Not covered: errors that the model itself finds and repairs later, which look like none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox import AsyncSession, Solution
from scdpo.corrupt.rollouts import Track, blocks_of, roll_out
from scdpo.data.moves import first_move
from scdpo.data.records import BlockRecord, ConfirmationRecord, PairRecord, RateRecord
from scdpo.sampling.sampler import Sampler


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Adds to pairs how often roll-outs end in the right answer, from before and from after the first wrong move.

    Roll-outs that a pair has already stay and count; as many are made as it lacks.

    Attributes:
        sampler: the model that is to be trained, and the sandbox.
        rollouts: from each of the two places, 1 or more, earlier ones included.
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
            for step in Solution(blocks_of(whole)).steps:
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
        known = max((pair.confirmation.before for pair in pairs), key=lambda rate: rate.tried)
        before, tokens = await self._rate(shared, [], shared.prefix_tokens, session, place, known)
        confirmed = []
        for pair in pairs:
            after, more = await self._rate_after(pair, session)
            tokens += more
            confirmation = ConfirmationRecord(before=before, after=after)
            confirmed.append(pair.model_copy(update={"confirmation": confirmation}))
        return confirmed, tokens

    async def confirm_beyond(
        self, pairs: Sequence[PairRecord], step: int, session: AsyncSession | None
    ) -> tuple[list[PairRecord], int]:
        """Confirm pairs that share at least the steps up to ``step``, with a session in the state after it.

        A pair whose sides begin alike branches later: the steps between run once, in a fork. Returns and raises as
        ``confirm``.
        """
        done: dict[str, PairRecord] = {}
        tokens = 0
        fork = await session.fork() if session is not None else None
        async with Track(self.sampler.box, fork) as track:
            for place in sorted({pair.branch_step or 0 for pair in pairs}):
                here = [pair for pair in pairs if pair.branch_step == place]
                steps = Solution(blocks_of(here[0].prefix)).steps[step + 1 :]
                if not all([await track.take(between) for between in steps]):
                    break
                step = place
                confirmed, sampled = await self.confirm_here(here, track.session)
                done.update({pair.id: pair for pair in confirmed})
                tokens += sampled
        return [done.get(pair.id, pair) for pair in pairs], tokens

    async def _rate_after(self, pair: PairRecord, session: AsyncSession | None) -> tuple[RateRecord, int]:
        """Roll out from after the first move of a pair's rejected side."""
        length = first_move(blocks_of(pair.rejected))
        blocks = pair.rejected[:length]
        known = bool(pair.prefix_tokens and pair.rejected_tokens)
        tokens = [*pair.prefix_tokens, *pair.rejected_tokens[:length]] if known else []
        fork = await session.fork() if session is not None else None
        async with Track(self.sampler.box, fork) as track:
            for wrong in Solution(blocks_of(blocks)).steps:
                if not await track.take(wrong):
                    return RateRecord(), 0
            return await self._rate(pair, blocks, tokens, track.session, pair.id, pair.confirmation.after)

    async def _rate(
        self,
        pair: PairRecord,
        blocks: Sequence[BlockRecord],
        tokens: list[list[int]],
        session: AsyncSession | None,
        place: str,
        known: RateRecord,
    ) -> tuple[RateRecord, int]:
        """Roll out from a pair's prefix and blocks after it, in forks of the session that holds their state.

        ``known`` roll-outs from there are not made again.
        """
        prefix = self.sampler.prefix(blocks_of(pair.prefix), blocks_of(blocks), tokens)
        found = await roll_out(
            self.sampler,
            pair.question,
            pair.gold,
            prefix,
            session,
            range(known.tried, self.rollouts),
            (self.seed, place, "confirm"),
        )
        rate = RateRecord(right=known.right + found.right, tried=known.tried + found.tried)
        return rate, found.tokens
