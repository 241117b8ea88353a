"""``scdpo sample``: sample solutions and make naive pairs of them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from scdpo.cli.backend_options import with_backend
from scdpo.cli.console import Bar, console, report_errors, show_stages
from scdpo.cli.options import FormatOption, Problems, RunFolder, Seed, Split, SystemOption
from scdpo.data.problems import load_problems
from scdpo.data.prompt_style import prompt_style
from scdpo.data.runs import Run
from scdpo.jobs.backend import Backend, check_job, settle_job
from scdpo.jobs.local import NaiveSettings


@with_backend
def sample(
    run: RunFolder,
    backend: Backend,
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
    naive = NaiveSettings(at_most=at_most, pairs=pairs, temperature=temperature, seed=seed)
    with report_errors(), Run(run) as opened, Bar() as bar:
        backend = backend.of(opened)
        style = prompt_style(backend.model, format, system)
        settings = {
            "problems": problems,
            "split": split.value,
            "model": backend.named,
            "format": style.format,
            "system": style.system,
            "temperature": temperature,
            "seed": seed,
        }
        check_job(opened, "sample", settings)
        loaded = load_problems(problems, split=split.value, limit=limit, seed=seed)

        async def main() -> None:
            async with backend.jobs(style.format, style.system) as jobs:
                settle_job(opened, "sample", settings, jobs)
                await jobs.sample_naive(opened, loaded, naive, bar)

        asyncio.run(main())
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo corrupt {run}[/b]")
