"""Mathematics with an isolated Python kernel and a verified answer."""

from scdpo_math.taskset import MathTaskset

__all__ = ["MathTaskset"]
