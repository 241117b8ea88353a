"""What a piece of work took, kept beside it when it is done: work that was stopped counts what was done before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from scdpo.data.whole_files import written_whole


@dataclass(frozen=True, slots=True)
class Taken:
    """Sampled tokens, optimizer steps, and processor seconds: other work on the machine does not count."""

    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.tokens + other.tokens, self.steps + other.steps, self.seconds + other.seconds)


def taken(path: Path) -> Taken | None:
    """Return what a piece of work took; None if it is not done."""
    return Taken(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def finish(path: Path, of: Taken) -> Taken:
    """Keep, and return, what a piece of work took that is done now."""
    with written_whole(path) as part:
        part.write_text(json.dumps(asdict(of)), encoding="utf-8")
    return of
