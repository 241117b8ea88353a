r"""Say whether a final answer, or a whole solution, is right.

>>> from verifier import verify
>>> verify(r"Therefore the answer is \boxed{\frac{1}{2}}.", "0.5").status
'correct'
"""

from verifier.check import verify, verify_many
from verifier.extract import extract_answer
from verifier.rewards import accuracy_reward
from verifier.solution import verify_solution
from verifier.verdict import SolutionVerdict, Verdict

__all__ = [
    "SolutionVerdict",
    "Verdict",
    "accuracy_reward",
    "extract_answer",
    "verify",
    "verify_many",
    "verify_solution",
]
