"""Parts of a run under a time limit, each saved as it ends.

``OUT/figures.json`` holds what each finished part gave. A part that is there is not run again, so a second call goes
on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Budget:
    """A folder of figures and the time that is left.

    Args:
        output: the folder; made if it is not there.
        minutes: after so many no further part begins, and a running one is ended.
    """

    def __init__(self, output: Path, minutes: float) -> None:
        self._file = output / "figures.json"
        self._end = time.monotonic() + 60 * minutes
        output.mkdir(parents=True, exist_ok=True)
        self.figures: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    @property
    def seconds_left(self) -> float:
        """Return what is left of the limit."""
        return self._end - time.monotonic()

    def save(self, part: str, found: Any) -> None:
        """Keep what a part gave, and print it."""
        self.figures[part] = found
        whole = self._file.with_suffix(".part")
        whole.write_text(json.dumps(self.figures, indent=1))
        whole.replace(self._file)
        print(f"{part}: {json.dumps(found)}", flush=True)

    def end(self) -> None:
        """End the script; with an error that names the parts that failed or were cut, if some were."""
        failed = [
            part for part, found in self.figures.items() if isinstance(found, dict) and "failed" in found
        ]
        if failed:
            raise SystemExit(
                f"not done: {', '.join(failed)} (see {self._file}); call it again to try these anew"
            )

    def command(self, part: str, command: Sequence[str], last_line: bool = False) -> bool:
        """Run a Python command as a part, unless it is done; return whether it ended well.

        Args:
            part: its name in the figures.
            command: what follows ``python``.
            last_line: its last line of output is JSON, and kept; else the seconds are.
        """
        if "failed" not in str(self.figures.get(part, "failed")):
            return True
        if self.seconds_left < 5:
            print(f"{part}: no time left", flush=True)
            return False
        start = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=self.seconds_left,
            )
        except subprocess.TimeoutExpired:
            self.save(part, {"failed": "cut by the time limit"})
            return False
        if done.returncode:
            self.save(part, {"failed": (done.stdout + done.stderr)[-2000:]})
            return False
        seconds = {"seconds": round(time.monotonic() - start, 1)}
        self.save(
            part, {**seconds, **({"found": json.loads(done.stdout.splitlines()[-1])} if last_line else {})}
        )
        return True
