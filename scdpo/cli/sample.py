"""``scdpo sample``: sample solutions and make naive pairs of them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from scdpo.cli.backend_options import with_backend
from scdpo.cli.console import Bar, console, report_errors, say_layout, show_stages
from scdpo.cli.fields import AnswerField, QuestionField
from scdpo.cli.options import FormatOption, Problems, RunFolder, Seed, Split, SystemOption
from scdpo.data.overlap import choose_problems, held_by
from scdpo.data.problems import Problem, limit_of, open_problems
from scdpo.data.prompt_style import prompt_style
from scdpo.data.runs import Run
from scdpo.jobs.backend import Backend, check_job, settle_job
from scdpo.jobs.local import NaiveSettings
from verifier.files.fields import Fields


@with_backend
def sample(
    run: RunFolder,
    backend: Backend,
    problems: Problems = "embedded",
    split: Annotated[Split, typer.Option(help="Part of the source.")] = Split.preference,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most N problems; if not given, all, or 500 where they are generated."),
    ] = None,
    question_field: QuestionField = None,
    answer_field: AnswerField = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out the questions of this benchmark: [b]gsm8k[/b], [b]math500[/b], … (in the folder that "
            "SCDPO_DATA names, else from the hub), a file, a folder of them, or a hub data set. May be given again."
        ),
    ] = None,
    format: FormatOption = None,
    system: SystemOption = None,
    at_most: Annotated[int, typer.Option(min=1, help="Solutions per problem (the paper's K).")] = 100,
    pairs: Annotated[int, typer.Option(min=1, help="Naive pairs wanted per problem.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="Of every step.")] = 1.0,
    seed: Seed = 0,
) -> None:
    """Sample solutions and make naive pairs of them.

    Each problem is sampled until it has a preferred solution (right, no error or apology) and a dispreferred
    one (wrong), or --at-most solutions. Called again, it goes on where it stopped; with a higher --at-most, --pairs or
    --limit, or another --seed, it adds to what is there.

    How a file is read is said at the start: known layouts of data sets by their names, any other by its fields. A
    question that stands twice is asked once.

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
            **({} if backend.top_p is None else {"top_p": backend.top_p}),
        }
        check_job(opened, "sample", settings)
        fields = Fields(question_field, answer_field)
        loaded = _load(opened, problems, split, limit, seed, fields, decontaminate or [])

        async def main() -> None:
            async with backend.jobs(style.format, style.system) as jobs:
                settle_job(opened, "sample", settings, jobs)
                await jobs.sample_naive(opened, loaded, naive, bar)

        asyncio.run(main())
        stages = opened.read_json("stages.json")
        paired = any(pair.kind == "naive" for pair in opened.pairs)
    show_stages(stages)
    if paired:
        console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo corrupt {run}[/b]")
        return
    console.print(
        "No pair was made: no problem has both a preferred and a dispreferred solution yet. The table says why. Call "
        "again with a higher --at-most, or take problems that the model solves now and then.",
        soft_wrap=True,
    )


def _load(
    run: Run, source: str, split: Split, limit: int | None, seed: int, fields: Fields, benchmarks: list[str]
) -> list[Problem]:
    """Load the problems, say how their source was read, and enter how many were left out and why."""
    opened = open_problems(source, split.value, seed, fields)
    loaded = choose_problems(opened, limit_of(source, limit), held_by(benchmarks) if benchmarks else None)
    if opened.layout:
        say_layout(source)(opened.layout)
        run.write_stage("problems", len(loaded) + opened.dropped.total(), len(loaded), opened.dropped, 0.0)
    return loaded
