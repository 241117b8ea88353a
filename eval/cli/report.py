"""``scdpo report``: a run's page."""

from __future__ import annotations

from eval.report import write_report
from scdpo.cli.console import console, report_errors
from scdpo.cli.options import ExistingRun


def report(run: ExistingRun) -> None:
    """Write a run's page: what was made and dropped, accuracy, pairs side by side, curves, credit.

    Example: [b]scdpo report runs/quickstart[/b]
    """
    with report_errors():
        page = write_report(run)
    console.print(f"Open [b]{page}[/b] in a browser.")
