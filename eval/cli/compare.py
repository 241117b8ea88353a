"""``scdpo compare``: the table of models and benchmarks, each tested against the first model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from eval.compare import (
    ComparisonTable,
    comparison,
    groups_table,
    load,
    markdown,
    rich_table,
    samples_table,
    sweep_plot,
)
from eval.headline import headlines
from eval.results import Evaluation
from scdpo.cli.console import console, report_errors
from scdpo.cli.options import AsJson
from scdpo.errors import SettingsError


class By(StrEnum):
    """What problems are grouped by."""

    level = "level"
    subject = "subject"


Results = Annotated[list[Path], typer.Argument(exists=True, help="Run folders, or files of RUN/eval.")]


def compare(
    results: Results,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    by: Annotated[By | None, typer.Option(help="Also print the accuracy by level or by subject.")] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Draw accuracy against temperature to this .svg file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the table of models and benchmarks with intervals, each tested against the first model.

    Example: [b]scdpo compare runs/sft runs/dpo runs/scdpo[/b]
    """
    with report_errors():
        evaluations = load(results)
        table = comparison(evaluations)
        if as_json:
            if as_markdown or by is not None or sweep is not None:
                raise SettingsError("--json stands alone: leave out --markdown, --by and --sweep")
            print(json.dumps(_plain(table, evaluations), indent=2))
            return
        show_table(table, as_markdown)
        if not as_markdown:
            show_headlines(evaluations)
        if by is not None:
            console.print(groups_table(table, by.value))
        if sweep is not None:
            sweep.write_text(sweep_plot(evaluations), encoding="utf-8")
            console.print(f"Drawn: [b]{sweep}[/b]")


def _plain(table: ComparisonTable, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the comparison as plain data; shares are 0 to 1."""
    cells = [
        {
            "model": model,
            "benchmark": benchmark,
            "accuracy": asdict(cell.accuracy),
            "difference_to_first": asdict(cell.paired) | {"p_value": cell.paired.p_value}
            if cell.paired
            else None,
        }
        for (model, benchmark), cell in table.cells.items()
    ]
    return {"first": table.models[0], "cells": cells, "headlines": headlines(evaluations)}


def show_table(table: ComparisonTable, as_markdown: bool = False) -> None:
    """Print a comparison; several samples per problem get a second table."""
    if as_markdown:
        print(markdown(table))
        return
    console.print(rich_table(table))
    several = samples_table(table)
    if several is not None:
        console.print(several)


def show_headlines(evaluations: Sequence[Evaluation]) -> None:
    """Print how the two models that matter differ, a line per benchmark."""
    for sentence in headlines(evaluations):
        console.print(Text(sentence), soft_wrap=True)
