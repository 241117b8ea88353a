"""Options that several verbs share. Each verb's own are in its module."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FormatChoice(StrEnum):
    """How solutions are written, where no model's chat template is needed."""

    mathcoder = "mathcoder"
    markdown = "markdown"
    cot = "cot"
    metamath = "metamath"
    paragraphs = "paragraphs"


class ModelFormat(StrEnum):
    """How a model writes solutions."""

    mathcoder = "mathcoder"
    markdown = "markdown"
    cot = "cot"
    metamath = "metamath"
    paragraphs = "paragraphs"
    chat = "chat"
    tools = "tools"
    chat_cot = "chat-cot"


class Split(StrEnum):
    """Which part of a source of problems."""

    train = "train"
    preference = "preference"
    test = "test"


RunFolder = Annotated[Path, typer.Argument(help="The run folder; made if it is not there.")]
ExistingRun = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model folder or hub name; if not given, the run's own, else the built-in model."),
]
Problems = Annotated[
    str,
    typer.Option(
        help="[b]embedded[/b], reasoning-gym:FAMILY[,FAMILY], a file (JSON Lines, JSON, CSV, Parquet; - for "
        "standard input), a folder of these, or a hub data set."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most N problems.")]
FormatOption = Annotated[
    ModelFormat | None,
    typer.Option(
        help="How the model writes solutions; as it was trained here if not given, else [b]mathcoder[/b]."
    ),
]
SystemOption = Annotated[
    str | None, typer.Option(help="System message; as the model was trained here if not given, else none.")
]
Seed = Annotated[int, typer.Option(help="Fixes every sample.")]
System = Annotated[str, typer.Option(help="System message.")]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Branch after N steps of a solution, drawn by the seed; all if not given."),
]
Confirm = Annotated[
    int, typer.Option(min=0, help="Roll-outs from before and from after each pair's first wrong step.")
]


def refuse(context: typer.Context, options: Sequence[str], why: str) -> None:
    """Raise BadParameter if one of these options was given."""
    for name in options:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"--{name.replace('_', '-')} {why}; leave it out")
