"""Small verbs for looking at single things: ``run``, ``verify``, ``doctor``, ``serve``, ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from sandbox import Limits, Sandbox, Solution
from scdpo.cli import app
from scdpo.cli.console import console, told
from scdpo.cli.data import Format, RunFolder
from scdpo.runs import Run


@app.command()
def run(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A solution as text.")],
    format: Annotated[Format, typer.Option(help="How the solution is written.")] = Format.markdown,
    seconds: Annotated[float, typer.Option(min=0.1, help="Wall-clock limit of a cell.")] = 10.0,
    memory: Annotated[int, typer.Option(min=32, help="Memory limit in MiB.")] = 1024,
) -> None:
    """Run the code of a solution in an isolated kernel and show each block with its output.

    Example: [b]scdpo run solution.md --seconds 5[/b]
    """
    solution = Solution.parse(file.read_text(encoding="utf-8", errors="replace"), format.value)
    if not solution.code_blocks:
        console.print(f"error: {file} holds no code block in the {format.value} format", style="red")
        raise typer.Exit(1)
    with told(), Sandbox(limits=Limits(cell_seconds=seconds, memory_mb=memory)) as box:
        results = iter(box.run_solution(solution))
        for block in solution.blocks:
            if block.type == "text":
                console.print(Text(block.content))
            elif block.type == "code":
                result = next(results)
                console.print(
                    Panel(Syntax(block.content, "python", word_wrap=True), title="code", title_align="left")
                )
                style = "green" if result.status == "ok" else "red"
                title = f"output · {result.status} · {result.seconds * 1000:.0f} ms · {result.isolation}"
                console.print(Panel(Text(result.output), title=title, title_align="left", border_style=style))


@app.command()
def export(
    run: RunFolder,
    out: Annotated[
        Path, typer.Option(help="The Parquet file; RUN/export/pairs.parquet if not given.")
    ] = Path(),
    system: Annotated[str, typer.Option(help="System message that stands in every prompt.")] = "",
) -> None:
    """Write a run's pairs as a Parquet file with TRL's columns, and a data card beside it.

    Example: [b]scdpo export runs/gsm8k --out pairs.parquet[/b]
    """
    from scdpo.export import export_pairs

    target = out if out != Path() else run / "export" / "pairs.parquet"
    with told():
        count = export_pairs(Run(run).pairs, target, system)
    console.print(f"{count} pairs in [b]{target}[/b]")
