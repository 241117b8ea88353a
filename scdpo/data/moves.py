"""Moves: what a solution's author decides at once. A text and the code that it announces are one move.

A text states a plan and cannot hold a slip by itself while its code is still to come; a text that no code follows is a
move of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from sandbox import Block, Solution


def first_move(blocks: Sequence[Block]) -> int:
    """Return how many blocks of a continuation make its first move."""
    steps = Solution(tuple(blocks)).steps
    moves = steps[:2] if len(steps) > 1 and not steps[0].is_code and steps[1].is_code else steps[:1]
    return sum(len(step.blocks) for step in moves)


def move_ends(solution: Solution) -> list[int]:
    """Return the steps that end a move, but for the last: the places inside a solution from which to roll out."""
    return [
        step.index
        for step, following in itertools.pairwise(solution.steps)
        if step.is_code or not following.is_code
    ]


def move_blocks(solution: Solution) -> list[tuple[Block, ...]]:
    """Return the blocks of each move, in order."""
    ends = [0, *(len(solution.prefix(step).blocks) for step in move_ends(solution)), len(solution.blocks)]
    return [solution.blocks[start:end] for start, end in itertools.pairwise(ends) if end > start]


def move_at(solution: Solution, block: int) -> int:
    """Return the number of the move, from 0 on, that holds a block (numbered from 0 on)."""
    ends = itertools.accumulate(map(len, move_blocks(solution)))
    return next(number for number, end in enumerate(ends) if end > block)
