"""The worker's side of ``verifier.workers``: answers requests from standard input until it ends."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request: ``compare`` two bare answers, or two expressions by ``symbolic``."""
    if request["op"] == "symbolic":
        from verifier.symbolic import same_by_sympy

        return {"same": same_by_sympy(request["a"], request["b"])}
    from verifier.equal import compare_answers

    outcome = compare_answers(request["a"], request["b"], request["rounding"])
    return {"status": outcome.status, "reason": outcome.reason}


_FAILURES = (
    ValueError, TypeError, ArithmeticError, LookupError, AttributeError, NotImplementedError, RecursionError
)  # fmt: skip


def main() -> None:
    """Serve requests, one JSON object a line."""
    limit = int(sys.argv[1]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except MemoryError:
            reply = {"error": "over the memory limit"}
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            LookupError,
            AttributeError,
            NotImplementedError,
            RecursionError,
        ) as e:
            reply = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
