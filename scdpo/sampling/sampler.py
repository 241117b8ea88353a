"""Sample solutions: the model writes a block, the kernel runs the code, the output goes back to the model.

Many solutions are under way at once: while the code of one runs, the engine serves the others. Every solution
ends in a recorded reason, whatever the model writes. Not covered: tools other than Python, and several messages.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sandbox import AsyncSandbox, AsyncSession, Block, Solution
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.formats.messages import Conversation, MessageFormat
from scdpo.data.problems import Problem, model_name
from scdpo.data.records import SamplingRecord, SolutionRecord, VerdictRecord, block_records
from scdpo.data.second_look import no_side
from scdpo.sampling.engines import Completion, Engine, Request, RequestRefused
from scdpo.sampling.schedule import Schedule
from verifier import verify_solution


@dataclass(frozen=True, slots=True)
class SamplerLimits:
    """What bounds one solution.

    Attributes:
        blocks: at most so many, executions counted; None for the format's own bound (24 in ``mathcoder``, as the
            reference has it; else none but the model's context).
        block_tokens: at most so many sampled tokens per block; None for the format's own bound.
        in_flight: so many solutions are under way at once.
        top_p: tokens are drawn from the likeliest ones that make up this share.
    """

    blocks: int | None = None
    block_tokens: int | None = None
    in_flight: int = 256
    top_p: float = 1.0


@dataclass(slots=True)
class Draft:
    """A solution under way, or ended: its text and ids, its blocks, and the ids of each block once it has ended.

    ``finish`` is ``end`` for a solution that the model ended; else why it stopped: ``length`` (a block ran into
    its token limit), ``context`` (the model's context is full), ``blocks`` (too many), ``forged`` (the
    model wrote an execution itself), ``marker`` (it wrote the format's marks, or called a tool, where none belong),
    ``refused`` (the engine takes no such request), ``state_lost`` (the kernel died under its code) or ``stopped`` (the
    caller had enough). ``refusal`` has the engine's words, or what was called.
    """

    text: str = ""
    blocks: tuple[Block, ...] = ()
    ids: list[int] = field(default_factory=list)
    complete: int = 0
    refusal: str = ""
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
        self.encoder = SolutionEncoder(engine.tokenizer, format, system)
        self.format = self.encoder.format
        self.system = system
        self.limits = limits or SamplerLimits()
        self._most_blocks = self.limits.blocks or self.format.most_blocks
        self._block_tokens = self.limits.block_tokens or self.format.block_tokens

    async def write(
        self,
        question: str,
        schedule: Schedule,
        seed: int,
        prefix: Draft | None = None,
        session: AsyncSession | None = None,
        enough: Callable[[Sequence[Block]], bool] | None = None,
    ) -> Draft:
        """Sample a solution, or what follows a prefix of one.

        Args:
            question: the problem.
            schedule: the temperature of each new step, counted from 0.
            seed: the same seed gives the same solution as far as the engine's arithmetic allows.
            prefix: steps to go on from; it is not changed.
            session: a session whose state is that after the prefix's code, closed at the end; without it a
                new one is started at the first code block (right only where the prefix has no code).
            enough: ends the draft, as ``stopped``, once it holds of the new blocks at the end of a turn.

        Returns:
            The new steps alone, without the prefix.

        Raises:
            EngineError: if the engine cannot serve.
            SandboxError: if no session can be had.
        """
        prefix = prefix or Draft()
        prompt = self._prompt(question, prefix)
        draft = Draft()
        try:
            while not draft.finish:
                session = await self._turn(question, draft, prefix, prompt, schedule, seed, session)
                if not draft.finish and enough is not None and enough(draft.blocks):
                    draft.finish = "stopped"
        finally:
            if session is not None:
                await session.close()
        draft.block_tokens = self._by_block(draft, prefix, prompt[-1])
        return draft

    def prefix(
        self, blocks: Sequence[Block], after: Sequence[Block] = (), tokens: Sequence[Sequence[int]] = ()
    ) -> Draft:
        """Return steps as a prefix to go on from.

        Args:
            blocks: of the steps.
            after: more of them; a text that goes on from one of ``blocks`` has no mark between the two.
            tokens: the sampled ids of each block, if they are known.
        """
        pieces = [*self.format.write(blocks), *self.format.write(after, blocks)]
        text = "".join(piece.text for piece in pieces)
        return Draft(text=text, blocks=(*blocks, *after), block_tokens=[list(ids) for ids in tokens])

    def _prompt(self, question: str, prefix: Draft) -> list[int]:
        if prefix.block_tokens:
            return self.encoder.prompt(question) + [i for ids in prefix.block_tokens for i in ids]
        asked = self.format.prompt(question, self.system)
        return self.encoder.tokens.encode_prompt(asked + prefix.text)

    async def _turn(
        self,
        question: str,
        draft: Draft,
        prefix: Draft,
        prompt: list[int],
        schedule: Schedule,
        seed: int,
        session: AsyncSession | None,
    ) -> AsyncSession | None:
        """Let the model write up to the next stop, and run what it wrote if that is code."""
        temperature = schedule.temperature(draft.complete)
        request = Request(
            (*prompt, *draft.ids),
            self._block_tokens,
            temperature,
            derive_seed(seed, draft.tokens, len(draft.text)),
            self.format.stop,
            self.limits.top_p,
            self._conversation(question, prefix.text + draft.text),
        )
        try:
            completion = await self.engine.complete(request)
        except RequestRefused as refused:
            draft.finish, draft.refusal = "refused", str(refused)
            return session
        try:
            completion = self._written(completion, (*prefix.blocks, *draft.blocks), request.prompt[-1])
        except ValueError as error:
            draft.finish, draft.refusal = "marker", str(error)
            return session
        turn, ids, end = self._spelt(completion, request.prompt[-1])
        draft.tokens += len(completion.token_ids)
        draft.text += turn
        draft.ids += ids
        outputs = sum(block.type == "execution" for block in draft.blocks)
        located = self.encoder.located(draft.text, prefix.blocks)
        draft.blocks = tuple(read.block for read in located)
        handed_over = completion.finish in ("stop", "end")
        if sum(block.type == "execution" for block in draft.blocks) > outputs:
            draft.finish = "forged"
        elif handed_over and not self.format.whole(turn):
            draft.finish = "marker"
        elif handed_over and turn and located and located[-1].block.type == "code" and located[-1].closed:
            if self._full(draft, prefix):
                draft.finish = "blocks"
            else:
                session = session or await self.box.session()
                await self._execute(draft, prefix, prompt[-1], session)
        elif completion.finish == "end" or (completion.finish == "stop" and self.format.ended(turn)):
            draft.finish = "end"
            draft.ids += end
        elif completion.finish != "stop":
            draft.finish = completion.finish
        elif self._full(draft, prefix) or not turn:
            draft.finish = "blocks"
        steps = len(Solution(draft.blocks).steps)
        # The last one may go on in the next turn: code that is only opened, a text up to a fence in it.
        draft.complete = steps - (not draft.finish and bool(located) and not located[-1].closed)
        draft.temperatures += [temperature] * (draft.complete - len(draft.temperatures))
        return session

    def _full(self, draft: Draft, prefix: Draft) -> bool:
        most = self._most_blocks
        return most is not None and len(prefix.blocks) + len(draft.blocks) >= most

    def _conversation(self, question: str, text: str) -> Conversation | None:
        """Return what is asked in messages, where the format knows them."""
        if isinstance(self.format, MessageFormat):
            return self.format.conversation(question, self.system, text)
        return None

    def _written(self, completion: Completion, before: Sequence[Block], last: int) -> Completion:
        """Return a completion with text and ids, also where a chat endpoint answered without.

        Raises:
            ValueError: if the format cannot express the answer.
        """
        if completion.answer is None:
            return completion
        assert isinstance(self.format, MessageFormat)
        text = self.format.answered(completion.answer, before)
        ids = self.encoder.tokens.encode_after(text, last)
        return replace(completion, text=text, token_ids=tuple(ids), answer=None)

    def _spelt(self, completion: Completion, before: int) -> tuple[str, list[int], list[int]]:
        """Return what the model wrote, the ids that spell it, and the id that ended the message, if one did.

        The ids say what the text is. Where the last one holds more than the end of a stop string, that is cut off.
        """
        tokens, ids, end = self.encoder.tokens, list(completion.token_ids), list[int]()
        if completion.finish == "end" and ids and ids[-1] in self._special:
            mark = tokens.spell(ids[-1:])
            if mark not in self.format.stop and not completion.text.endswith(mark):
                ids, end = ids[:-1], ids[-1:]
        text = tokens.spell(ids, before)
        if completion.finish == "stop":
            reached = [stop for stop in self.format.stop if completion.text.endswith(stop) and stop in text]
            text = text[: min((text.index(stop) + len(stop) for stop in reached), default=len(text))]
        return text, tokens.fit(ids, text, before), end

    @cached_property
    def _special(self) -> frozenset[int]:
        """The ids that may end a message."""
        return frozenset(self.engine.tokenizer.added_tokens_decoder) | {self.engine.tokenizer.eos_token_id}

    async def _execute(self, draft: Draft, prefix: Draft, before: int, session: AsyncSession) -> None:
        """Run the last block and write its output behind it."""
        result = await session.run(draft.blocks[-1].content)
        draft.isolation = result.isolation
        tokens = self.encoder.tokens
        text = self.format.before_output(draft.text)
        draft.ids = tokens.fit(draft.ids, text, before)
        block = Block("execution", result.output)
        (piece,) = self.format.write([block], (*prefix.blocks, *draft.blocks))
        draft.blocks += (block,)
        draft.text = text + piece.text
        draft.ids += tokens.encode_after(piece.text, draft.ids[-1])
        if result.state_lost:
            draft.finish = "state_lost"

    def _by_block(self, draft: Draft, prefix: Draft, before: int) -> list[list[int]]:
        """Return the ids of each block and, last, of the end of the message."""
        ends = [read.end for read in self.encoder.located(draft.text, prefix.blocks)]
        return self.encoder.tokens.cut(draft.ids, draft.text, ends, before)

    def record(self, problem: Problem, id: str, seed: int, draft: Draft) -> SolutionRecord:
        """Verify a finished draft and return its record. Takes CPU time: call it in a thread."""
        solution = Solution(draft.blocks)
        verdict = verify_solution(solution, problem.gold, require="stated", question=problem.question)
        if draft.finish == "end":
            dropped = no_side(solution, verdict, problem.gold, problem.question, self.format.name)
        else:
            dropped = f"unfinished_{draft.finish}"
        return SolutionRecord(
            id=id,
            problem_id=problem.id,
            question=problem.question,
            gold=problem.gold,
            blocks=block_records(draft.blocks),
            verdict=VerdictRecord(
                status=verdict.status, answer=verdict.prediction, reason=draft.refusal or verdict.reason
            ),
            clean=verdict.clean,
            dropped=dropped,
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
        n: solutions per problem, at least 1.
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
