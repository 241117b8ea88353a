"""Simulate the scheduler of a cluster at 8, 64 and 1,000 GPUs; the numbers in ``docs/scaling.md`` come from here.

    python benchmarks/scaling.py                     # some minutes
    python benchmarks/scaling.py --gpus 64 --pods 1 --losses 20

The scheduler is the real one (``scdpo.sampling.engines.replicas`` and ``scdpo.jobs.local.each``) on a clock that
jumps; engines, kernels and the driver's work are stand-ins that take as long as the table of assumptions says. Not
modelled: the network, and engines that slow down as contexts grow.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import selectors
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

# ruff: noqa: E402
# Run as a script, this file's own folder comes first, and this file's neighbours would stand in for packages.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from scdpo.jobs.local import each
from scdpo.sampling.engines.replicas import ReplicaLost, Replicas

SHOWN_PODS = 2
"""Pods share nothing but the list of problems, so a few stand for all."""


@dataclass(frozen=True)
class Plan:
    """A cluster and what it does. Times in seconds."""

    gpus: int = 8
    pods: int = 1
    workers_per_gpu: float = 4.0
    rows: int = 128  # what an engine should decode at once: beyond it, a row gains little
    in_flight_per_gpu: int = 256  # more than its rows, since kernels and queues hold solutions up
    problems_per_gpu: int = 120
    solutions_per_problem: int = 8
    turns: int = 6  # text, code, code, text: 4.2 steps per solution (paper), the end, and rounding up
    cells: int = 2
    tokens_per_turn: float = 50.0
    prompt_tokens: int = 400
    step_base: float = 0.012  # reading 14.5 GB of weights at 2 TB/s, and the engine's own work
    step_per_row: float = 0.00006  # keys and values of 600 tokens, and a seeded draw
    prefill_per_token: float = 0.00005  # 14.5 GFLOP at 290 TFLOP/s
    session: float = 0.010  # processor time of a warm start
    cell: float = 0.060
    verify: float = 0.005
    driver_per_record: float = 0.00025  # receiving, checking and writing a record
    losses: int = 0  # workers killed while the job runs
    seed: int = 0

    @property
    def workers(self) -> int:
        return round(self.gpus / self.pods * self.workers_per_gpu)


class JumpingClock(selectors.DefaultSelector):
    """A selector that never waits: the time until the next timer passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout > 0:
            self.now += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on such a clock."""

    def __init__(self) -> None:
        self.clock = JumpingClock()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


@dataclass(eq=False)
class SimulatedEngine:
    """Decodes all its requests in step; a prompt whose prefix it does not hold holds the others up."""

    plan: Plan
    name: str
    rows: int = 0
    stalled_until: float = 0.0
    known: set[int] = field(default_factory=set)
    tokens: int = 0
    hits: int = 0
    asked: int = 0

    async def ask(self, query: tuple[int, int]) -> int:
        problem, tokens = query
        loop = asyncio.get_running_loop()
        self.asked += 1
        self.hits += problem in self.known
        new = 30 if problem in self.known else self.plan.prompt_tokens
        self.known.add(problem)
        self.stalled_until = max(self.stalled_until, loop.time()) + new * self.plan.prefill_per_token
        self.rows += 1
        step = self.plan.step_base + self.plan.step_per_row * self.rows
        await asyncio.sleep(self.stalled_until - loop.time() + tokens * step)
        self.rows -= 1
        self.tokens += tokens
        return tokens

    async def alive(self) -> bool:
        return True


@dataclass(eq=False)
class SimulatedWorker:
    """Writes the solutions of a problem with one processor and its own view of the engines."""

    plan: Plan
    name: str
    engines: Replicas[tuple[int, int], int]
    random: random.Random
    processor: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    worked: float = 0.0
    redone: int = 0
    lives: int = 0

    async def compute(self, seconds: float) -> None:
        seconds *= self.random.expovariate(1.0)
        async with self.processor:
            await asyncio.sleep(seconds)
        self.worked += seconds

    async def ask(self, problem: int) -> int:
        life = self.lives
        await asyncio.gather(*(self.solution(problem) for _ in range(self.plan.solutions_per_problem)))
        if life != self.lives:
            self.redone += self.plan.solutions_per_problem
            raise ReplicaLost("killed")
        return self.plan.solutions_per_problem

    async def solution(self, problem: int) -> None:
        await self.compute(self.plan.session)
        for turn in range(self.plan.turns):
            tokens = 1 + round(self.random.expovariate(1.0) * self.plan.tokens_per_turn)
            await self.engines.ask((problem, tokens), (problem,) * 32 * (turn + 1))
            if turn < self.plan.cells:
                await self.compute(self.plan.cell)
        await self.compute(self.plan.verify)

    async def alive(self) -> bool:
        await asyncio.sleep(10.0)  # a process starts
        return True


@dataclass
class Outcome:
    """What a pod's run came to."""

    seconds: float
    solutions: int
    engine_busy: float
    hit_rate: float
    processor_busy: float
    driver_busy: float
    tail: float
    redone: int
    tokens: int


async def pod(plan: Plan) -> Outcome:
    """Run one pod's share of the problems."""
    loop = asyncio.get_running_loop()
    stream = random.Random(plan.seed)
    gpus = plan.gpus // plan.pods
    engines = [SimulatedEngine(plan, f"engine {i}") for i in range(gpus)]
    workers = [
        SimulatedWorker(plan, f"worker {i}", Replicas(engines), random.Random(stream.random()))
        for i in range(plan.workers)
    ]
    at_once = max(1, round(plan.in_flight_per_gpu * gpus / plan.workers / plan.solutions_per_problem))
    hands = Replicas(workers, limit=at_once)
    total = plan.problems_per_gpu * gpus
    due = sorted(stream.sample(range(total), plan.losses))
    driver = records = 0.0
    ends: list[float] = []
    async for made in each(hands.ask, range(total), at_once * len(workers)):
        driver += made * plan.driver_per_record
        records += made
        # The driver does one thing at a time: what it is behind, everyone waits for.
        if driver > loop.time():
            await asyncio.sleep(driver - loop.time())
        ends.append(loop.time())
        while due and len(ends) > due[0]:
            due.pop(0)
            stream.choice(workers).lives += 1
    seconds = loop.time()
    tokens = sum(engine.tokens for engine in engines)
    best = plan.rows / (plan.step_base + plan.step_per_row * plan.rows)
    await asyncio.gather(*(worker.engines.close() for worker in workers), hands.close())
    return Outcome(
        seconds,
        int(records),
        tokens / seconds / gpus / best,
        sum(engine.hits for engine in engines) / sum(engine.asked for engine in engines),
        sum(worker.worked for worker in workers) / seconds / len(workers),
        driver / seconds,
        seconds - ends[int(0.9 * len(ends))],
        sum(worker.redone for worker in workers),
        tokens,
    )


def simulate(plan: Plan) -> list[Outcome]:
    """Run pods on a clock of their own: all, or as many as show how they differ."""

    def runs() -> Iterator[Outcome]:
        for number in range(min(plan.pods, SHOWN_PODS)):
            with asyncio.Runner(loop_factory=JumpingLoop) as runner:
                yield runner.run(pod(replace(plan, seed=plan.seed + number)))

    return list(runs())


def show(plan: Plan, outcomes: list[Outcome], took: float) -> None:
    seconds = max(outcome.seconds for outcome in outcomes)
    share = plan.pods / len(outcomes)
    solutions = round(share * sum(outcome.solutions for outcome in outcomes))
    tokens = share * sum(outcome.tokens for outcome in outcomes)
    mean = {
        name: statistics.fmean(getattr(outcome, name) for outcome in outcomes)
        for name in ("engine_busy", "hit_rate", "processor_busy", "driver_busy", "tail")
    }
    print(
        f"{plan.gpus:>6}{plan.pods:>6}{plan.workers * plan.pods:>9}{plan.in_flight_per_gpu:>8}"
        f"{solutions:>11,}{seconds:>9.0f}{solutions / seconds:>12,.0f}{tokens / seconds / 1e6:>9.2f}"
        f"{mean['engine_busy']:>9.0%}{mean['hit_rate']:>9.0%}{mean['processor_busy']:>9.0%}"
        f"{mean['driver_busy']:>9.0%}{mean['tail']:>8.0f}{sum(o.redone for o in outcomes):>8}{took:>8.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", type=int, help="one size only")
    parser.add_argument("--pods", type=int, default=1, help="independent clusters that share the problems")
    parser.add_argument("--workers-per-gpu", type=float, default=Plan.workers_per_gpu)
    parser.add_argument("--problems-per-gpu", type=int, default=Plan.problems_per_gpu)
    parser.add_argument("--losses", type=int, default=0, help="workers killed in each pod while the job runs")
    options = parser.parse_args()
    base = Plan(
        workers_per_gpu=options.workers_per_gpu,
        problems_per_gpu=options.problems_per_gpu,
        losses=options.losses,
    )
    plans = [
        base,
        replace(base, in_flight_per_gpu=128),
        replace(base, workers_per_gpu=2.0),
        replace(base, losses=4),
        replace(base, gpus=64, problems_per_gpu=base.problems_per_gpu // 2),
        replace(base, gpus=1000, pods=20, problems_per_gpu=base.problems_per_gpu // 2),
    ]
    if options.gpus:
        plans = [replace(base, gpus=options.gpus, pods=options.pods)]
    print(
        f"{'GPUs':>6}{'pods':>6}{'workers':>9}{'flight':>8}"
        f"{'solutions':>11}{'wall s':>9}{'solutions/s':>12}{'Mtok/s':>9}"
        f"{'engines':>9}{'prefix':>9}{'workers':>9}{'driver':>9}{'tail s':>8}{'redone':>8}{'took s':>8}"
    )
    for plan in plans:
        started = time.perf_counter()
        outcomes = simulate(plan)
        show(plan, outcomes, time.perf_counter() - started)


if __name__ == "__main__":
    main()
