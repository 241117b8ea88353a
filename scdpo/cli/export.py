"""``scdpo export``: hand a run's pairs to other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from transformers import AutoTokenizer

from scdpo.cli.console import console, report_errors
from scdpo.cli.options import ExistingRun
from scdpo.data.export import export_pairs, push_to_hub
from scdpo.data.models import check_model
from scdpo.data.prompt_style import sampled_system
from scdpo.data.runs import Run, RunError


def export(
    run: ExistingRun,
    out: Annotated[
        Path | None, typer.Option(help="The Parquet file; RUN/export/pairs.parquet if not given.")
    ] = None,
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

    Example: [b]scdpo export runs/gsm8k --out pairs.parquet --tokenizer runs/gsm8k/model/sft[/b]
    """
    target = out or run / "export" / "pairs.parquet"
    with report_errors():
        said = sampled_system(Run(run)) if system is None else system
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
