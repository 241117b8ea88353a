r"""Say whether a final answer, or a whole solution, is right.

Importing it loads no module of the sandbox, and little else: what runs code, starts workers or compares formulas is
loaded when it is first used.

Examples:
    >>> from verifier import verify
    >>> verify(r"Therefore the answer is \boxed{\frac{1}{2}}.", "0.5").status
    'correct'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from verifier.check import verify
from verifier.extraction.extract import extract_answer
from verifier.verdict import SolutionVerdict, Verdict

if TYPE_CHECKING:
    from verifier.many import verify_many
    from verifier.rewards import accuracy_reward
    from verifier.solution import verify_solution

_LOADED_WHEN_USED = {
    "accuracy_reward": "verifier.rewards",
    "verify_many": "verifier.many",
    "verify_solution": "verifier.solution",
}

__all__ = [
    "SolutionVerdict",
    "Verdict",
    "accuracy_reward",
    "extract_answer",
    "verify",
    "verify_many",
    "verify_solution",
]


def __getattr__(name: str) -> Any:
    if name in _LOADED_WHEN_USED:
        return getattr(import_module(_LOADED_WHEN_USED[name]), name)
    if name == "__version__":  # reading it costs more than a verdict
        return import_module("importlib.metadata").version("scdpo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
