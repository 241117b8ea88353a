"""Measure the making of pairs: against the engine alone, and against a loop written as the reference works.

    python benchmarks/generation.py --quick                                  # two minutes, built-in model, this process
    python benchmarks/generation.py --server http://127.0.0.1:8000 --out results/generation  # five minutes

docs/scaling.md says how to start that server on a CPU, with `--model scdpo/assets/embedded --block-size 32`, and how
to give it a core of its own: sharing its cores, it loses whatever time the kernels take.

Three questions, one table. *overhead*: the wall time of sampling, running and verifying solutions, over the time
that the engine alone needs for the same tokens (the same requests, each solution's in turn, no kernels).
*pairs*: step-controlled pairs an hour from the same chosen solutions, by our job and by the loop: 8 workers, a fresh
stock kernel for every attempt, the prefix's cells run again in it. *branch*: the time from wanting a branch to having
a kernel in the prefix's state, by the number of cells in the prefix. Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# ruff: noqa: E402
# Run as a script, this file's own folder comes first, and this file's neighbours would stand in for packages.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from jupyter_client.manager import start_new_kernel

from sandbox import AsyncSandbox, Block, Solution
from sandbox.formats import get_format
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.pairs import branch_steps
from scdpo.data.problems import Problem, load_problems
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings, branch_by_temperature, chosen_solutions, sample_naive
from scdpo.sampling.engines import Completion, Engine, Request
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.sampler import Sampler, SamplerLimits, derive_seed, sample_solutions
from verifier import verify

WORKERS = 8
"""Of the reference's loop."""
CELL = "sum(i * i for i in range(400_000))"
"""About 30 ms of work, as a cell that solves an equation takes."""


class Silent:
    """A progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        pass

    def advance(self, kept: int) -> None:
        pass


class Recorded:
    """An engine that remembers what each solution asked of it; a solution is one task."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name, self.model, self.context = engine.name, engine.model, engine.context
        self.tokenizer = engine.tokenizer
        self.chains: dict[Any, list[Request]] = {}
        self.tokens = 0

    def encode(self, text: str) -> list[int]:
        return self.engine.encode(text)

    def encode_prompt(self, text: str) -> list[int]:
        return self.engine.encode_prompt(text)

    async def complete(self, request: Request) -> Completion:
        self.chains.setdefault(asyncio.current_task(), []).append(request)
        completion = await self.engine.complete(request)
        self.tokens += len(completion.token_ids)
        return completion

    async def close(self) -> None:
        await self.engine.close()


async def overhead(
    engine: Engine, problems: Sequence[Problem], n: int, in_flight: int, rounds: int
) -> dict[str, Any]:
    """Compare sampling with the engine's own time for the same requests."""
    samples, alone = [], []
    recorded = Recorded(engine)
    async with AsyncSandbox(max_sessions=in_flight, warm=8) as box:
        for number in range(rounds + 1):  # the first one warms caches, kernels and code paths on both sides
            recorded = Recorded(engine)
            sampler = Sampler(recorded, box, limits=SamplerLimits(in_flight=in_flight))
            started = time.perf_counter()
            records = [r async for r in sample_solutions(problems, sampler, n=n, temperature=1.0, seed=1)]
            sampled = time.perf_counter() - started
            started = time.perf_counter()
            tokens = await replay(engine, list(recorded.chains.values()), in_flight)
            if number:
                samples.append(sampled)
                alone.append(time.perf_counter() - started)
    cells = sum(block.type == "execution" for record in records for block in record.blocks)
    return {
        "solutions": len(records),
        "cells": cells,
        "tokens": recorded.tokens,
        "tokens replayed": tokens,
        "sampling, s": statistics.median(samples),
        "engine alone, s": statistics.median(alone),
        "ratio (goal 1.15)": statistics.median(a / b for a, b in zip(samples, alone, strict=True)),
        "tokens a second": recorded.tokens / statistics.median(samples),
    }


async def replay(engine: Engine, chains: Sequence[Sequence[Request]], in_flight: int) -> int:
    """Ask the engine for the same completions, those of a solution one after the other."""
    gate = asyncio.Semaphore(in_flight)

    async def one(chain: Sequence[Request]) -> int:
        async with gate:
            return sum([len((await engine.complete(request)).token_ids) for request in chain])

    return sum(await asyncio.gather(*map(one, chains)))


class StockKernel:
    """A fresh stock kernel, driven by its public client."""

    def __init__(self) -> None:
        self._manager, self._client = start_new_kernel(stderr=subprocess.DEVNULL)

    def run(self, code: str) -> str:
        shown: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        try:
            self._client.execute_interactive(code, timeout=10, output_hook=hook)
        except TimeoutError:
            shown.append("timeout")
        return "".join(shown).rstrip("\n")

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@dataclass
class Loop:
    """The loop as the reference works, on the caller's engine."""

    engine: Engine
    events: asyncio.AbstractEventLoop
    settings: BranchSettings
    until: float
    attempts: int = 0
    pairs: int = 0

    def branch(self, chosen: SolutionRecord, step: int) -> None:
        """Attempt after attempt, each in a kernel of its own, until one is wrong."""
        for number in range(self.settings.attempts):
            if time.perf_counter() > self.until:
                return
            self.attempts += 1
            if self.attempt(chosen, step, number):
                self.pairs += 1
                return

    def attempt(self, chosen: SolutionRecord, step: int, number: int) -> bool:
        """Write one continuation; return whether it is finished and wrong."""
        kernel = StockKernel()
        try:
            prefix = chosen.solution.prefix(step)
            for code in prefix.code_blocks:
                kernel.run(code)
            return self.write(chosen, prefix, kernel, derive_seed(chosen.id, step, number))
        finally:
            kernel.close()

    def write(self, chosen: SolutionRecord, prefix: Solution, kernel: StockKernel, seed: int) -> bool:
        format = get_format("mathcoder")
        head, blocks = format.prompt(chosen.question), list(prefix.blocks)
        text, written = format.render(blocks), 0
        while len(blocks) < 24:
            request = Request(
                tuple(self.engine.encode(head + text)),
                512,
                self.settings.schedule.temperature(written),
                seed + written,
                format.stop,
            )
            said = asyncio.run_coroutine_threadsafe(self.engine.complete(request), self.events).result()
            text += said.text
            blocks = list(format.parse(text))
            if said.finish == "end" or said.text.endswith(format.end):
                verdict = verify(Solution(tuple(blocks[len(prefix.blocks) :])), chosen.gold)
                return verdict.status == "incorrect" and verdict.prediction is not None
            if said.finish != "stop":
                return False
            written += 1
            if blocks and blocks[-1].type == "code":
                text += format.render([Block("execution", kernel.run(blocks[-1].content))], previous="code")
        return False


async def pairs(
    engine: Engine, problems: Sequence[Problem], in_flight: int, seconds: float
) -> dict[str, Any]:
    """Step-controlled pairs an hour, ours and the loop's, off the same chosen solutions."""
    settings = BranchSettings(attempts=8)
    async with AsyncSandbox(max_sessions=in_flight, warm=8) as box:
        sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=in_flight))
        with TemporaryDirectory() as folder, Run(folder) as run:
            await sample_naive(run, problems, sampler, NaiveSettings(at_most=16), Silent())
            solutions = list(run.solutions)
            chosen = list(chosen_solutions(run))
            naive = list(run.pairs)
        theirs = await their_rates(engine, chosen, settings, seconds)
        ours = await our_rates(sampler, [*solutions, *naive], settings)
    return {
        "chosen solutions": len(chosen),
        "places to branch": sum(len(branch_steps(s)) for s in chosen),
        "ours, pairs an hour": ours.pairs,
        "loop, pairs an hour": theirs.pairs,
        "ratio (goal 5)": ours.pairs / theirs.pairs if theirs.pairs else float("inf"),
        "ours, attempts an hour": ours.attempts,
        "loop, attempts an hour": theirs.attempts,
        "attempts, ratio": ours.attempts / theirs.attempts,
    }


@dataclass
class Rates:
    """What was made an hour. Pairs are few in a minute of the loop; attempts say the same with less noise."""

    pairs: float
    attempts: float


async def our_rates(sampler: Sampler, known: Sequence[Any], settings: BranchSettings) -> Rates:
    with TemporaryDirectory() as folder, Run(folder) as run:
        for record in known:
            (run.solutions if isinstance(record, SolutionRecord) else run.pairs).append(record)
        before = sum(1 for _ in run.pairs)
        started = time.perf_counter()
        await branch_by_temperature(run, sampler, settings, Silent())
        hours = (time.perf_counter() - started) / 3600
        attempts = sum(branch.attempts for branch in run.branches)
        return Rates((sum(1 for _ in run.pairs) - before) / hours, attempts / hours)


async def their_rates(
    engine: Engine, chosen: Sequence[SolutionRecord], settings: BranchSettings, seconds: float
) -> Rates:
    """Run the loop for so long; it is far from the end of its list by then."""
    started = time.perf_counter()
    loop = Loop(engine, asyncio.get_running_loop(), settings, started + seconds)
    places = [(solution, step) for solution in chosen for step in branch_steps(solution)]
    with ThreadPoolExecutor(WORKERS) as workers:
        calls = [
            asyncio.get_running_loop().run_in_executor(workers, loop.branch, solution, step)
            for solution, step in places
        ]
        await asyncio.gather(*calls)
    hours = (time.perf_counter() - started) / 3600
    return Rates(loop.pairs / hours, loop.attempts / hours)


async def branch_cost(lengths: Sequence[int], repeats: int) -> dict[str, Any]:
    """Milliseconds from wanting a branch to having a kernel in the prefix's state."""
    found: dict[str, Any] = {}
    async with AsyncSandbox(warm=4) as box:
        for length in lengths:
            cells = [f"x{i} = {CELL}" for i in range(length)]
            session = await box.session()
            for cell in cells:
                await session.run(cell)
            forked, replayed = [], []
            for _ in range(repeats):
                started = time.perf_counter()
                copy = await session.fork()
                assert (await copy.run("x0 > 0")).output == "True"
                forked.append(1e3 * (time.perf_counter() - started))
                await copy.close()
                started = time.perf_counter()
                kernel = await asyncio.to_thread(StockKernel)
                for cell in [*cells, "x0 > 0"]:
                    shown = await asyncio.to_thread(kernel.run, cell)
                assert shown == "True"
                replayed.append(1e3 * (time.perf_counter() - started))
                await asyncio.to_thread(kernel.close)
            await session.close()
            found[f"{length} cells: fork, ms"] = statistics.median(forked)
            found[f"{length} cells: stock kernel and the cells again, ms"] = statistics.median(replayed)
    return found


@asynccontextmanager
async def opened(choice: EngineChoice) -> AsyncIterator[Engine]:
    engine = load_engine(choice)
    try:
        yield engine
    finally:
        await engine.close()


async def measure(options: argparse.Namespace) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Answer one question after the other, so that a run that is stopped has shown something."""
    choice = EngineChoice(
        "server" if options.server else options.engine, options.model, tuple(options.server or ())
    )
    quick = options.quick
    async with opened(choice) as engine:
        yield "engine", {"engine": choice.engine, "model": Path(engine.model).name}
        if "overhead" in options.only:
            problems = load_problems("embedded", split="test", limit=32 if quick else 96)
            n, rounds = (2, 1) if quick else (4, 3)
            yield "overhead", await overhead(engine, problems, n, options.in_flight, rounds)
        if "pairs" in options.only:
            problems = load_problems("embedded", split="preference", limit=16 if quick else 40)
            yield "pairs", await pairs(engine, problems, options.in_flight, 15 if quick else 60)
    if "branch" in options.only:
        yield "branch", await branch_cost((1, 4) if quick else (1, 4, 16, 32), 3 if quick else 7)


async def answer(options: argparse.Namespace) -> dict[str, Any]:
    results = {}
    async for question, figures in measure(options):
        results[question] = figures
        print(f"\n{question}")
        for name, value in figures.items():
            shown = f"{value:,.2f}" if isinstance(value, float) else value
            print(f"  {name:<55}{shown:>12}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="transformers", choices=["transformers", "vllm"])
    parser.add_argument("--model", help="folder or hub name; the built-in model if not given")
    parser.add_argument("--server", action="append", help="URL of a model server; may be given several times")
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--only", nargs="+", default=["overhead", "pairs", "branch"], help="which questions")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that all works")
    parser.add_argument("--out", type=Path, help="folder for generation.json")
    options = parser.parse_args()
    results = asyncio.run(answer(options))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "generation.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
