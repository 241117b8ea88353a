"""The worker's side of ``verifier.workers.pool``: answers requests from standard input until it ends."""

from __future__ import annotations

import json
import resource
import signal
import sys
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request: ``compare`` two bare answers, or two expressions by ``symbolic``."""
    if request["op"] == "symbolic":
        from verifier.values.computer_algebra import same_by_sympy

        return {"same": same_by_sympy(request["a"], request["b"])}
    from verifier.comparison.equal import compare_answers

    outcome = compare_answers(request["a"], request["b"], request["rounding"])
    return {"status": outcome.status, "reason": outcome.reason}


_FAILURES = (
    ValueError, TypeError, ArithmeticError, LookupError, AttributeError, NotImplementedError, RecursionError
)  # fmt: skip
_GRACE = 1.0  # seconds that the parent, if it lives, has to end this process first


def main() -> None:
    """Serve requests, one JSON object a line, each within its ``seconds``: the alarm ends the process."""
    limit = int(sys.argv[1]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for line in sys.stdin:
        try:
            request = json.loads(line)
            signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _GRACE)
            reply = answer(request)
        except MemoryError:
            reply = {"error": "over the memory limit"}
        except _FAILURES as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
