"""``scdpo status``: how far a run is, and what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from scdpo.cli.console import console, report_errors, show_stages, visible
from scdpo.cli.options import AsJson, ExistingRun
from scdpo.data.reasons import meaning
from scdpo.data.runs import Run


def status(
    run: ExistingRun,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each reason means.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far a run is and what was dropped, also while a job is writing to it.

    Example: [b]scdpo status runs/gsm8k --explain[/b]
    """
    with report_errors():
        opened = Run(run)
        problems = Counter(s.problem_id for s in opened.solutions)
        kinds = Counter(p.kind for p in opened.pairs)
        stages = opened.read_json("stages.json")
    if as_json:
        found = {"solutions": problems.total(), "problems": len(problems), "pairs": kinds, "stages": stages}
        print(json.dumps(found, indent=2))
        return
    console.print(f"{problems.total()} solutions of {len(problems)} problems")
    for kind, count in kinds.items():
        console.print(f"{count} {kind.replace('_', '-')} pairs")
    if stages:
        show_stages(stages)
    if explain:
        _explain(stages)


def _explain(stages: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a sentence for each reason of the table."""
    table = Table(title="What the reasons mean", title_justify="left", show_lines=False)
    table.add_column("reason", no_wrap=True)
    table.add_column("meaning")
    for reason in dict.fromkeys(reason for counts in stages.values() for reason in counts["dropped"]):
        shown = visible(reason.replace("_", " "))
        table.add_row(Text(shown), Text(meaning(reason) or "A word of another version of scdpo."))
    console.print(table)
