"""The worker's side of ``verifier.workers.pool``: answers requests from standard input until it ends."""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from verifier.comparison.equal import compare_answers

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def loaded(op: str) -> Answer:
    """Return what answers requests of kind ``op`` (``compare`` or ``symbolic``), with all that it imports loaded."""
    if op == "symbolic":
        import sympy  # noqa: F401  # 0.5 s of processor time that the request should not pay for

        from verifier.values.computer_algebra import same_by_sympy

        return lambda request: {"same": same_by_sympy(request["a"], request["b"])}
    return _compare


def _compare(request: dict[str, Any]) -> dict[str, Any]:
    outcome = compare_answers(request["a"], request["b"], request["rounding"])
    return {"status": outcome.status, "reason": outcome.reason}


_FAILURES = (
    ValueError, TypeError, ArithmeticError, LookupError, AttributeError, NotImplementedError, RecursionError
)  # fmt: skip


def main() -> None:
    """Serve requests, one JSON object a line, each within its ``seconds`` of processor time.

    Over them the kernel ends this process (SIGPROF, whose default action that is), which its parent sees.
    """
    limit = int(sys.argv[1]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    print("{}", flush=True)  # ready
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = loaded(request["op"])
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            reply = answer(request)
        except MemoryError:
            reply = {"error": "over the memory limit"}
        except _FAILURES as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
