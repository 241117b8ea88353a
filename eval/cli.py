"""The whole command line: the verbs of ``scdpo.cli``, and those that measure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from eval.results import Settings
from scdpo.cli import app, data, tools, train
from scdpo.cli.console import Bar, console, told
from scdpo.cli.options import (
    Confirm,
    EngineName,
    EngineOption,
    ExistingRun,
    Format,
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
    Tokenizer,
    with_place,
)
from scdpo.runs import Run

__all__ = ["app", "data", "tools", "train"]

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
    from eval.quickstart import Plan, quickstart

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
    from eval.rounds import RoundPlan, on_policy_rounds
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.jobs import NaiveSettings

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
    console.print(f"Newest model: [b]{model}[/b]. Next: [b]scdpo evaluate {model} --run {run}[/b]")


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
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many problems of each.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Solutions a problem, for pass@k and maj@k.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
    format: Annotated[Format, typer.Option(help="How the model writes solutions.")] = Format.mathcoder,
    system: System = "",
    seed: Seed = 0,
    in_flight: InFlight = 256,
    engine: EngineOption = EngineName.transformers,
    servers: Servers = None,
    tokenizer: Tokenizer = None,
) -> None:
    """Measure a model on benchmarks: accuracy with an interval, every transcript kept.

    Example: [b]scdpo evaluate models/mine --benchmark gsm8k,math500 --data data --run runs/mine[/b]
    """
    built_in = model == "embedded"
    place = Place(None if built_in else model, in_flight, engine, servers, tokenizer)
    place.choice()
    shown = name or ("embedded" if built_in else Path(model).name)
    drawn = Settings(
        engine=engine.value,
        checkpoint=model,
        format=format.value,
        samples=samples,
        temperature=temperature,
        seed=seed,
    )
    names = [b.strip() for b in benchmark.split(",") if b.strip()]
    with told(), Run(run) as opened, Bar("right") as bar:
        asyncio.run(_evaluate(opened, place, drawn, system, shown, names, data_folder, limit, bar))
    _show_table([run])


async def _evaluate(
    run: Run,
    place: Place,
    drawn: Settings,
    system: str,
    name: str,
    benchmarks: list[str],
    data_folder: Path | None,
    limit: int | None,
    bar: Bar,
) -> None:
    from eval.benchmarks import check_golds, load_benchmark
    from eval.evaluate import evaluate as measure
    from scdpo.sampler import sample_solutions

    async with place.sampler(drawn.format, system) as sampler:
        for benchmark in benchmarks:
            problems = load_benchmark(benchmark, data_folder, limit, drawn.seed)
            for failure in await asyncio.to_thread(check_golds, problems):
                console.print(
                    f"gold answer not equal to itself: {failure.problem.id}: {failure.verdict.reason}"
                )
            bar.start(f"{name} on {benchmark}", len(problems) * drawn.samples, 0)
            await measure(
                run,
                problems,
                partial(sample_solutions, sampler=sampler),
                drawn,
                model=name,
                benchmark=benchmark,
                on_solution=lambda record: bar.advance(int(record.verdict.status == "correct")),
            )


@app.command()
def compare(
    results: Results,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    sweep: Annotated[
        Path | None, typer.Option(help="Draw accuracy against temperature to this .svg file.")
    ] = None,
) -> None:
    """Print the table of models and benchmarks with intervals, each tested against the first model.

    Example: [b]scdpo compare runs/sft runs/dpo runs/scdpo[/b]
    """
    from eval.compare import load, sweep_plot

    with told():
        _show_table(results, markdown)
        if sweep is not None:
            sweep.write_text(sweep_plot(load(results)), encoding="utf-8")
            console.print(f"Drawn: [b]{sweep}[/b]")


def _show_table(results: list[Path], as_markdown: bool = False) -> None:
    from eval.compare import comparison, load, markdown, rich_table, samples_table

    table = comparison(load(results))
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
