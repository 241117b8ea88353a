"""Options that say where things are in a row of somebody's data, for every verb that reads such rows."""

from __future__ import annotations

from typing import Annotated

import typer

ROWS = "a file (JSON Lines, JSON, CSV, Parquet; - for standard input), a folder of these, or a hub data set"
"""What such a verb reads, for its help."""

QuestionField = Annotated[
    str | None,
    typer.Option(help="Where the question is, in a layout that is not known: extra.question, …"),
]
AnswerField = Annotated[
    str | None,
    typer.Option(help="Where the gold answer is, or a solution that states it: reward_model.ground_truth, …"),
]
SolutionField = Annotated[
    str | None, typer.Option(help="Where the solution is, or a list of them: outputs.0.text, …")
]
