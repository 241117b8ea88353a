"""``scdpo train``: train a model on the pairs of a run, or count beforehand what that takes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from scdpo.cli.console import console, quiet_libraries, report_errors
from scdpo.cli.options import ExistingRun, Model
from scdpo.cli.training import (
    Config,
    Output,
    Set,
    asked_as_sampled,
    settings_of,
    show_result,
    start_model,
)
from scdpo.training.dry_run import Plan
from scdpo.training.dry_run import dry_run as count
from scdpo.training.train import train as preference_train


class Method(StrEnum):
    """What is trained on: naive pairs alone, or step-controlled ones too."""

    dpo = "dpo"
    scdpo = "scdpo"


def train(
    run: ExistingRun,
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
    accelerate launch -m scdpo train RUN …

    Example: [b]scdpo train runs/mine --method scdpo --config mistral-7b --model models/sft --dry-run --processes 8[/b]
    """
    quiet_libraries()
    with report_errors():
        settings, named = settings_of(config, change)
        settings = asked_as_sampled(run, settings, change)
        start = start_model(run, model, named)
        source = pairs or run / "pairs.jsonl"
        if dry_run:
            _show_plan(count(source, start, method.value, settings, processes))
            return
        target = output or run / "model" / method.value
        result = preference_train(source, start, target, method.value, settings)
    show_result(result)


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
