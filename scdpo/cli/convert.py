"""``scdpo convert``: write an InternLM2 checkpoint as a Llama model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scdpo.cli.console import console, quiet_libraries, report_errors
from scdpo.training.convert import convert as write_as_llama


def convert(
    source: Annotated[str, typer.Argument(help="Folder or hub name of an InternLM2 model.")],
    output: Annotated[Path, typer.Argument(help="Folder of the Llama model; must not be there yet.")],
) -> None:
    """Write an InternLM2 checkpoint as a Llama model; none of the code that comes with it is run.

    Example: [b]scdpo convert internlm/internlm2-20b models/internlm2-20b[/b]
    """
    quiet_libraries()
    with report_errors():
        written = write_as_llama(source, output)
    console.print(
        f"A Llama model is in {written}. Next: scdpo sft RUN --config internlm2-20b-sft --model {written}",
        soft_wrap=True,  # a command that is broken cannot be copied
    )
