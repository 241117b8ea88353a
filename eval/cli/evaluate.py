"""``scdpo evaluate``: a model's accuracy on benchmarks, every transcript kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from eval.benchmarks import check_golds, load_benchmark
from eval.cli.compare import show_table
from eval.compare import comparison, load
from eval.evaluate import evaluate as measure
from eval.results import Evaluation, Settings
from scdpo.cli.backend_options import (
    Dtype,
    EngineOption,
    GpuMemory,
    InFlight,
    MaxModelLen,
    Servers,
    TensorParallelSize,
    Tokenizer,
    TopP,
    TrustRemoteCode,
)
from scdpo.cli.console import Bar, console, report_errors
from scdpo.cli.fields import AnswerField, QuestionField
from scdpo.cli.options import FormatOption, Seed, SystemOption
from scdpo.data.fingerprint import fingerprint
from scdpo.data.problems import Problem, embedded_model_path
from scdpo.data.prompt_style import prompt_style
from scdpo.data.runs import Run
from scdpo.jobs.backend import Backend
from scdpo.sampling.sampler import SamplerLimits, sample_solutions
from verifier.files.fields import Fields


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
    question_field: QuestionField = None,
    answer_field: AnswerField = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name in tables; its folder's name if not given.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most N problems of each, the same ones every time.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Solutions per problem, for pass@k and maj@k.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
    format: FormatOption = None,
    system: SystemOption = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            min=1, help="Blocks of a solution at most; 100 in mathcoder, else unbounded, if not given."
        ),
    ] = None,
    block_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens of a block at most; 1,024 in mathcoder, else 32,768, if not given."),
    ] = None,
    seed: Seed = 0,
    in_flight: InFlight = 256,
    engine: EngineOption = None,
    servers: Servers = None,
    tokenizer: Tokenizer = None,
    tensor_parallel_size: TensorParallelSize = None,
    max_model_len: MaxModelLen = None,
    gpu_memory_utilization: GpuMemory = None,
    dtype: Dtype = None,
    trust_remote_code: TrustRemoteCode = None,
    top_p: TopP = None,
) -> None:
    """Measure a model on benchmarks: accuracy with an interval, every transcript kept.

    Example: [b]scdpo evaluate models/mine --benchmark gsm8k,math500 --data data --run runs/mine[/b]
    """
    built_in = model == "embedded"
    backend = Backend(
        None if built_in else model,
        in_flight,
        engine,
        servers,
        tokenizer,
        tensor_parallel_size=tensor_parallel_size,
        max_model_len=max_model_len,
        gpu_memory_utilization=gpu_memory_utilization,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        top_p=top_p,
    )
    shown = name or ("embedded" if built_in else Path(model).name)
    with report_errors():
        style = prompt_style(model, format, system)
    drawn = Settings(
        engine=backend.choice().engine,
        checkpoint=model,
        weights=fingerprint(embedded_model_path() if built_in else Path(model)),
        format=style.format,
        system=style.system,
        samples=samples,
        temperature=temperature,
        seed=seed,
        blocks=blocks or (100 if style.format == "mathcoder" else 0),
        block_tokens=block_tokens or (1024 if style.format == "mathcoder" else 0),
    )
    with report_errors(), Run(run) as opened:
        fields = Fields(question_field, answer_field)
        problems = {name: _problems(name, data_folder, limit, seed, fields) for name in _names(benchmark)}
        with Bar("correct") as bar:
            made = asyncio.run(_evaluate(opened, backend, drawn, shown, problems, bar))
        show_table(comparison(load([run])))
        for evaluation in made:
            _say_unfinished(evaluation)


def _names(benchmarks: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in benchmarks.split(",") if name.strip()))


def _problems(
    benchmark: str, data_folder: Path | None, limit: int | None, seed: int, fields: Fields
) -> list[Problem]:
    """Load a benchmark and say which of its gold answers the verifier cannot do with."""
    problems = load_benchmark(benchmark, data_folder, limit, seed, fields)
    for failure in check_golds(problems):
        words = f"gold answer not equal to itself: {failure.problem.id}: {failure.verdict.reason}"
        console.print(Text(words), soft_wrap=True)
    return problems


async def _evaluate(
    run: Run, backend: Backend, drawn: Settings, name: str, benchmarks: Mapping[str, list[Problem]], bar: Bar
) -> list[Evaluation]:
    limits = SamplerLimits(drawn.blocks or None, drawn.block_tokens or None)
    async with backend.sampler(drawn.format, drawn.system, limits) as sampler:
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
