"""``scdpo values``: how often the model gets to the right answer from every step of a run's solutions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Annotated

import typer
from rich.table import Table

from scdpo.cli.backend_options import with_backend
from scdpo.cli.console import Bar, console, report_errors
from scdpo.cli.options import ExistingRun, Seed
from scdpo.corrupt.values import ValueSettings
from scdpo.data.prompt_style import sampled_system
from scdpo.data.runs import Run, RunError
from scdpo.jobs.backend import Backend, check_job, settle_job


@with_backend
def values(
    run: ExistingRun,
    backend: Backend,
    rollouts: Annotated[int, typer.Option(min=1, help="From each step.")] = 8,
    seed: Seed = 0,
) -> None:
    """Estimate the value of every step in the solutions of a run's naive pairs, by roll-outs at temperature 1.

    They are written to RUN/values.jsonl; scdpo export --values turns them into labels for process reward models.

    Example: [b]scdpo values runs/mine --rollouts 8[/b]
    """
    with report_errors(), Run(run) as opened, Bar("values") as bar:
        first_one = next(iter(opened.solutions), None)
        if first_one is None:
            raise RunError(f"{run} holds no solutions: scdpo sample makes them")
        backend = backend.of(opened)
        system = sampled_system(opened)
        settings = {"model": backend.named, "system": system, "rollouts": rollouts, "seed": seed}
        check_job(opened, "values", settings)

        async def main() -> None:
            async with backend.jobs(first_one.sampling.format, system) as jobs:
                settle_job(opened, "values", settings, jobs)
                await jobs.estimate_values(opened, ValueSettings(rollouts, seed), bar)

        asyncio.run(main())
        _show(opened)
    console.print(f"Values in [b]{run / 'values.jsonl'}[/b].")


def _show(run: Run) -> None:
    """Print the mean value by step, of right and of wrong solutions, and what it took."""
    means: dict[int, dict[bool, list[float]]] = defaultdict(lambda: {True: [], False: []})
    tokens = 0
    for value in run.values:
        means[value.step][value.solution_right].append(value.right / value.tried)
        tokens += value.tokens
    table = Table(title=f"Mean value after a step ({tokens:,} tokens sampled)", title_justify="left")
    for name in ("after step", "right solutions", "number", "wrong solutions", "number"):
        table.add_column(name, justify="right")
    for step, sides in sorted(means.items()):
        cells = [f"{sum(v) / len(v):.2f}" if v else "–" for v in sides.values()]
        right, wrong = (str(len(v)) for v in sides.values())
        table.add_row("none" if step < 0 else str(step), cells[0], right, cells[1], wrong)
    console.print(table)
