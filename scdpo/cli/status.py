"""``scdpo status``: how far a run is, and what was dropped."""

from __future__ import annotations

from collections import Counter

from scdpo.cli.console import console, report_errors, show_stages
from scdpo.cli.options import ExistingRun
from scdpo.data.runs import Run


def status(run: ExistingRun) -> None:
    """Show how far a run is and what was dropped, also while a job is writing to it.

    Example: [b]scdpo status runs/gsm8k[/b]
    """
    with report_errors():
        opened = Run(run)
        problems = Counter(s.problem_id for s in opened.solutions)
        console.print(f"{problems.total()} solutions of {len(problems)} problems")
        for kind, count in Counter(p.kind for p in opened.pairs).items():
            console.print(f"{count} {kind.replace('_', '-')} pairs")
        stages = opened.read_json("stages.json")
    if stages:
        show_stages(stages)
