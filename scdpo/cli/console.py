"""What every verb shares: progress bars, tables, logging, and errors said in one line."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
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
from scdpo.errors import ScdpoError
from verifier.errors import VerifierError

console = Console()
STOPPED = 130
OWN_PACKAGES = ("sandbox", "verifier", "scdpo", "eval")
_DEBUG = "SCDPO_DEBUG"
"""Environment variable that ``--debug`` sets, so that a launcher's processes know it too."""


def set_up(verbose: int, debug: bool) -> None:
    """Let the loggers of the four packages speak: warnings, with ``-v`` what goes on, with ``-vv`` everything."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    for name in OWN_PACKAGES:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
    if debug:
        os.environ[_DEBUG] = "1"


@contextmanager
def report_errors() -> Iterator[None]:
    """Say an error of ours, which a user can mend, in one line (exit code 1), and after Ctrl-C how to go on.

    Any other error is a fault of the program, or of a library, and shows itself; ``--debug`` shows all of them.
    """
    try:
        yield
    except (ScdpoError, VerifierError, SandboxError) as error:
        if os.environ.get(_DEBUG):
            raise
        fail(str(error))
    except KeyboardInterrupt as stop:
        console.print("\nStopped. Everything made so far is kept; call the same command again to go on.")
        raise typer.Exit(STOPPED) from stop


def fail(words: str) -> None:
    """Say what is wrong, and end with exit code 1."""
    console.print(Text.assemble(("error: ", "bold red"), words), soft_wrap=True)
    raise typer.Exit(1)


@contextmanager
def missing_packages(verb: str, extra: str) -> Iterator[None]:
    """Say which extra brings a package that a verb needs and that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OWN_PACKAGES or os.environ.get(_DEBUG):
            raise
        fail(f'scdpo {verb} needs {package}, which is not installed: in a checkout, pip install ".[{extra}]"')


def with_missing_packages(function: Callable[..., None], verb: str, extra: str) -> Callable[..., None]:
    """Return a verb's function that says which extra brings a package that it lacks."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> None:
        with missing_packages(verb, extra):
            function(*arguments, **options)

    return called


def quiet_libraries() -> None:
    """Hide the progress bars of the libraries that load models: the job's own bar is the one to look at."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


class _Rate(Column):
    """Items a second (or a minute, where it is slow) since this call began."""

    def render(self, task: Task) -> Text:
        done = task.completed - task.fields.get("before", 0)
        if not task.elapsed or done <= 0:
            return Text("–/s")
        rate = done / task.elapsed
        return Text(f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min")


class Bar:
    """A progress bar: stage, done of all, rate, what was kept, time left. Implements ``scdpo.jobs.local.Progress``.

    Args:
        kept: what is made, in one word; empty where nothing but the items themselves is.
    """

    def __init__(self, kept: str = "pairs") -> None:
        self._kept_word = kept
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),  # models' and files' names may hold brackets
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("{task.fields[kept]}"),
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
        """Begin a stage of ``total`` items, ``done`` of which were made by an earlier call; none show nothing."""
        if not total:
            return
        self._bar.start()
        self._kept = 0
        self._task = self._bar.add_task(
            stage, total=total, completed=done, before=done, kept=self._kept_words()
        )

    def advance(self, kept: int) -> None:
        """One more item is done, and ``kept`` records came of it."""
        assert self._task is not None
        self._kept += kept
        self._bar.update(self._task, advance=1, kept=self._kept_words())

    def _kept_words(self) -> str:
        return f"{self._kept} new {self._kept_word}" if self._kept_word else ""


def say_layout(source: object) -> Callable[[str], None]:
    """Return what prints how a source was read: the name of its layout, and which field was taken for what."""
    return lambda layout: console.print(Text(visible(f"{source}: {layout}")), soft_wrap=True)


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


CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\r\t"}


def visible(text: str) -> str:
    r"""Return a text with its control characters written out (``\x1b``).

    A model wrote it, or its code did: sent to a terminal as it is, it could retitle it, hide lines or write to the
    clipboard.
    """
    return text.translate(CONTROLS)
