"""Sample solutions: the model writes a block, the kernel runs the code, the output goes back to the model.

Many solutions are under way at once: while the code of one runs, the engine serves the others. Every solution
ends in a recorded reason, whatever the model writes. Not covered: tools other than Python, and several messages.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from sandbox import AsyncSandbox, AsyncSession, Block, Solution
from sandbox.formats import Format, get_format
from scdpo.data.filters import drop_reason
from scdpo.data.problems import Problem, model_name
from scdpo.data.records import SamplingRecord, SolutionRecord, VerdictRecord, block_records
from scdpo.sampling.engines import Engine, Request
from scdpo.sampling.schedule import Schedule
from verifier import verify_solution


@dataclass(frozen=True, slots=True)
class SamplerLimits:
    """What bounds one solution.

    Attributes:
        blocks: at most so many, executions counted; the reference throws away what is longer than 24.
        block_tokens: at most so many sampled tokens a block.
        in_flight: so many solutions are under way at once.
    """

    blocks: int = 24
    block_tokens: int = 512
    in_flight: int = 256


@dataclass(slots=True)
class Draft:
    """A solution under way, or ended: its text, its blocks, and the tokens of each block where they are known.

    ``finish`` is ``end`` for a solution that the model ended; else why it stopped: ``length`` (a block ran into
    its token limit), ``context`` (the model's context is full), ``blocks`` (too many), ``forged`` (the
    model wrote an execution itself), ``marker`` (it wrote the format's marks where none belong) or
    ``state_lost`` (the kernel died under its code).
    """

    text: str = ""
    blocks: tuple[Block, ...] = ()
    block_tokens: list[list[int]] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    tokens: int = 0
    finish: str = ""
    isolation: str = ""


def derive_seed(*parts: object) -> int:
    """Return a seed of 63 bits that depends on every part, and on nothing else."""
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Sampler:
    """Writes solutions with an engine and a sandbox.

    Args:
        engine: the model.
        box: where code runs.
        format: how solutions are written for this model.
        system: the system message; the reference's is "Below is a math problem. Please solve it step by step."
        limits: what bounds a solution.
    """

    def __init__(
        self,
        engine: Engine,
        box: AsyncSandbox,
        *,
        format: str = "mathcoder",
        system: str = "",
        limits: SamplerLimits | None = None,
    ) -> None:
        self.engine = engine
        self.box = box
        self.format: Format = get_format(format)
        self.system = system
        self.limits = limits or SamplerLimits()

    async def write(
        self,
        question: str,
        schedule: Schedule,
        seed: int,
        prefix: Draft | None = None,
        session: AsyncSession | None = None,
    ) -> Draft:
        """Sample a solution, or what follows a prefix of one.

        Args:
            question: the problem.
            schedule: the temperature of each new step, counted from 0.
            seed: the same seed gives the same solution as far as the engine's arithmetic allows.
            prefix: steps to go on from; it is not changed.
            session: a session whose state is that after the prefix's code, closed at the end; without it a
                new one is started at the first code block (right only where the prefix has no code).

        Returns:
            The new steps alone, without the prefix.

        Raises:
            EngineError: if the engine cannot serve.
            SandboxError: if no session can be had.
        """
        prefix = prefix or Draft()
        head = self.format.prompt(question, self.system)
        prompt = self._prompt_ids(head, prefix)
        draft = Draft()
        try:
            while not draft.finish:
                session = await self._turn(draft, head, prefix, prompt, schedule, seed, session)
        finally:
            if session is not None:
                await session.close()
        return draft

    def _prompt_ids(self, head: str, prefix: Draft) -> list[int]:
        if prefix.block_tokens:
            return self.engine.encode_prompt(head) + [i for ids in prefix.block_tokens for i in ids]
        return self.engine.encode_prompt(head + prefix.text)

    async def _turn(
        self,
        draft: Draft,
        head: str,
        prefix: Draft,
        prompt: list[int],
        schedule: Schedule,
        seed: int,
        session: AsyncSession | None,
    ) -> AsyncSession | None:
        """Let the model write up to the next stop, and run what it wrote if that is code."""
        temperature = schedule.temperature(self._complete_steps(draft))
        completion = await self.engine.complete(
            Request(
                tuple(prompt),
                self.limits.block_tokens,
                temperature,
                derive_seed(seed, draft.tokens, len(draft.text)),
                self.format.stop,
            )
        )
        draft.tokens += len(completion.token_ids)
        draft.text += completion.text
        exact = bool(self.format.special_tokens)  # one turn is one block, and its end is a token of its own
        before = len(draft.blocks)
        draft.blocks = self.format.parse(draft.text)
        new_steps = self._complete_steps(draft) - len(draft.temperatures)
        draft.temperatures += [temperature] * new_steps
        if exact:
            draft.block_tokens.append(list(completion.token_ids))
            prompt += completion.token_ids
        if any(b.type == "execution" for b in draft.blocks[before:]):
            draft.finish = "forged"
        elif completion.finish in ("stop", "end") and not self.format.whole(completion.text):
            draft.finish = "marker"
        elif completion.finish == "end" or (self.format.end and completion.text.endswith(self.format.end)):
            draft.finish = "end"
        elif completion.finish != "stop":
            draft.finish = completion.finish
        elif len(prefix.blocks) + len(draft.blocks) >= self.limits.blocks or not completion.text:
            draft.finish = "blocks"
        elif draft.blocks and draft.blocks[-1].type == "code" and self.format.closed(draft.text):
            session = session or await self.box.session()
            await self._execute(draft, prompt, session)
        if not exact:
            prompt[:] = self.engine.encode_prompt(head + prefix.text + draft.text)
        return session

    def _complete_steps(self, draft: Draft) -> int:
        """Return how many steps are written; a code block that has only been opened is not."""
        steps = Solution(draft.blocks).steps
        opened = bool(steps) and steps[-1].blocks[-1].type == "code" and not self.format.closed(draft.text)
        return len(steps) - opened

    async def _execute(self, draft: Draft, prompt: list[int], session: AsyncSession) -> None:
        """Run the last block and write its output behind it."""
        result = await session.run(draft.blocks[-1].content)
        draft.isolation = result.isolation
        block = Block("execution", result.output)
        written = self.format.render([block], previous="code")
        draft.blocks += (block,)
        draft.text += written
        if self.format.special_tokens:
            ids = self.engine.encode(written)
            draft.block_tokens.append(ids)
            prompt += ids
        if result.state_lost:
            draft.finish = "state_lost"

    def record(self, problem: Problem, id: str, seed: int, draft: Draft) -> SolutionRecord:
        """Verify a finished draft and return its record. Takes CPU time: call it in a thread."""
        solution = Solution(draft.blocks)
        verdict = verify_solution(solution, problem.gold, require="stated")
        reason = "" if draft.finish == "end" else f"unfinished_{draft.finish}"
        return SolutionRecord(
            id=id,
            problem_id=problem.id,
            question=problem.question,
            gold=problem.gold,
            blocks=block_records(draft.blocks),
            verdict=VerdictRecord(status=verdict.status, answer=verdict.prediction, reason=verdict.reason),
            clean=verdict.clean,
            dropped=reason or drop_reason(draft.blocks) or "",
            sampling=SamplingRecord(
                engine=self.engine.name,
                model=model_name(self.engine.model),
                format=self.format.name,
                seed=seed,
                temperatures=draft.temperatures,
                finish=draft.finish,
                tokens=draft.tokens,
                block_tokens=draft.block_tokens,
            ),
            isolation=draft.isolation,
        )

    async def solve(self, problem: Problem, number: int, schedule: Schedule, seed: int) -> SolutionRecord:
        """Sample solution ``number`` of a problem and verify it; its seed follows from ``seed`` and both."""
        own = derive_seed(seed, problem.id, number)
        draft = await self.write(problem.question, schedule, own)
        return await asyncio.to_thread(self.record, problem, f"{problem.id}#{seed}.{number}", own, draft)


async def sample_solutions(
    problems: Sequence[Problem],
    sampler: Sampler,
    *,
    n: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
) -> AsyncIterator[SolutionRecord]:
    """Sample ``n`` solutions of each problem, yielded as they are ready.

    Args:
        problems: what to solve; each id once.
        sampler: the model, the sandbox and the format.
        n: solutions a problem, at least 1.
        temperature: of every step; 0 is greedy.
        seed: fixes every sample, as far as the engine's arithmetic allows.

    Raises:
        EngineError: if the engine cannot serve.
    """
    schedule = Schedule.constant(temperature)
    gate = asyncio.Semaphore(sampler.limits.in_flight)

    async def one(problem: Problem, number: int) -> SolutionRecord:
        async with gate:
            return await sampler.solve(problem, number, schedule, seed)

    tasks = [asyncio.create_task(one(problem, number)) for problem in problems for number in range(n)]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
