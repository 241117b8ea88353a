"""``scdpo run``: run the code of one solution and show its blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from sandbox import Limits, Sandbox, Solution
from scdpo.cli.console import console, report_errors, visible
from scdpo.cli.options import FormatChoice
from scdpo.errors import SettingsError


def run(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A solution as text.")],
    format: Annotated[
        FormatChoice, typer.Option(help="How the solution is written.")
    ] = FormatChoice.markdown,
    seconds: Annotated[float, typer.Option(min=0.1, help="Wall-clock limit of a cell.")] = 10.0,
    memory: Annotated[int, typer.Option(min=32, help="Memory limit in MiB.")] = 1024,
) -> None:
    """Run the code of a solution in an isolated kernel and show each block with its output.

    Example: [b]scdpo run solution.md --seconds 5[/b]
    """
    solution = Solution.parse(file.read_text(encoding="utf-8", errors="replace"), format.value)
    with report_errors():
        if not solution.code_blocks:
            raise SettingsError(
                f"{file} holds no code block in the {format.value} format; --format names the others"
            )
    with report_errors(), Sandbox(limits=Limits(cell_seconds=seconds, memory_mb=memory)) as box:
        results = iter(box.run_solution(solution))
        for block in solution.blocks:
            if block.type == "text":
                console.print(Text(visible(block.content)))
            elif block.type == "code":
                result = next(results)
                code = Syntax(visible(block.content), "python", word_wrap=True)
                console.print(Panel(code, title="code", title_align="left"))
                style = "green" if result.status == "ok" else "red"
                title = f"output · {result.status} · {result.seconds * 1000:.0f} ms · {result.isolation}"
                shown = Text(visible(result.output))
                console.print(Panel(shown, title=title, title_align="left", border_style=style))
