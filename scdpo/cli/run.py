"""``scdpo run``: run the code of one solution and show its blocks."""

from __future__ import annotations

import sys
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
from verifier.files.jsonl import STDIN


def run(
    file: Annotated[
        Path,
        typer.Argument(help="A solution as text; - for standard input."),
    ],
    format: Annotated[
        FormatChoice, typer.Option(help="How the solution is written.")
    ] = FormatChoice.markdown,
    seconds: Annotated[float, typer.Option(min=0.1, help="Wall-clock limit of a cell.")] = 10.0,
    memory: Annotated[int, typer.Option(min=32, help="Memory limit in MiB.")] = 1024,
) -> None:
    """Run the code of a solution in an isolated kernel and show each block with its output.

    Ends with exit code 1 if a code block does not run to its end.

    Example: [b]scdpo run solution.md --seconds 5[/b]
    """
    with report_errors():
        solution = Solution.parse(_text(file), format.value)
        if not solution.code_blocks:
            raise SettingsError(
                f"{file} holds no code block in the {format.value} format; --format names the others"
            )
    with report_errors(), Sandbox(limits=Limits(cell_seconds=seconds, memory_mb=memory)) as box:
        found = box.run_solution(solution)
        results = iter(found)
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
    failed = [result.status for result in found if result.status != "ok"]
    if failed:
        console.print(f"{len(failed)} of {len(found)} code blocks failed: {', '.join(sorted(set(failed)))}")
        raise typer.Exit(1)


def _text(file: Path) -> str:
    """Read a solution; bytes that are no UTF-8 show as such."""
    try:
        content = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    return content.decode("utf-8", errors="replace")
