"""The paper's comparison on the built-in model, over several seeds, and ablations on the same pairs.

    python -m experiments.replication runs/replication --seeds 5              # about five minutes a seed on two cores
    python -m experiments.replication runs/replication --seeds 5 --ablations  # then the variants of SCDPO
    python -m experiments.report runs/replication                             # tables and plots into docs/

A seed fixes the sampled problems, the held-out problems, every sample and every training. All models of a seed
share its solutions and start from the same checkpoint, and all trainings use the same settings. A run that was
stopped goes on.

Not covered: a search for the best settings of each method (one setting serves all), solutions without code, and
held-out templates (the held-out problems are new instances of the families that were trained on).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from eval.quickstart import IN_FLIGHT, Plan, Training, evaluate_models, quickstart, train_model
from sandbox import AsyncSandbox
from scdpo.cli.console import Bar
from scdpo.corrupt.temperature import BranchSettings
from scdpo.engines.transformers import TransformersEngine
from scdpo.jobs import branch_by_mutation, branch_by_temperature
from scdpo.problems import embedded_model_path
from scdpo.records import PairRecord
from scdpo.runs import Run
from scdpo.sampler import Sampler, SamplerLimits
from scdpo.schedule import Schedule

CONSTANT = "SCDPO, constant temperature"
MUTATION = "SCDPO, mutation"
COUNTED = "SCDPO, execution counted"
ONE_BRANCH = "SCDPO, one branch a problem"
ABLATIONS = (CONSTANT, MUTATION, COUNTED, ONE_BRANCH)


def ablate(seed_folder: Path, name: str, plan: Plan) -> None:
    """Train and evaluate one variant of SCDPO on what the main run of a seed has sampled.

    Args:
        seed_folder: the finished main run.
        name: one of `ABLATIONS`.
        plan: that of the main run.
    """
    folder = seed_folder / "ablations" / name.removeprefix("SCDPO, ").replace(" ", "-")
    main = Run(seed_folder)
    with Run(folder) as run:
        for solution in main.solutions:
            run.solutions.append(solution)
        wanted = main.pairs if name == COUNTED else _one_branch(main.pairs) if name == ONE_BRANCH else ()
        for pair in wanted or (p for p in main.pairs if p.kind == "naive"):
            run.pairs.append(pair)
        with Bar() as bar:
            if name == CONSTANT:
                asyncio.run(_branch_at_one_temperature(run, plan, bar))
            elif name == MUTATION:
                asyncio.run(_mutate(run, plan, bar))
        extra = {"count_execution": True} if name == COUNTED else {}
        train_model(run, Training(name, "scdpo", "scdpo", "pairs.jsonl", extra), plan)
        with Bar("right") as bar:
            asyncio.run(evaluate_models(run, {name: folder / "model" / "scdpo"}, plan, bar))


def _one_branch(pairs: Iterable[PairRecord]) -> list[PairRecord]:
    """Return the naive pairs, and of every problem the first step-controlled pair."""
    branched: set[str] = set()
    kept = []
    for pair in pairs:
        if pair.kind == "naive" or pair.problem_id not in branched:
            kept.append(pair)
        if pair.kind == "step_controlled":
            branched.add(pair.problem_id)
    return kept


async def _branch_at_one_temperature(run: Run, plan: Plan, bar: Bar) -> None:
    engine = TransformersEngine(embedded_model_path())
    try:
        async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=IN_FLIGHT))
            schedule = Schedule.constant(Schedule().first)
            await branch_by_temperature(
                run, sampler, BranchSettings(schedule, plan.attempts, seed=plan.seed), bar
            )
    finally:
        await engine.close()


async def _mutate(run: Run, plan: Plan, bar: Bar) -> None:
    async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
        await branch_by_mutation(run, box, plan.seed, bar)


def main() -> None:
    """Run what the command line asks for."""
    defaults = Plan()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a run folder for each seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--problems", type=int, default=defaults.problems, help="sampled for pairs, a seed")
    parser.add_argument("--tests", type=int, default=defaults.tests, help="held-out problems, a seed")
    parser.add_argument("--ablations", action="store_true", help="also train the variants of SCDPO")
    options = parser.parse_args()
    console = Console()
    for seed in range(options.seeds):
        console.rule(f"seed {seed}")
        plan = replace(defaults, problems=options.problems, tests=options.tests, seed=seed)
        quickstart(options.folder / f"seed-{seed}", plan, console)
        for name in ABLATIONS if options.ablations else ():
            console.rule(f"seed {seed}: {name}")
            ablate(options.folder / f"seed-{seed}", name, plan)


if __name__ == "__main__":
    main()
