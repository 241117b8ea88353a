"""How often models make which slip: the weights by which mutations are drawn.

The first group was measured: 621 wrong solutions of MathCoder and ToRA (GSM8K, MATH, SVAMP, mathematics) whose
programs differ from a right one of the same problem at one place (``benchmarks/slips.py``; its two ``added_function``
have no counterpart here). Straight-line arithmetic, which alone can be compared so, does not show the kinds of the
second group; each is given the weight of a rare one. So is ``swapped_premises``, which the comparison takes for two.
"""

from __future__ import annotations

from typing import Final

KIND_WEIGHTS: Final = {
    "dropped_term": 217,
    "added_term": 191,
    "variable": 71,
    "operator": 65,
    "constant": 56,
    "swapped_operands": 10,
    "lost_parentheses": 8,
    "dropped_function": 1,
    # not measured; arithmetic is that of chains of thought, where no program reckons
    "off_by_one": 10,
    "comparison": 10,
    "wrong_function": 10,
    "swapped_arguments": 10,
    "wrong_element": 10,
    "dropped_line": 10,
    "swapped_premises": 10,
    "arithmetic": 10,
}
