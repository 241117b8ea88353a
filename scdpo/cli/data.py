"""The verbs that make preference data: ``sample``, ``corrupt``, ``export``, ``status``."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sandbox import AsyncSandbox
from scdpo.cli import app
from scdpo.cli.console import Bar, console, show_stages, told
from scdpo.problems import embedded_model_path, load_problems
from scdpo.runs import Run


class Corruptor(StrEnum):
    """What makes a solution go wrong after a step."""

    temperature = "temperature"
    mutation = "mutation"


class Format(StrEnum):
    """How solutions are written for the model."""

    mathcoder = "mathcoder"
    markdown = "markdown"
    cot = "cot"


class Split(StrEnum):
    """Which part of a source of problems."""

    train = "train"
    preference = "preference"
    test = "test"


RunFolder = Annotated[Path, typer.Argument(help="The run folder; made if it is not there.")]
Model = Annotated[str | None, typer.Option(help="Model folder or hub name; the built-in model if not given.")]
Problems = Annotated[
    str,
    typer.Option(
        help="[b]embedded[/b], reasoning-gym:FAMILY[,FAMILY], a .jsonl(.gz) file, or a hub data set."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many problems.")]
Seed = Annotated[int, typer.Option(help="Fixes every sample.")]
InFlight = Annotated[int, typer.Option(min=1, max=4096, help="Solutions under way at once.")]


@app.command()
def sample(
    run: RunFolder,
    problems: Problems = "embedded",
    split: Annotated[Split, typer.Option(help="Part of the source.")] = Split.preference,
    limit: Limit = 500,
    model: Model = None,
    format: Annotated[Format, typer.Option(help="How the model writes solutions.")] = Format.mathcoder,
    system: Annotated[str, typer.Option(help="System message.")] = "",
    at_most: Annotated[int, typer.Option(min=1, help="Solutions a problem (the paper's K).")] = 100,
    pairs: Annotated[int, typer.Option(min=1, help="Naive pairs wanted a problem.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="Of every step.")] = 1.0,
    seed: Seed = 0,
    in_flight: InFlight = 256,
) -> None:
    """Sample solutions and make naive pairs of them.

    Each problem is sampled until it has a preferred solution (right, no error or apology) and a dispreferred
    one (wrong), or --at-most solutions. Called again, it goes on where it stopped.

    Example: [b]scdpo sample runs/gsm8k --problems gsm8k.jsonl --limit 200 --at-most 16[/b]
    """
    from scdpo.engines.transformers import TransformersEngine
    from scdpo.jobs import NaiveSettings, sample_naive
    from scdpo.sampler import Sampler, SamplerLimits

    with told(), Run(run) as opened, Bar() as bar:
        name = model or str(embedded_model_path())
        settings = NaiveSettings(at_most=at_most, pairs=pairs, temperature=temperature, seed=seed)
        opened.settle(
            "sample",
            {
                "problems": problems,
                "split": split.value,
                "model": model or "embedded",
                "format": format.value,
                "system": system,
                "temperature": temperature,
                "seed": seed,
            },
        )
        loaded = load_problems(problems, split=split.value, limit=limit, seed=seed)

        async def main() -> None:
            engine = TransformersEngine(name)
            async with AsyncSandbox(max_sessions=in_flight) as box:
                limits = SamplerLimits(in_flight=in_flight)
                sampler = Sampler(engine, box, format=format.value, system=system, limits=limits)
                try:
                    await sample_naive(opened, loaded, sampler, settings, bar)
                finally:
                    await engine.close()

        asyncio.run(main())
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo corrupt {run}[/b]")


@app.command()
def corrupt(
    run: RunFolder,
    corruptor: Annotated[
        Corruptor, typer.Option(help="What makes a solution go wrong.")
    ] = Corruptor.temperature,
    solutions: Annotated[
        Path | None,
        typer.Option(exists=True, help="First bring in solutions from this .jsonl(.gz) file."),
    ] = None,
    model: Model = None,
    system: Annotated[str, typer.Option(help="System message.")] = "",
    attempts: Annotated[
        int, typer.Option(min=1, help="Continuations tried after a step (temperature).")
    ] = 16,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs kept after a step (temperature).")] = 1,
    first: Annotated[float, typer.Option(min=0, help="Temperature of the first new step.")] = 1.1,
    increment: Annotated[float, typer.Option(min=0, help="More for each further step.")] = 0.05,
    maximum: Annotated[float, typer.Option(min=0, help="Highest temperature.")] = 1.4,
    seed: Seed = 0,
    in_flight: InFlight = 256,
) -> None:
    """Make step-controlled pairs: let right solutions go wrong after a chosen step.

    With --corruptor temperature the model goes on after every step at a rising temperature. With --corruptor
    mutation the code is changed by program; that needs no model, and takes any file of solutions.

    Example: [b]scdpo corrupt runs/mine --corruptor mutation --solutions solutions.jsonl.gz[/b]
    """
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.engines.transformers import TransformersEngine
    from scdpo.imports import read_solutions
    from scdpo.jobs import branch_by_mutation, branch_by_temperature
    from scdpo.sampler import Sampler, SamplerLimits
    from scdpo.schedule import Schedule

    if maximum < first:
        raise typer.BadParameter(f"--maximum {maximum} is below --first {first}")

    async def by_temperature(opened: Run, bar: Bar) -> None:
        schedule = Schedule(first, increment, maximum)
        settings = BranchSettings(schedule, attempts=attempts, pairs=pairs, seed=seed)
        format = next((s.sampling.format for s in opened.solutions), "mathcoder")
        engine = TransformersEngine(model or str(embedded_model_path()))
        async with AsyncSandbox(max_sessions=in_flight) as box:
            limits = SamplerLimits(in_flight=in_flight)
            try:
                sampler = Sampler(engine, box, format=format, system=system, limits=limits)
                await branch_by_temperature(opened, sampler, settings, bar)
            finally:
                await engine.close()

    async def by_mutation(opened: Run, bar: Bar) -> None:
        async with AsyncSandbox(max_sessions=in_flight) as box:
            await branch_by_mutation(opened, box, seed, bar)

    with told(), Run(run) as opened, Bar() as bar:
        if solutions is not None:
            for record in read_solutions(solutions):
                opened.solutions.append(record)
        if corruptor is Corruptor.temperature:
            opened.settle(
                "corrupt",
                {
                    "model": model or "embedded",
                    "system": system,
                    "attempts": attempts,
                    "pairs": pairs,
                    "schedule": [first, increment, maximum],
                    "seed": seed,
                },
            )
            asyncio.run(by_temperature(opened, bar))
        else:
            opened.settle("mutate", {"seed": seed})
            asyncio.run(by_mutation(opened, bar))
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(
        f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train --pairs {run / 'pairs.jsonl'}[/b]"
    )


@app.command()
def status(run: RunFolder) -> None:
    """Show how far a run is and what was dropped, also while a job is writing to it.

    Example: [b]scdpo status runs/gsm8k[/b]
    """
    with told():
        opened = Run(run)
        if not run.is_dir():
            raise FileNotFoundError(f"there is no run folder {run}")
        problems = {s.problem_id for s in opened.solutions}
        kinds: dict[str, int] = {}
        for pair in opened.pairs:
            kinds[pair.kind] = kinds.get(pair.kind, 0) + 1
        console.print(f"{sum(1 for _ in opened.solutions)} solutions of {len(problems)} problems")
        for kind, count in kinds.items():
            console.print(f"{count} {kind.replace('_', '-')} pairs")
        stages = opened.read_json("stages.json")
    if stages:
        show_stages(stages)
