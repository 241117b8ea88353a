"""The verbs that make preference data: ``sample``, ``corrupt`` and ``status``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from scdpo.cli import app
from scdpo.cli.console import Bar, console, show_stages, told
from scdpo.cli.options import (
    Confirm,
    ExistingRun,
    Format,
    FormatOption,
    Place,
    Problems,
    RunFolder,
    Seed,
    Split,
    Steps,
    System,
    SystemOption,
    asked,
    check_job,
    sampled_system,
    settle_job,
    with_place,
)
from scdpo.data.problems import load_problems
from scdpo.data.runs import Run, RunError


class Corruptor(StrEnum):
    """What makes a solution go wrong after a step."""

    temperature = "temperature"
    mutation = "mutation"


TEMPERATURE_ALONE: Final = ("steps", "attempts", "pairs", "first", "increment", "maximum")
"""Options of ``corrupt`` that mutation has no use for."""


@app.command()
@with_place
def sample(
    run: RunFolder,
    place: Place,
    problems: Problems = "embedded",
    split: Annotated[Split, typer.Option(help="Part of the source.")] = Split.preference,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="At most so many problems; if not given, all, or 500 where they are generated."
        ),
    ] = None,
    format: FormatOption = None,
    system: SystemOption = None,
    at_most: Annotated[int, typer.Option(min=1, help="Solutions a problem (the paper's K).")] = 100,
    pairs: Annotated[int, typer.Option(min=1, help="Naive pairs wanted a problem.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="Of every step.")] = 1.0,
    seed: Seed = 0,
) -> None:
    """Sample solutions and make naive pairs of them.

    Each problem is sampled until it has a preferred solution (right, no error or apology) and a dispreferred
    one (wrong), or --at-most solutions. Called again, it goes on where it stopped.

    Example: [b]scdpo sample runs/gsm8k --problems gsm8k.jsonl --limit 200 --at-most 16[/b]
    """
    from scdpo.jobs.local import NaiveSettings

    naive = NaiveSettings(at_most=at_most, pairs=pairs, temperature=temperature, seed=seed)
    with told(), Run(run) as opened, Bar() as bar:
        place = place.of(opened)
        style = asked(place.model, format, system)
        settings = {
            "problems": problems,
            "split": split.value,
            "model": place.named,
            "format": style.format,
            "system": style.system,
            "temperature": temperature,
            "seed": seed,
        }
        check_job(opened, "sample", settings)
        loaded = load_problems(problems, split=split.value, limit=limit, seed=seed)

        async def main() -> None:
            async with place.jobs(style.format, style.system) as jobs:
                settle_job(opened, "sample", settings, jobs)
                await jobs.sample_naive(opened, loaded, naive, bar)

        asyncio.run(main())
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo corrupt {run}[/b]")


@app.command()
@with_place
def corrupt(
    context: typer.Context,
    run: RunFolder,
    place: Place,
    corruptor: Annotated[
        Corruptor, typer.Option(help="What makes a solution go wrong.")
    ] = Corruptor.temperature,
    solutions: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="First bring in solutions from this .jsonl(.gz) file."
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="How the model that will be trained writes, and texts in that file are written; "
            "the run's own or [b]mathcoder[/b] if not given."
        ),
    ] = None,
    system: System = "",
    steps: Steps = None,
    attempts: Annotated[
        int, typer.Option(min=1, help="Continuations tried after a step (temperature).")
    ] = 16,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs kept after a step (temperature).")] = 1,
    first: Annotated[float, typer.Option(min=0, help="Temperature of the first new step.")] = 1.1,
    increment: Annotated[float, typer.Option(min=0, help="More for each further step.")] = 0.05,
    maximum: Annotated[float, typer.Option(min=0, help="Highest temperature.")] = 1.4,
    confirm: Confirm = 0,
    seed: Seed = 0,
) -> None:
    """Make step-controlled pairs: let right solutions go wrong after a chosen step.

    With --corruptor temperature the model goes on after every step at a rising temperature. With --corruptor
    mutation the code is changed by program; that needs no model, and takes any file of solutions.

    Branches off one right solution of each problem that has a naive pair, and off all right solutions that
    --solutions brings in of other problems.

    With --confirm N the model goes on N times at temperature 1 from the shared steps, and N times from after the
    first wrong step: the pair records how often it still gets to the right answer, and training can leave out
    pairs whose error begins elsewhere (scdpo train --set min_drop=0.5).

    Examples: [b]scdpo corrupt runs/mine --confirm 4[/b]
    [b]scdpo corrupt runs/mine --corruptor mutation --solutions solutions.jsonl.gz[/b]
    """
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.data.import_solutions import import_solutions
    from scdpo.sampling.schedule import Schedule

    if maximum < first:
        raise typer.BadParameter(f"--maximum {maximum} is below --first {first}")
    if corruptor is Corruptor.mutation:
        _refuse(context, TEMPERATURE_ALONE, "goes with --corruptor temperature alone")
    if format is not None and solutions is None:
        raise typer.BadParameter("--format goes with --solutions alone; leave it out")
    branches = BranchSettings(
        Schedule(first, increment, maximum), steps, attempts, pairs=pairs, seed=seed, confirm=confirm
    )
    with told(), Run(run) as opened, Bar() as bar:
        if solutions is not None:
            import_solutions(opened, solutions, format.value if format else None)
        first_one = next(iter(opened.solutions), None)
        if first_one is None:
            raise RunError(
                f"{run} holds no solutions: scdpo sample makes them, --solutions FILE brings them in"
            )
        written = first_one.sampling.format
        if corruptor is Corruptor.temperature or confirm:
            place = place.of(opened)  # mutation alone needs no model
        system = system or sampled_system(opened)
        sampled = {"model": place.named, "system": system}
        if corruptor is Corruptor.mutation:
            job = "mutate"
            settings = {"seed": seed, "confirm": confirm, **(sampled if confirm else {})}
        else:
            job = "corrupt"
            schedule = {"schedule": [first, increment, maximum]}
            numbers = {"steps": steps, "attempts": attempts, "pairs": pairs, "seed": seed, "confirm": confirm}
            settings = {**sampled, **schedule, **numbers}
        check_job(opened, job, settings)

        async def main() -> None:
            if corruptor is Corruptor.mutation and not confirm and place.cluster is None:
                opened.settle(job, settings)
                await _mutate(opened, place, seed, bar)
                return
            async with place.jobs(written, system) as jobs:
                settle_job(opened, job, settings, jobs)
                if corruptor is Corruptor.mutation:
                    await jobs.branch_by_mutation(opened, seed, bar, confirm)
                else:
                    await jobs.branch_by_temperature(opened, branches, bar)

        asyncio.run(main())
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train {run}[/b]")


def _refuse(context: typer.Context, options: Sequence[str], why: str) -> None:
    """Raise BadParameter if one of these options was given."""
    for name in options:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"--{name} {why}; leave it out")


async def _mutate(opened: Run, place: Place, seed: int, bar: Bar) -> None:
    """Mutate on this machine without a model, which is not loaded."""
    from sandbox import AsyncSandbox
    from scdpo.jobs.local import branch_by_mutation

    async with AsyncSandbox(max_sessions=place.at_once) as box:
        await branch_by_mutation(opened, box, seed, bar)


@app.command()
def status(run: ExistingRun) -> None:
    """Show how far a run is and what was dropped, also while a job is writing to it.

    Example: [b]scdpo status runs/gsm8k[/b]
    """
    with told():
        opened = Run(run)
        problems = Counter(s.problem_id for s in opened.solutions)
        console.print(f"{problems.total()} solutions of {len(problems)} problems")
        for kind, count in Counter(p.kind for p in opened.pairs).items():
            console.print(f"{count} {kind.replace('_', '-')} pairs")
        stages = opened.read_json("stages.json")
    if stages:
        show_stages(stages)
