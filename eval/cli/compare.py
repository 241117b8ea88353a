"""``scdpo compare``: the table of models and benchmarks, each tested against the first model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
) -> None:
    """Print the table of models and benchmarks with intervals, each tested against the first model.

    Example: [b]scdpo compare runs/sft runs/dpo runs/scdpo[/b]
    """
    with report_errors():
        evaluations = load(results)
        table = comparison(evaluations)
        show_table(table, as_markdown)
        if not as_markdown:
            show_headlines(evaluations)
        if by is not None:
            console.print(groups_table(table, by.value))
        if sweep is not None:
            sweep.write_text(sweep_plot(evaluations), encoding="utf-8")
            console.print(f"Drawn: [b]{sweep}[/b]")


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
