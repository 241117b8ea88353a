r"""Say whether a final answer, or a whole solution, is right.

>>> from verifier import verify
>>> verify(r"Therefore the answer is \boxed{\frac{1}{2}}.", "0.5").status
'correct'

Importing it loads no module of the sandbox: ``verify_solution``, which runs code, is loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from verifier.check import verify, verify_many
from verifier.extraction.extract import extract_answer
from verifier.rewards import accuracy_reward
from verifier.verdict import SolutionVerdict, Verdict

if TYPE_CHECKING:
    from verifier.solution import verify_solution

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
    if name == "verify_solution":
        return import_module("verifier.solution").verify_solution
    if name == "__version__":  # reading it costs more than a verdict
        return import_module("importlib.metadata").version("scdpo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
