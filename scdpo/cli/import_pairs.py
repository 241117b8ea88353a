"""``scdpo import``: bring pairs that others made into a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scdpo.cli.console import console, report_errors, show_stages
from scdpo.cli.options import FormatChoice, RunFolder
from scdpo.data import import_pairs as pairs_of_others
from scdpo.data.runs import Run


def import_pairs(
    run: RunFolder,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="Pairs of the paper's programs, a .jsonl(.gz) file."
        ),
    ],
    format: Annotated[
        FormatChoice, typer.Option(help="How the model that will be trained writes solutions.")
    ] = FormatChoice.mathcoder,
) -> None:
    """Bring pairs that the paper's own programs made into a run, each verified; a table says what was left out.

    Solutions come in with scdpo corrupt --solutions.

    Example: [b]scdpo import runs/theirs controled_steps_math_gsm8k_train.jsonl[/b]
    """
    with report_errors(), Run(run) as opened:
        pairs_of_others.import_pairs(opened, file, format.value)
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train {run}[/b]")
