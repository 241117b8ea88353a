"""Roll-outs: from a place in a solution the model goes on at temperature 1, and the right ends are counted.

A place is a number of steps of one solution; the session that has run their code is forked for every roll-out, so no
cell runs twice. Not covered: roll-outs at other temperatures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from sandbox import AsyncSandbox, AsyncSession, Block, Solution
from sandbox.blocks import Step
from scdpo.corrupt.outputs import same_output
from scdpo.data.problems import model_name
from scdpo.data.records import BlockRecord, SolutionRecord
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
        if not step.is_code:
            return True
        self.session = self.session or await self._box.session()
        result = await self.session.run(step.blocks[0].content)
        recorded = [block.content for block in step.blocks[1:]]
        return not result.state_lost and len(recorded) == 1 and same_output(recorded[0], result.output)


@dataclass(slots=True)
class Rollouts:
    """What roll-outs from one place came to.

    Attributes:
        tried: how many there were.
        right: how many of them ended in the right answer.
        tokens: sampled for all of them.
        examples: the continuations of the right ones, in order.
    """

    tried: int = 0
    right: int = 0
    tokens: int = 0
    examples: list[Draft] = field(default_factory=list)


async def roll_out(
    sampler: Sampler,
    question: str,
    gold: str,
    prefix: Draft,
    session: AsyncSession | None,
    numbers: range,
    seed: Sequence[object],
    enough: int | None = None,
) -> Rollouts:
    """Go on from a prefix several times, and count the right ends.

    Args:
        sampler: the model and the sandbox.
        question: the problem.
        gold: its right answer.
        prefix: the steps to go on from, as text and blocks.
        session: one whose state is that after the prefix's code; forked, and left as it is. None where the prefix has
            no code.
        numbers: of the roll-outs; the same number with the same seed is the same roll-out.
        seed: what the samples depend on, besides the number.
        enough: stop once so many are right; None rolls out all.

    Raises:
        EngineError: if the engine cannot serve.
        SandboxError: if no session can be had, or it was ended from without.
    """
    found = Rollouts()
    for start in range(numbers.start, numbers.stop, ROLLOUTS_AT_ONCE):
        wave = range(start, min(start + ROLLOUTS_AT_ONCE, numbers.stop))
        forks = await session.fork(len(wave)) if session is not None else [None] * len(wave)
        drafts = await asyncio.gather(
            *(
                sampler.write(question, _PLAIN, derive_seed(*seed, number), prefix, fork)
                for number, fork in zip(wave, forks, strict=True)
            )
        )
        right = await asyncio.to_thread(_right, prefix, drafts, gold)
        found.tried += len(wave)
        found.right += len(right)
        found.tokens += sum(draft.tokens for draft in drafts)
        found.examples += right
        if enough is not None and found.right >= enough:
            break
    return found


def _right(prefix: Draft, drafts: Sequence[Draft], gold: str) -> list[Draft]:
    """Return the continuations that ended, and in the right answer. Takes CPU time."""
    return [
        draft
        for draft in drafts
        if draft.finish == "end" and verify(Solution(prefix.blocks + draft.blocks), gold).status == "correct"
    ]


def draft_of(record: SolutionRecord, step: int, sampler: Sampler) -> Draft:
    """Return the steps of a solution up to ``step`` (-1: none) as a prefix to go on from.

    The sampled token ids are used where the sampler's model is the one that sampled them; to another tokenizer they
    would say something else.
    """
    blocks = record.solution.prefix(step).blocks if step >= 0 else ()
    own = record.sampling.model == model_name(sampler.engine.model)
    tokens = record.sampling.block_tokens[: len(blocks)] if own else []
    return sampler.prefix(blocks, tokens=tokens)


def blocks_of(records: Sequence[BlockRecord]) -> tuple[Block, ...]:
    """Return the blocks of records."""
    return tuple(Block(record.type, record.content) for record in records)
