"""``scdpo import``: bring pairs that others made into a run."""

from __future__ import annotations

from typing import Annotated

import typer

from scdpo.cli.console import console, report_errors, say_layout, show_stages
from scdpo.cli.fields import ROWS, AnswerField, QuestionField
from scdpo.cli.options import ModelFormat, RunFolder
from scdpo.data import import_pairs as pairs_of_others
from scdpo.data.runs import Run
from verifier.files.fields import Fields


def import_pairs(
    run: RunFolder,
    files: Annotated[
        list[str],
        typer.Argument(help=f"Pairs: {ROWS}; several may be given."),
    ],
    question_field: QuestionField = None,
    answer_field: AnswerField = None,
    format: Annotated[
        ModelFormat,
        typer.Option(
            help="How the model that will be trained writes solutions, and texts without marks are read."
        ),
    ] = ModelFormat.mathcoder,
) -> None:
    """Bring pairs that others made into a run, each verified; a table says what was left out.

    Takes preference pairs in the columns of TRL, ShareGPT and Alpaca, Step-DPO-10K, the files of the paper's own
    programs, and the pairs.jsonl of other runs, which come in as they stand. Solutions come in with scdpo corrupt
    --solutions.

    Examples: [b]scdpo import runs/theirs controled_steps_math_gsm8k_train.jsonl[/b]
    [b]scdpo import runs/all pods/*/pairs.jsonl[/b]
    """
    fields = Fields(question_field, answer_field)
    with report_errors(), Run(run) as opened:
        for file in files:
            pairs_of_others.import_pairs(opened, file, format.value, fields, say_layout(file))
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train {run}[/b]")
