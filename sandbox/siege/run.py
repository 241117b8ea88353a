"""Lay siege to this machine's sandbox: every cell and every attack, at one level.

    python -m sandbox.siege.run --level landlock

Does not cover forks and the sandbox's own behaviour under load: see `tests/sandbox`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from sandbox.errors import IsolationError
from sandbox.limits import CellResult, Level, Limits
from sandbox.session import Sandbox
from sandbox.siege import attacks, cells
from sandbox.siege.attacks import Besieged

# What level `landlock` cannot do is said in docs/security.md.
NOT_HELD: dict[Besieged, frozenset[str]] = {
    "strict": frozenset(),
    "landlock": frozenset({"disk_is_bounded", "files_are_bounded", "threads_are_bounded"}),
}


class SandboxBackend:
    """Our own sandbox as a back end of `cells`."""

    def __init__(self, level: Level | Literal["auto"] = "strict", seconds: float = cells.LIMIT) -> None:
        """Run cells at `level`, `seconds` each."""
        limits = Limits(cell_seconds=seconds, grace_seconds=cells.GRACE, memory_mb=256, disk_mb=32)
        self.box = Sandbox(limits, level=level, allow_unsafe=True, warm=1)

    def run(self, codes: list[str]) -> list[CellResult]:
        """Run `codes` in order in a fresh session; return a result for each."""
        with self.box.session() as session:
            return [session.run(code) for code in codes]

    def close(self) -> None:
        """End every session."""
        self.box.close()


def lay(
    level: Besieged, tell: Callable[[str, str | None], Any] = lambda name, problem: None
) -> dict[str, str]:
    """Put `level` to every cell and attack; return what got through by name, and `tell` of each as it ends.

    Raises:
        IsolationError: the level cannot be had on this machine.
    """
    backend = SandboxBackend(level)
    try:
        chosen = [check for check in cells.CHECKS if check.name not in NOT_HELD[level]]
        problems = cells.run_all(backend, chosen)
        for check in chosen:
            tell(check.name, problems.get(check.name))
    finally:
        backend.close()
    for attack in attacks.ATTACKS:
        with tempfile.TemporaryDirectory(prefix="siege-") as folder:
            problem = attack(level, Path(folder))
        if problem:
            problems[attack.__name__] = problem
        tell(attack.__name__, problem)
    return problems


def main() -> None:
    """Run the siege and print what got through; exit with 1 if something did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--level", choices=[*get_args(Besieged)], default="strict")
    parser.add_argument("--json", action="store_true", help="print what got through as JSON")
    options = parser.parse_args()
    try:
        problems = lay(options.level)
    except IsolationError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(problems))
    else:
        for name, problem in problems.items():
            print(f"FAIL {name}: {problem}")
        print(f"{len(problems)} of {len(cells.CHECKS) + len(attacks.ATTACKS)} got through at {options.level}")
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()
