"""The worker's side of ``checks``: answers requests from standard input, one JSON object a line, until it ends.

Everything that reads a caller's mathematics happens here, never in the serving process.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.solution import Solution
from verifier.check import verify
from verifier.solution import verify_solution


@dataclass(frozen=True, slots=True)
class RecordedOutput:
    """The output of a code block that was run in the serving process."""

    output: str


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A stand-in for a sandbox: it runs nothing, and returns the outputs that the serving process recorded."""

    outputs: tuple[RecordedOutput, ...]

    def run_solution(self, solution: Solution, /) -> Sequence[RecordedOutput]:
        """Return the outputs."""
        return self.outputs


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request: ``verify``, ``blocks`` (read a solution) or ``solution`` (check it)."""
    options = {name: request[name] for name in ("rounding", "require") if name in request}
    if request["op"] == "verify":
        return verify(request["prediction"], request["gold"], **options).to_dict()
    if request["op"] == "blocks":
        text = request["text"]
        return {"blocks": Solution.parse(text, "mathcoder" if "<|" in text else "markdown").to_dicts()}
    outputs = request["outputs"]
    run = None if outputs is None else RecordedRun(tuple(RecordedOutput(o) for o in outputs))
    solution = Solution.of(request["blocks"])
    return verify_solution(solution, request["gold"], sandbox=run, **options).to_dict()


def main() -> None:
    """Serve requests within the memory limit given in MiB as the only argument.

    A request may take its ``seconds`` of processor time; over them the kernel ends this process (SIGPROF).
    """
    limit = int(sys.argv[1]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    print("{}", flush=True)  # ready
    for line in sys.stdin.buffer:
        try:
            request = json.loads(line)
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            reply = answer(request)
        except MemoryError:
            reply = {"failed": "over the memory limit"}
        except RecursionError:
            reply = {"failed": "nested too deeply"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
