"""``scdpo train``: train a model on the pairs of a run, or count beforehand what that takes."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from scdpo.cli.console import console, report_errors
from scdpo.cli.options import AsJson, ExistingRun, Model
from scdpo.cli.training import (
    Config,
    Output,
    Set,
    asked_as_sampled,
    quiet_training,
    settings_of,
    show_result,
    shown_steps,
    start_model,
    start_or_shape,
)
from scdpo.errors import SettingsError
from scdpo.training.dry_run import TrainingPlan
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
    device_memory: Annotated[
        float, typer.Option(min=1, help="GiB of memory of each of these devices.")
    ] = 80.0,
    as_json: AsJson = False,
) -> None:
    """Train a model on the pairs of a run by DPO or Step-Controlled DPO.

    Called again after a stop, it goes on from the last checkpoint. Also under accelerate:
    accelerate launch -m scdpo train RUN …

    Example: [b]scdpo train runs/mine --method scdpo --config mistral-7b --model models/sft --dry-run --processes 8[/b]
    """
    quiet_training()
    with report_errors():
        settings, named = settings_of(config, change)
        settings = asked_as_sampled(run, settings, change)
        source = pairs or run / "pairs.jsonl"
        if dry_run:
            start, shape = start_or_shape(run, model, named, config)
            plan = count(source, start, method.value, settings, processes, shape)
            (_print_plan if as_json else _show_plan)(plan, device_memory)
            return
        if as_json:
            raise SettingsError("--json goes with --dry-run")
        start = start_model(run, model, named)
        target = output or run / "model" / method.value
        with shown_steps(method.value) as callback:
            settings = {"disable_tqdm": True, **settings}
            result = preference_train(source, start, target, method.value, settings, [callback])
    show_result(result)


_TFLOPS = 100
"""What one large accelerator sustains in bf16, about."""
_PLANNED = {
    "retokenised": "sides whose text is tokenised anew",
    "tokens_plain": "tokens an epoch, each side on its own",
    "tokens_encoded": "tokens an epoch, as encoded",
    "tokens_counted": "tokens an epoch that count in the loss",
    "largest_batch": "tokens of the largest pass",
    "batch_pairs": "pairs per step",
    "steps": "steps in all",
    "parameters": "parameters",
    "trainable": "parameters that change",
}


def _print_plan(plan: TrainingPlan, device_memory: float) -> None:
    """Print a plan as JSON: memory in GiB, time in hours."""
    needed = plan.device_memory()
    fits = {"needed_gib": needed, "device_gib": device_memory, "fits": needed <= device_memory}
    print(json.dumps(plan.to_dict() | fits | {"hours": plan.hours(_TFLOPS * plan.processes)}, indent=2))


def _show_plan(plan: TrainingPlan, device_memory: float) -> None:
    table = Table(title="This training, counted beforehand", title_justify="left")
    table.add_column("what")
    table.add_column("how much", justify="right")
    for kind, pairs in plan.pairs.items():
        table.add_row(f"pairs: {kind.replace('_', ' ')}", f"{pairs:,}")
    for reason, pairs in plan.dropped.items():
        table.add_row(f"dropped: {reason.replace('_', ' ')}", f"{pairs:,}")
    for name, label in _PLANNED.items():
        about = "about " if plan.estimated and name.startswith(("tokens", "largest")) else ""
        table.add_row(label, f"{about}{getattr(plan, name):,}")
    for part, amount in plan.to_dict()["memory"].items():
        table.add_row(f"memory of one device, unsharded: {part}", f"{amount:.3g} GiB")
    if plan.processes > 1:
        label = f"memory of one device, sharded over {plan.processes} (FSDP, ZeRO-3): total"
        table.add_row(label, f"{plan.device_memory():.3g} GiB")
    table.add_row("floating-point operations", f"{plan.train_flops:.3g}")
    devices = "1 device" if plan.processes == 1 else f"{plan.processes} devices"
    hours = plan.hours(_TFLOPS * plan.processes)
    table.add_row(f"time on {devices} of {_TFLOPS} TFLOP/s", _duration(hours * 3600))
    console.print(table)
    if plan.estimated:
        console.print("The model is not here: tokens are estimated at three characters each.")
    if plan.warning:
        console.print(plan.warning, soft_wrap=True)
    needed = plan.device_memory()
    fits = "fits" if needed <= device_memory else "does not fit"
    console.print(
        f"[b]{fits}[/b]: {needed:.3g} of {device_memory:.3g} GiB on {'each of ' if plan.processes > 1 else ''}{devices}"
    )


_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("s", 1.0), ("ms", 1e-3))


def _duration(seconds: float) -> str:
    """Write a duration in the largest unit of which it holds at least one; below a millisecond as such."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
