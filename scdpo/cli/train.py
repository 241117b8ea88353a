"""The verbs that train: ``sft``, ``train`` and ``credit``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from sandbox import Block, Solution
from scdpo.cli import app
from scdpo.cli.console import console, told
from scdpo.cli.options import ExistingRun, Model, RunFolder, sampled_model, sampled_system, sampling_of
from scdpo.data.problems import embedded_model_path
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run, RunError

if TYPE_CHECKING:
    from scdpo.training.credit import Interval, Localisation, TokenCredit
    from scdpo.training.dry_run import Plan
    from scdpo.training.train import TrainResult


class Method(StrEnum):
    """What is trained on: naive pairs alone, or step-controlled ones too."""

    dpo = "dpo"
    scdpo = "scdpo"


Config = Annotated[
    str,
    typer.Option(help="A recipe's name (embedded, mistral-7b, …) or a YAML file as trl reads it."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as name=value; stands above the recipe's. May be given again."),
]
Output = Annotated[
    Path | None,
    typer.Option(help="Where the model goes; RUN/model/METHOD, where the report finds it, if not given."),
]


def settings_of(config: str, changes: list[str] | None) -> tuple[dict[str, Any], str | None]:
    """Return the settings of a recipe with changes, and the model that it names."""
    from scdpo import recipes

    settings = recipes.load(config)
    for change in changes or []:
        name, equals, value = change.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set wants name=value, not {change!r}")
        settings[name] = yaml.safe_load(value)
    return settings, settings.pop("model_name_or_path", None)


def start_model(run: Path, model: str | None, named: str | None) -> str:
    """Return the model to start from: the one asked for, else the recipe's or the run's, else the built-in one.

    Args:
        run: the run folder, whose solutions a model sampled.
        model: what ``--model`` says.
        named: what the recipe says.

    Raises:
        RunError: if recipe and run name different models, or what is named is a folder and not a model.
    """
    sampled = None if model else sampled_model(Run(run))
    if named and sampled and not model and Path(named).resolve() != Path(sampled).resolve():
        raise RunError(
            f"the recipe starts from {named}, and {run} was sampled with {sampled}: say with --model which it is"
        )
    start = model or named or sampled or str(embedded_model_path())
    # A name on the hub is OWNER/NAME.
    is_path = (
        start.startswith((".", "/")) or start.count("/") > 1 or (Path(start).parent.exists() and "/" in start)
    )
    if is_path and not (Path(start) / "config.json").is_file():
        adapter = (Path(start) / "adapter_config.json").is_file()
        what = "is an adapter alone: merge it into its model, and name that" if adapter else "is no model"
        raise RunError(f"{start} {what}; `scdpo sft` leaves one in RUN/model/sft, --model says where it is")
    return start


def asked_as_sampled(run: Path, settings: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """Return settings with the format and the system message that a run was sampled with, if it was.

    What the model was asked with stands above a recipe, for its pairs are of that prompt.

    Raises:
        RunError: if ``--set`` says otherwise.
    """
    sampled = sampling_of(Run(run))
    own = {
        setting: sampled[name]
        for name, setting in {"format": "format", "system": "system_prompt"}.items()
        if name in sampled
    }
    for name, value in own.items():
        if settings.get(name, value) == value:
            continue
        if any(change.startswith(f"{name}=") for change in changes or []):
            raise RunError(f"{run} was sampled with {name}={value!r}: leave out --set {name}, or sample anew")
        words = f"{name} is {value!r}, as {run} was sampled, not the recipe's {settings[name]!r}"
        console.print(Text(words), soft_wrap=True)
    return {**settings, **own}


@contextmanager
def mendable() -> Iterator[None]:
    """Also tell a wrong setting, model or pair, or a missing package, in one line."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # the trainer's own bar is the one to look at
    with told():
        try:
            yield
        except (ValueError, OSError, ImportError) as error:
            raise RunError(str(error)) from error


@app.command()
def sft(
    run: RunFolder,
    config: Config = "embedded-sft",
    model: Model = None,
    output: Output = None,
    change: Set = None,
) -> None:
    """Fine-tune a model on the preferred solutions of a run; kernel output is context, not target.

    Example: [b]scdpo sft runs/mine --config smollm2-135m-sft --set num_train_epochs=1[/b]
    """
    from scdpo.training.sft import sft as fine_tune

    with mendable():
        settings, named = settings_of(config, change)
        settings = asked_as_sampled(run, settings, change)
        start = start_model(run, model, named)
        result = fine_tune(run / "solutions.jsonl", start, output or run / "model" / "sft", settings)
    _show(result)


@app.command()
def train(
    run: RunFolder,
    method: Annotated[
        Method, typer.Option(help="Naive pairs alone, or step-controlled ones too.")
    ] = Method.scdpo,
    config: Config = "embedded",
    model: Model = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs to train on; RUN/pairs.jsonl if not given.")
    ] = None,
    output: Output = None,
    change: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count pairs, tokens, steps and memory only.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, envvar="WORLD_SIZE", help="Devices that --dry-run counts for.")
    ] = 1,
) -> None:
    """Train a model on the pairs of a run by DPO or Step-Controlled DPO.

    Called again after a stop, it goes on from the last checkpoint. Also under accelerate:
    accelerate launch -m scdpo.cli train RUN …

    Example: [b]scdpo train runs/mine --method scdpo --config mistral-7b --model models/sft --dry-run --processes 8[/b]
    """
    from scdpo.training.dry_run import dry_run as count
    from scdpo.training.train import train as preference_train

    with mendable():
        settings, named = settings_of(config, change)
        settings = asked_as_sampled(run, settings, change)
        start = start_model(run, model, named)
        source = pairs or run / "pairs.jsonl"
        if dry_run:
            _show_plan(count(source, start, method.value, settings, processes))
            return
        target = output or run / "model" / method.value
        result = preference_train(source, start, target, method.value, settings)
    _show(result)


def _show(result: TrainResult) -> None:
    table = Table(title=f"Trained {result.steps} steps: {result.model_path}", title_justify="left")
    table.add_column("figure")
    table.add_column("last value", justify="right")
    for name, value in result.metrics.items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.4g}")
    table.add_row("tokens encoded", f"{result.tokens:,}")
    table.add_row("peak memory", f"{result.peak_memory:.3g} GiB")
    console.print(table)
    for reason, number in result.report.dropped.items():
        console.print(f"dropped: {number} × {reason.replace('_', ' ')}")


_TFLOPS = 100
"""What one large accelerator sustains in bf16, about."""
_PLANNED = {
    "retokenised": "sides tokenised again",
    "tokens_plain": "tokens an epoch, each side on its own",
    "tokens_encoded": "tokens an epoch, as encoded",
    "tokens_counted": "tokens an epoch that count in the loss",
    "largest_batch": "tokens of the largest pass",
    "batch_pairs": "pairs a step",
    "steps": "steps in all",
    "parameters": "parameters",
    "trainable": "parameters that change",
}


def _show_plan(plan: Plan) -> None:
    table = Table(title="This training, counted beforehand", title_justify="left")
    table.add_column("what")
    table.add_column("how much", justify="right")
    for kind, pairs in plan.pairs.items():
        table.add_row(f"pairs: {kind.replace('_', ' ')}", f"{pairs:,}")
    for reason, pairs in plan.dropped.items():
        table.add_row(f"dropped: {reason.replace('_', ' ')}", f"{pairs:,}")
    for name, label in _PLANNED.items():
        table.add_row(label, f"{getattr(plan, name):,}")
    for part, amount in plan.to_dict()["memory"].items():
        table.add_row(f"memory of one device, unsharded: {part}", f"{amount:.3g} GiB")
    if plan.processes > 1:
        shared = plan.memory.sharded(plan.processes)
        label = f"memory of one device, sharded over {plan.processes} (FSDP, ZeRO-3): total"
        table.add_row(label, f"{shared.total:.3g} GiB")
    table.add_row("floating-point operations", f"{plan.train_flops:.3g}")
    hours = plan.hours(_TFLOPS * plan.processes)
    table.add_row(f"hours on {plan.processes} of {_TFLOPS} TFLOP/s", f"{hours:.3g}")
    console.print(table)


@app.command()
def credit(
    run: ExistingRun,
    models: Annotated[
        list[str], typer.Option("--models", help="A trained model, as NAME=FOLDER. May be given again.")
    ],
    reference: Annotated[
        str | None, typer.Option(help="What they were trained from; as for train if not given.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="Id of the pair to show; the first step-controlled one if not given.")
    ] = None,
    beta: Annotated[float, typer.Option(min=0, help="Beta of the training.")] = 0.1,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="A run of other problems: also measure how well credit finds the errors of its pairs."
        ),
    ] = None,
) -> None:
    """Show where each model puts credit in a wrong solution: a page, a picture, and the data for the report.

    Example: [b]scdpo credit runs/mine --models SCDPO=runs/mine/model/scdpo --models DPO=runs/mine/model/dpo[/b]
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from scdpo.data.encoding import SolutionEncoder
    from scdpo.training.credit import localise, token_credit

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with mendable():
        shown = _pair_to_show(run, pair)
        base = reference or sampled_model(Run(run)) or str(embedded_model_path())
        encoder = SolutionEncoder(AutoTokenizer.from_pretrained(base), shown.format, sampled_system(Run(run)))
        before = AutoModelForCausalLM.from_pretrained(base).to(device)
        solution = Solution(tuple(Block(b.type, b.content) for b in [*shown.prefix, *shown.rejected]))
        errors = [p.model_dump() for p in Run(measure).pairs] if measure else []
        found, measured = {}, {}
        for name, folder in _named(models).items():
            trained = AutoModelForCausalLM.from_pretrained(folder).to(device)
            found[name] = token_credit(trained, before, encoder, shown.question, solution, beta)
            if measure:
                measured[name] = localise(trained, before, encoder, errors, beta)
        place = run / "credit"
        _write_credit(place, shown, found)
        if measured:
            _write_measured(place, measured)
    console.print(f"Open [b]{place / 'credit.html'}[/b]; the picture is beside it.")


def _pair_to_show(run: Path, pair: str | None) -> PairRecord:
    wanted = (p for p in Run(run).pairs if (p.id == pair if pair else p.kind == "step_controlled"))
    shown = next(wanted, None)
    if shown is None:
        raise FileNotFoundError(f"{run} has no pair {pair or 'that is step-controlled'}")
    return shown


def _named(models: list[str]) -> dict[str, str]:
    """Return the folder of each model by its name."""
    folders = {}
    for entry in models:
        name, equals, folder = entry.partition("=")
        if not equals:
            raise typer.BadParameter(f"--models wants NAME=FOLDER, not {entry!r}")
        folders[name] = folder
    return folders


def _write_credit(place: Path, shown: PairRecord, found: dict[str, list[TokenCredit]]) -> None:
    """Write the page, the picture, and the data that the report draws."""
    from eval.credit_page import page, save_png

    shared = len(Solution.of([b.model_dump() for b in shown.prefix]).steps)
    title = f"Credit in a wrong solution ({shown.id})"
    place.mkdir(parents=True, exist_ok=True)
    answers = f"The right answer is {shown.gold}; this solution's is {shown.rejected_answer}."
    (place / "credit.html").write_text(page(title, shown.question, found, shared, answers), encoding="utf-8")
    save_png(place / "credit.png", found, shared)
    data = {name: [asdict(token) for token in tokens] for name, tokens in found.items()}
    (place / "credit.json").write_text(
        json.dumps({"title": title, "question": shown.question, "models": data}), encoding="utf-8"
    )


def _write_measured(place: Path, measured: dict[str, Localisation]) -> None:
    """Print how well each model's credit finds the erroneous step, and keep the figures."""

    def cell(interval: Interval, scale: float = 1, digits: int = 2) -> str:
        low, value, high = (f"{scale * v:.{digits}f}" for v in (interval.low, interval.value, interval.high))
        return f"{value} \\[{low}, {high}]"

    some = next(iter(measured.values()))
    table = Table(
        title=f"How well credit finds the erroneous step of {some.solutions} solutions of {some.problems} problems,\n"
        f"with 95 % intervals over problems (by chance: rank {some.chance_rank:.2f}, AUROC 0.500)",
        title_justify="left",
    )
    table.add_column("model")
    for column in ("error's rank", "first, %", "AUROC"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in measured.items():
        table.add_row(name, cell(one.rank), cell(one.first, 100, 1), cell(one.auroc, digits=3))
    console.print(table)
    figures = {name: asdict(one) for name, one in measured.items()}
    (place / "localisation.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
