"""The worker's side of ``checks``: answers requests from standard input, one JSON object a line, until it ends.

Everything that reads a caller's mathematics happens here, never in the serving process.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.solution import Solution
from verifier.check import verify
from verifier.solution import verify_solution


@dataclass(frozen=True, slots=True)
class RecordedOutput:
    """The output of a code block that the serving process had run."""

    output: str


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Outputs that were had already, in the place of a sandbox."""

    outputs: tuple[RecordedOutput, ...]

    def run_solution(self, solution: Solution, /) -> Sequence[RecordedOutput]:
        """Return the outputs."""
        return self.outputs


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request: ``verify``, ``blocks`` (read a solution) or ``solution`` (check it)."""
    if request["op"] == "verify":
        return verify(request["prediction"], request["gold"], rounding=request["rounding"]).to_dict()
    if request["op"] == "blocks":
        text = request["text"]
        return {"blocks": Solution.parse(text, "mathcoder" if "<|" in text else "markdown").to_dicts()}
    outputs = request["outputs"]
    run = None if outputs is None else RecordedRun(tuple(RecordedOutput(o) for o in outputs))
    solution = Solution.of(request["blocks"])
    return verify_solution(solution, request["gold"], sandbox=run, rounding=request["rounding"]).to_dict()


def main() -> None:
    """Serve requests within the memory limit given in MiB as the only argument."""
    limit = int(sys.argv[1]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("{}", flush=True)  # ready
    for line in sys.stdin.buffer:
        try:
            reply = answer(json.loads(line))
        except MemoryError:
            reply = {"failed": "over the memory limit"}
        except RecursionError:
            reply = {"failed": "nested too deeply"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
