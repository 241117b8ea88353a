"""What every verb shares: progress bars, tables, and errors said in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import ProgressColumn as Column
from rich.table import Table
from rich.text import Text

from sandbox import SandboxError
from scdpo.data.problems import ProblemSourceError
from scdpo.data.runs import RunError
from scdpo.sampling.engines import EngineError
from verifier.files.jsonl import LineError

console = Console()
STOPPED = 130


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors a user can mend into one line and exit code 1, and Ctrl-C into a word on how to go on."""
    try:
        yield
    except (EngineError, LineError, ProblemSourceError, RunError, SandboxError, FileNotFoundError) as error:
        console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        console.print("\nStopped. Everything made so far is kept; call the same command again to go on.")
        raise typer.Exit(STOPPED) from stop


class _Rate(Column):
    """Items a second (or a minute, where it is slow) since this call began."""

    def render(self, task: Task) -> Text:
        done = task.completed - task.fields.get("before", 0)
        if not task.elapsed or done <= 0:
            return Text("–/s")
        rate = done / task.elapsed
        return Text(f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min")


class Bar:
    """A progress bar: stage, done of all, rate, what was kept, time left. Implements ``scdpo.jobs.local.Progress``."""

    def __init__(self, kept: str = "pairs") -> None:
        self._kept_word = kept
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),  # models' and files' names may hold brackets
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("{task.fields[kept]} {task.fields[word]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._task: TaskID | None = None
        self._kept = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._bar.stop()

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage of ``total`` items, ``done`` of which were made by an earlier call."""
        self._bar.start()
        self._kept = 0
        self._task = self._bar.add_task(
            stage, total=total, completed=done, before=done, kept=0, word=f"new {self._kept_word}"
        )

    def advance(self, kept: int) -> None:
        """One more item is done, and ``kept`` records came of it."""
        assert self._task is not None
        self._kept += kept
        self._bar.update(self._task, advance=1, kept=self._kept)


def show_stages(stages: Mapping[str, Mapping[str, object]]) -> None:
    """Print what came into each stage, what was kept, and why the rest was not."""
    table = Table(title="What was made, and why the rest was dropped", title_justify="left")
    for name in ("stage", "in", "kept", "share"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    table.add_column("dropped")
    for stage, counts in stages.items():
        taken, kept, dropped = counts["in"], counts["kept"], counts["dropped"]
        assert isinstance(taken, int)
        assert isinstance(kept, int)
        assert isinstance(dropped, dict)
        reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in dropped.items())
        share = f"{kept / taken:.0%}" if taken else "–"
        table.add_row(stage, str(taken), str(kept), share, reasons or "–")
    console.print(table)
