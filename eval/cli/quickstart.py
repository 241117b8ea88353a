"""``scdpo quickstart``: the whole job on the built-in model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eval.pipelines import quickstart as pipeline
from scdpo.cli.console import console, report_errors


def quickstart(
    run: Annotated[Path, typer.Argument(help="The run folder; made if it is not there.")] = Path(
        "runs/quickstart"
    ),
    problems: Annotated[int, typer.Option(min=10, help="Problems sampled for pairs.")] = 160,
    tests: Annotated[int, typer.Option(min=10, help="Held-out problems for evaluation.")] = 300,
    seed: Annotated[int, typer.Option(help="Fixes every sample and training.")] = 0,
) -> None:
    """Do the whole job on the built-in model: sample, pair, train DPO and SCDPO, evaluate, report.

    Takes some minutes on two cores and needs no network. Stop it at any moment; the same command goes on.

    Example: [b]scdpo quickstart runs/quickstart[/b]
    """
    with report_errors():
        report = pipeline.quickstart(
            run, pipeline.QuickstartPlan(problems=problems, tests=tests, seed=seed), console
        )
    console.print(f"Open [b]{report}[/b] in a browser: every solution, pair and figure of this run.")
