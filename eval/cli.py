"""The whole command line: the verbs of ``scdpo.cli``, and those that measure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from eval.results import Evaluation, Settings
from scdpo.cli import app, data, tools, train
from scdpo.cli.console import Bar, console, told
from scdpo.cli.options import (
    Confirm,
    EngineOption,
    ExistingRun,
    Format,
    FormatOption,
    InFlight,
    Limit,
    Place,
    Problems,
    RunFolder,
    Seed,
    Servers,
    Split,
    Steps,
    System,
    SystemOption,
    Tokenizer,
    asked,
    with_place,
)
from scdpo.data.fingerprint import fingerprint
from scdpo.data.problems import Problem, embedded_model_path
from scdpo.data.runs import Run

if TYPE_CHECKING:
    from eval.compare import Comparison

__all__ = ["app", "data", "tools", "train"]


class By(StrEnum):
    """What problems are grouped by."""

    level = "level"
    subject = "subject"


Results = Annotated[list[Path], typer.Argument(exists=True, help="Run folders, or files of RUN/eval.")]


@app.command()
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
    from eval.pipelines.quickstart import Plan, quickstart

    with told():
        report = quickstart(run, Plan(problems=problems, tests=tests, seed=seed), console)
    console.print(f"Open [b]{report}[/b] in a browser: every solution, pair and figure of this run.")


@app.command()
@with_place
def rounds(
    run: RunFolder,
    place: Place,
    rounds: Annotated[int, typer.Option(min=1, help="How many; more may be added later.")] = 2,
    problems: Problems = "embedded",
    split: Annotated[Split, typer.Option(help="Part of the source.")] = Split.preference,
    limit: Limit = 500,
    format: Annotated[Format, typer.Option(help="How the model writes solutions.")] = Format.mathcoder,
    system: System = "",
    at_most: Annotated[int, typer.Option(min=1, help="Solutions a problem (the paper's K).")] = 100,
    steps: Steps = None,
    attempts: Annotated[int, typer.Option(min=1, help="Continuations tried after a step.")] = 16,
    confirm: Confirm = 0,
    config: train.Config = "embedded",
    change: train.Set = None,
    seed: Seed = 0,
) -> None:
    """Make pairs with the newest model, train it on them, and go on with it: on-policy rounds.

    Round r, in RUN/round-r, starts from the model of round r - 1 (round 1: from --model). That model makes the
    pairs, is trained on them by SCDPO, and is the reference of this training: each round is tied to the model
    before it, not to the first one. Stop it at any moment; the same command goes on.

    Example: [b]scdpo rounds runs/rounds --rounds 3 --limit 160 --at-most 8 --set learning_rate=2e-5[/b]
    """
    from eval.pipelines.rounds import RoundPlan, on_policy_rounds
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.jobs.local import NaiveSettings

    if place.servers:
        raise typer.BadParameter("a model server keeps the model it was started with; use another --engine")
    with train.mendable():
        training, named = train.settings_of(config, change)
        start = place if place.model or not named else replace(place, model=named)
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


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(help="Model folder or hub name; [b]embedded[/b] is the built-in one.")
    ],
    run: Annotated[Path, typer.Option(help="Run folder for results and transcripts.")] = Path(
        "runs/evaluation"
    ),
    benchmark: Annotated[
        str, typer.Option(help="gsm8k, math, math500, svamp, …, embedded, reasoning-gym:FAMILY; with commas.")
    ] = "embedded",
    data_folder: Annotated[
        Path | None, typer.Option("--data", exists=True, help="Folder with the benchmarks' files.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name in tables; its folder's name if not given.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many problems of each, the same ones every time.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Solutions a problem, for pass@k and maj@k.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
    format: FormatOption = None,
    system: SystemOption = None,
    blocks: Annotated[
        int, typer.Option(min=1, help="Blocks of a solution at most; in cot, a line is a block.")
    ] = 100,
    block_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a block at most.")] = 1024,
    seed: Seed = 0,
    in_flight: InFlight = 256,
    engine: EngineOption = None,
    servers: Servers = None,
    tokenizer: Tokenizer = None,
) -> None:
    """Measure a model on benchmarks: accuracy with an interval, every transcript kept.

    Example: [b]scdpo evaluate models/mine --benchmark gsm8k,math500 --data data --run runs/mine[/b]
    """
    from eval.compare import comparison, load

    built_in = model == "embedded"
    place = Place(None if built_in else model, in_flight, engine, servers, tokenizer)
    shown = name or ("embedded" if built_in else Path(model).name)
    with told():
        style = asked(model, format, system)
    drawn = Settings(
        engine=place.choice().engine,
        checkpoint=model,
        weights=fingerprint(embedded_model_path() if built_in else Path(model)),
        format=style.format,
        system=style.system,
        samples=samples,
        temperature=temperature,
        seed=seed,
        blocks=blocks,
        block_tokens=block_tokens,
    )
    with told(), Run(run) as opened:
        problems = {name: _problems(name, data_folder, limit, seed) for name in _names(benchmark)}
        with Bar("right") as bar:
            made = asyncio.run(_evaluate(opened, place, drawn, shown, problems, bar))
        _show_table(comparison(load([run])))
        for evaluation in made:
            _say_unfinished(evaluation)


def _names(benchmarks: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in benchmarks.split(",") if name.strip()))


def _problems(benchmark: str, data_folder: Path | None, limit: int | None, seed: int) -> list[Problem]:
    """Load a benchmark and say which of its gold answers the verifier cannot do with."""
    from eval.benchmarks import check_golds, load_benchmark

    problems = load_benchmark(benchmark, data_folder, limit, seed)
    for failure in check_golds(problems):
        words = f"gold answer not equal to itself: {failure.problem.id}: {failure.verdict.reason}"
        console.print(Text(words), soft_wrap=True)
    return problems


async def _evaluate(
    run: Run, place: Place, drawn: Settings, name: str, benchmarks: Mapping[str, list[Problem]], bar: Bar
) -> list[Evaluation]:
    from eval.evaluate import evaluate as measure
    from scdpo.sampling.sampler import SamplerLimits, sample_solutions

    limits = SamplerLimits(blocks=drawn.blocks, block_tokens=drawn.block_tokens)
    async with place.sampler(drawn.format, drawn.system, limits) as sampler:
        sample = partial(sample_solutions, sampler=sampler)
        return [
            await measure(run, problems, sample, drawn, model=name, benchmark=benchmark, progress=bar)
            for benchmark, problems in benchmarks.items()
        ]


def _say_unfinished(evaluation: Evaluation) -> None:
    """Say how many solutions did not come to their own end, and why."""
    total = sum(evaluation.endings.values())
    cut = {why: count for why, count in evaluation.endings.items() if why != "end"}
    if cut:
        reasons = ", ".join(f"{why.replace('_', ' ')} {count:,}" for why, count in sorted(cut.items()))
        words = f"{evaluation.title}: {sum(cut.values()):,} of {total:,} solutions did not end by themselves: {reasons}"
        console.print(Text(words), soft_wrap=True)


@app.command()
def compare(
    results: Results,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    by: Annotated[By | None, typer.Option(help="Also print the accuracy by level or by subject.")] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Draw accuracy against temperature to this .svg file.")
    ] = None,
) -> None:
    """Print the table of models and benchmarks with intervals, each tested against the first model.

    Example: [b]scdpo compare runs/sft runs/dpo runs/scdpo[/b]
    """
    from eval.compare import comparison, groups_table, load, sweep_plot

    with told():
        evaluations = load(results)
        table = comparison(evaluations)
        _show_table(table, markdown)
        if by is not None:
            console.print(groups_table(table, by.value))
        if sweep is not None:
            sweep.write_text(sweep_plot(evaluations), encoding="utf-8")
            console.print(f"Drawn: [b]{sweep}[/b]")


def _show_table(table: Comparison, as_markdown: bool = False) -> None:
    from eval.compare import markdown, rich_table, samples_table

    if as_markdown:
        print(markdown(table))
        return
    console.print(rich_table(table))
    several = samples_table(table)
    if several is not None:
        console.print(several)


@app.command()
def report(run: ExistingRun) -> None:
    """Write a run's page: what was made and dropped, accuracy, pairs side by side, curves, credit.

    Example: [b]scdpo report runs/quickstart[/b]
    """
    from eval.report import write_report

    with told():
        page = write_report(run)
    console.print(f"Open [b]{page}[/b] in a browser.")
