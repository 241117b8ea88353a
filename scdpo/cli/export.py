"""``scdpo export``: hand a run's pairs to other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from transformers import AutoTokenizer

from scdpo.cli.console import console, report_errors
from scdpo.cli.options import ExistingRun
from scdpo.data.export import export_pairs, push_to_hub
from scdpo.data.export_values import export_values
from scdpo.data.models import check_model
from scdpo.data.prompt_style import sampled_system
from scdpo.data.runs import Run, RunError


def export(
    run: ExistingRun,
    out: Annotated[
        Path | None,
        typer.Option(help="The Parquet file; RUN/export/pairs.parquet, or values.parquet, if not given."),
    ] = None,
    values: Annotated[
        bool,
        typer.Option(
            "--values",
            help="Write the values that scdpo values estimated instead: TRL's stepwise supervision columns.",
        ),
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(help="System message that stands in every prompt; the run's own if not given."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="A model or its folder: also write token ids, and masks of the tokens that count."),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            help="OWNER/NAME: also upload file and card to this data set of the hub; a new one is private."
        ),
    ] = None,
) -> None:
    """Write a run's pairs as a Parquet file with TRL's columns, and a data card beside it.

    With --values the file holds labelled steps for process reward models: a step of a wrong solution is unsound where
    roll-outs stop to succeed after it. Solutions of problems that the model solves in fewer than three of four
    roll-outs are left out, since their failures say little.

    Example: [b]scdpo export runs/gsm8k --out pairs.parquet --tokenizer runs/gsm8k/model/sft[/b]
    """
    target = out or run / "export" / ("values.parquet" if values else "pairs.parquet")
    if values and push:
        raise typer.BadParameter("--push uploads pairs; leave it out with --values")
    with report_errors():
        said = sampled_system(Run(run)) if system is None else system
        if values:
            rows, left_out = export_values(Run(run), target, said, _tokenizer(tokenizer))
            reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in left_out.items())
            console.print(
                f"{rows} solutions with labelled steps in [b]{target}[/b]; left out: {reasons or 'none'}"
            )
            return
        count = export_pairs(Run(run).pairs, target, said, _tokenizer(tokenizer))
        console.print(f"{count} pairs in [b]{target}[/b]")
        if push:
            console.print(f"Pushed to [b]{push_to_hub(target, push)}[/b]", soft_wrap=True)


def _tokenizer(name: str | None) -> Any:
    """Load a tokenizer; None where none is asked for."""
    if name is None:
        return None
    check_model(name)
    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise RunError(f"--tokenizer {name}: {error}") from error
