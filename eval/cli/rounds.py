"""``scdpo rounds``: on-policy rounds of making pairs and training on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from eval.pipelines.rounds import RoundPlan, on_policy_rounds
from scdpo.cli.backend_options import with_backend
from scdpo.cli.console import console, quiet_libraries, report_errors
from scdpo.cli.options import Confirm, Limit, ModelFormat, Problems, RunFolder, Seed, Split, Steps, System
from scdpo.cli.training import Config, Set, settings_of
from scdpo.corrupt.temperature import BranchSettings
from scdpo.jobs.backend import Backend
from scdpo.jobs.local import NaiveSettings


@with_backend
def rounds(
    run: RunFolder,
    backend: Backend,
    rounds: Annotated[int, typer.Option(min=1, help="How many; more may be added later.")] = 2,
    problems: Problems = "embedded",
    split: Annotated[Split, typer.Option(help="Part of the source.")] = Split.preference,
    limit: Limit = 500,
    format: Annotated[
        ModelFormat, typer.Option(help="How the model writes solutions.")
    ] = ModelFormat.mathcoder,
    system: System = "",
    at_most: Annotated[int, typer.Option(min=1, help="Solutions per problem (the paper's K).")] = 100,
    steps: Steps = None,
    attempts: Annotated[int, typer.Option(min=1, help="Continuations tried after a step.")] = 16,
    confirm: Confirm = 0,
    config: Config = "embedded",
    change: Set = None,
    seed: Seed = 0,
) -> None:
    """Make pairs with the newest model, train it on them, and go on with it: on-policy rounds.

    Round r, in RUN/round-r, starts from the model of round r - 1 (round 1: from --model). That model makes the
    pairs, is trained on them by SCDPO, and is the reference of this training: each round is tied to the model
    before it, not to the first one. Stop it at any moment; the same command goes on.

    Example: [b]scdpo rounds runs/rounds --rounds 3 --limit 160 --at-most 8 --set learning_rate=2e-5[/b]
    """
    if backend.servers:
        raise typer.BadParameter("a model server keeps the model it was started with; use another --engine")
    quiet_libraries()
    with report_errors():
        training, named = settings_of(config, change)
        start = backend if backend.model or not named else replace(backend, model=named)
        plan = RoundPlan(
            problems,
            split.value,
            limit,
            format.value,
            system,
            NaiveSettings(at_most=at_most, seed=seed),
            BranchSettings(steps=steps, attempts=attempts, confirm=confirm, seed=seed),
            training,
        )
        model = on_policy_rounds(run, rounds, start, plan, console)
    console.print(
        f"Newest model: [b]{model}[/b]. Next: [b]scdpo evaluate {model} --name round-{rounds} --run {run}[/b]"
    )
