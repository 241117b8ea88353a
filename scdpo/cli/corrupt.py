"""``scdpo corrupt``: let right solutions go wrong after a chosen step, and pair the two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sandbox import AsyncSandbox
from scdpo.cli.backend_options import with_backend
from scdpo.cli.console import Bar, console, report_errors, say_layout, show_stages
from scdpo.cli.fields import ROWS, AnswerField, QuestionField, SolutionField
from scdpo.cli.options import Confirm, ModelFormat, RunFolder, Seed, Steps, System, refuse
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.guided import GuidedSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.import_solutions import import_solutions
from scdpo.data.prompt_style import sampled_system
from scdpo.data.runs import Run, RunError
from scdpo.jobs.backend import Backend, LocalJobs, check_job, settle_job
from scdpo.jobs.budget import Grants, Spending, spend
from scdpo.jobs.local import branch_by_mutation
from scdpo.sampling.schedule import Schedule
from verifier.files.fields import Fields

if TYPE_CHECKING:
    from scdpo.jobs.cluster import Cluster


class Corruptor(StrEnum):
    """What makes a solution go wrong after a step."""

    temperature = "temperature"
    mutation = "mutation"
    first_pit = "first-pit"
    guided = "guided"


TEMPERATURE_ALONE: Final = ("steps", "pairs", "first", "increment", "maximum", "budget_tokens")
"""Options of ``corrupt`` that the other corruptors have no use for."""
PIT_ALONE: Final = ("rollouts", "wrong")
"""Options of ``corrupt`` that only the first pit has a use for."""
OF_A_FILE: Final = ("format", "question_field", "answer_field", "solution_field")
"""Options of ``corrupt`` that say how a file of solutions is read."""


@with_backend
def corrupt(
    context: typer.Context,
    run: RunFolder,
    backend: Backend,
    corruptor: Annotated[
        Corruptor, typer.Option(help="What makes a solution go wrong.")
    ] = Corruptor.temperature,
    solutions: Annotated[
        str | None,
        typer.Option(help=f"First bring in solutions: {ROWS}."),
    ] = None,
    question_field: QuestionField = None,
    answer_field: AnswerField = None,
    solution_field: SolutionField = None,
    format: Annotated[
        ModelFormat | None,
        typer.Option(
            help="How the model that will be trained writes, and texts in that file are written; "
            "the run's own or [b]mathcoder[/b] if not given."
        ),
    ] = None,
    system: System = "",
    steps: Steps = None,
    attempts: Annotated[
        int | None,
        typer.Option(
            min=1, help="Continuations tried after a step: 16 if not given (temperature), 4 (guided)."
        ),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs kept after a step (temperature).")] = 1,
    first: Annotated[float, typer.Option(min=0, help="Temperature of the first new step.")] = 1.1,
    increment: Annotated[float, typer.Option(min=0, help="More for each further step.")] = 0.05,
    maximum: Annotated[float, typer.Option(min=0, help="Highest temperature.")] = 1.4,
    rollouts: Annotated[int, typer.Option(min=1, help="Roll-outs from one place at most (first-pit).")] = 8,
    wrong: Annotated[int, typer.Option(min=1, help="Wrong solutions per problem (first-pit).")] = 1,
    confirm: Confirm = 0,
    budget_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens that the corruptor may sample for this run in all; they go to the steps where the model is "
            "unsure (temperature).",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make step-controlled pairs: let right solutions go wrong after a chosen step.

    With --corruptor temperature the model goes on after every step at a rising temperature. With --corruptor
    mutation the code is changed by program; that needs no model, and takes any file of solutions.

    With --corruptor guided the model is shown a right step and asked for it again with one small mistake of a named
    kind; it goes on from there. It must be a model that follows instructions.

    With --corruptor first-pit the wrong solutions that sampling made are searched, by roll-outs, for the first step
    after which none ends right: their own rest is rejected, a roll-out that succeeded from the step before is chosen.

    The others branch off one right solution of each problem that has a naive pair, and off all right solutions that
    --solutions brings in of other problems.

    With --confirm N the model goes on N times at temperature 1 from the shared steps, and N times from after the
    first wrong step: the pair records how often it still gets to the right answer, and training can leave out
    pairs whose error begins elsewhere (scdpo train --set confirmed_only=true).

    With --budget-tokens N attempts go, few by few, to the steps after which it is least certain what comes: where they
    keep coming out right, and where the model never succeeds, little is spent. What the budget is expected to give is
    told before, and what came after.

    Called again, it goes on; with more --steps, --attempts, --pairs or --confirm, or another --seed, it makes what is
    lacking. Pairs that were made without roll-outs, or by others, get them then.

    Examples: [b]scdpo corrupt runs/mine --confirm 4[/b]
    [b]scdpo corrupt runs/mine --corruptor mutation --solutions solutions.jsonl.gz[/b]
    """
    if maximum < first:
        raise typer.BadParameter(f"--maximum {maximum} is below --first {first}")
    if corruptor is not Corruptor.temperature:
        refuse(context, TEMPERATURE_ALONE, "goes with --corruptor temperature alone")
    if corruptor in (Corruptor.mutation, Corruptor.first_pit):
        refuse(context, ("attempts",), "goes with --corruptor temperature or guided")
    if corruptor is Corruptor.first_pit:
        refuse(context, ("confirm",), "is what the first pit does by itself")
    else:
        refuse(context, PIT_ALONE, "goes with --corruptor first-pit alone")
    if solutions is None:
        refuse(context, OF_A_FILE, "goes with --solutions alone")
    branches = BranchSettings(
        Schedule(first, increment, maximum), steps, attempts or 16, pairs=pairs, seed=seed, confirm=confirm
    )
    work = {
        Corruptor.temperature: lambda: by_temperature(branches, budget_tokens),
        Corruptor.mutation: lambda: by_mutation(seed, confirm),
        Corruptor.first_pit: lambda: by_first_pits(PitSettings(rollouts, wrong, seed)),
        Corruptor.guided: lambda: by_guidance(GuidedSettings(attempts or 4, seed, confirm)),
    }[corruptor]()
    with report_errors(), Run(run) as opened, Bar() as bar:
        if solutions is not None:
            fields = Fields(question_field, answer_field, solution_field)
            import_solutions(
                opened, solutions, format.value if format else None, fields, say_layout(solutions)
            )
        written = _format_of(opened, confirm)
        if work.samples:
            backend = backend.of(opened)
        system = system or sampled_system(opened)
        settings = {**({"model": backend.named, "system": system} if work.samples else {}), **work.settings}
        check_job(opened, work.job, settings)

        async def main() -> None:
            if not work.samples and backend.cluster is None:
                opened.settle(work.job, settings)
                await _mutate(opened, backend, seed, bar)
                return
            async with backend.jobs(written, system) as jobs:
                settle_job(opened, work.job, settings, jobs)
                await work.make(jobs, opened, bar)
                if confirm:
                    await jobs.confirm_pairs(opened, confirm, seed, corruptor.value, bar)

        asyncio.run(main())
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train {run}[/b]")


@dataclass(frozen=True, slots=True)
class Work:
    """What a corruptor does in a run.

    Attributes:
        job: the name under which its settings are kept in the run.
        settings: those that must stay as they are when it goes on.
        make: makes its pairs.
        samples: whether it needs a model.
    """

    job: str
    settings: Mapping[str, Any]
    make: Callable[[LocalJobs | Cluster, Run, Bar], Awaitable[None]]
    samples: bool = True


def by_temperature(branches: BranchSettings, budget_tokens: int | None) -> Work:
    """Return the work of the temperature corruptor."""
    rising = branches.schedule
    settings = {
        "schedule": [rising.first, rising.increment, rising.maximum],
        "steps": branches.steps,
        "attempts": branches.attempts,
        "pairs": branches.pairs,
        "seed": branches.seed,
        "confirm": branches.confirm,
        "budget_tokens": budget_tokens,
    }

    async def make(jobs: LocalJobs | Cluster, run: Run, bar: Bar) -> None:
        async def one_pass(grants: Grants | None = None) -> None:
            await jobs.branch_by_temperature(run, branches, bar, grants)

        if budget_tokens is None:
            await one_pass()
        else:
            await spend(run, branches, budget_tokens, one_pass, SayBudget())

    return Work("corrupt", settings, make)


def by_mutation(seed: int, confirm: int) -> Work:
    """Return the work of the mutation corruptor; it needs a model for its roll-outs alone."""

    async def make(jobs: LocalJobs | Cluster, run: Run, bar: Bar) -> None:
        await jobs.branch_by_mutation(run, seed, bar, confirm)

    return Work("mutate", {"seed": seed, "confirm": confirm}, make, samples=bool(confirm))


def by_first_pits(pits: PitSettings) -> Work:
    """Return the work of the first pit."""

    async def make(jobs: LocalJobs | Cluster, run: Run, bar: Bar) -> None:
        await jobs.branch_at_first_pits(run, pits, bar)

    return Work("first-pit", {"rollouts": pits.rollouts, "wrong": pits.solutions, "seed": pits.seed}, make)


def by_guidance(guided: GuidedSettings) -> Work:
    """Return the work of the guided corruptor."""

    async def make(jobs: LocalJobs | Cluster, run: Run, bar: Bar) -> None:
        await jobs.branch_by_guidance(run, guided, bar)

    settings = {"attempts": guided.attempts, "seed": guided.seed, "confirm": guided.confirm}
    return Work("guided", settings, make)


class SayBudget:
    """Prints what a budget is expected to give, and what came."""

    def expects(self, left: int, estimate: Spending) -> None:
        """Say it before the first pass."""
        console.print(
            f"{left:,} tokens to spend: about {estimate.pairs} pairs from {estimate.tokens:,} of them"
        )

    def came(self, estimate: Spending, spent: Spending) -> None:
        """Say it after the last pass."""
        console.print(
            f"{spent.pairs} pairs came of {spent.tokens:,} tokens (expected: {estimate.pairs} of {estimate.tokens:,})"
        )


def _format_of(run: Run, confirm: int) -> str:
    """Return how the run's solutions are written; of pairs that others made, how they are, where roll-outs are wanted.

    Raises:
        RunError: if the run holds nothing to begin with.
    """
    solution = next(iter(run.solutions), None)
    if solution is not None:
        return solution.sampling.format
    pair = next(iter(run.pairs), None) if confirm else None
    if pair is None:
        raise RunError(
            f"{run.folder} holds no solutions: scdpo sample makes them, --solutions FILE brings them in"
        )
    return pair.format


async def _mutate(opened: Run, backend: Backend, seed: int, bar: Bar) -> None:
    """Mutate on this machine without a model, which is not loaded."""
    async with AsyncSandbox(max_sessions=backend.at_once) as box:
        await branch_by_mutation(opened, box, seed, bar)
