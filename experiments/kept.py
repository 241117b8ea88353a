"""What is kept of a study: by seed the held-out problems, and by model a sign for each, 1 where it is solved.

Every figure of a page is made of it, and a run that was stopped goes on from it, on another machine too.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from scdpo.data.whole_files import written_whole


def read(path: Path) -> dict[str, Any]:
    """Return what is kept, by seed: ``problems``, ``scores`` by model, and what else was told of the models."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def keep(path: Path, seed: int, model: str, scores: Mapping[str, float], told: Mapping[str, Any]) -> None:
    """Add a model's scores of a seed, 1 or 0 by problem; ``told`` is what else is told of it, by table of the seed.

    Processes that work on different seeds may keep theirs at the same time; what is there is never left half written.
    """
    # The lock is on the folder: closing it, or dying, lets the next process in.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        seeds = read(path)
        of_seed = seeds.setdefault(str(seed), {"problems": list(scores), "scores": {}})
        of_seed["scores"][model] = "".join(str(int(scores[name])) for name in of_seed["problems"])
        for table, row in told.items():
            of_seed.setdefault(table, {})[model] = row
        with written_whole(path) as part:
            part.write_text(json.dumps(seeds, indent=1) + "\n", encoding="utf-8")
    finally:
        os.close(folder)


def solved(scores: str) -> float:
    """Return the share of ones in percent."""
    return 100 * scores.count("1") / len(scores)


def family(problem: str) -> str:
    """Return the family of a problem of the routes policy, by its name."""
    return problem.split("/")[1]


def solved_of(of_seed: Mapping[str, Any], model: str, families: Collection[str] = ()) -> float:
    """Return the percent of a seed's problems, or of those of some families, that a model solves."""
    marks = zip(of_seed["problems"], of_seed["scores"][model], strict=True)
    return solved("".join(mark for name, mark in marks if not families or family(name) in families))
