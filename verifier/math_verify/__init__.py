r"""The names of Math-Verify, answered by this verifier.

Put ``verifier.`` before ``math_verify`` in the imports of a caller; its calls stay as they are written:

>>> from verifier.math_verify import LatexExtractionConfig, parse, verify
>>> answer = parse(r"So it is \boxed{0.5}.", extraction_config=[LatexExtractionConfig(boxed_match_priority=0)])
>>> verify(parse(r"$\frac{1}{2}$"), answer, timeout_seconds=5)
True

The gold answer still comes first, and ``verify`` still returns a bool; but the order of the two does not change the
result, bare LaTeX golds need no dollars, and no call needs the main thread or raises on any text.

Known differences: ``parse`` returns the answer as text, not as a sympy object. What steers Math-Verify's regular
expressions, its normalisation and its rounding (``boxed_match_priority``, ``normalization_config``, ``fallback_mode``,
``extraction_mode``, ``float_rounding``, ``precision``, ``numeric_precision``, ``strict``, ``allow_set_relation_comp``,
``raise_on_error``) is taken, so that calls need no change, and has no effect: how an answer is read here does not
depend on the caller.
"""

from verifier.math_verify.grader import verify
from verifier.math_verify.metric import math_metric
from verifier.math_verify.parser import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    LatexNormalizationConfig,
    StringExtractionConfig,
    parse,
)

__all__ = [
    "ExprExtractionConfig",
    "LatexExtractionConfig",
    "LatexNormalizationConfig",
    "StringExtractionConfig",
    "math_metric",
    "parse",
    "verify",
]
