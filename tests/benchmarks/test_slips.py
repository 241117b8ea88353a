"""What the two scripts that look at recorded and mutated solutions count, on solutions written for it."""

from __future__ import annotations

from typing import Any

from benchmarks import slips, style_tells


def solution(code: str, right: bool, problem: str = "p", text: str = "It is so.") -> dict[str, Any]:
    blocks = [{"type": "code", "content": code}, {"type": "text", "content": text}]
    return {"problem_id": problem, "recorded_correct": right, "blocks": blocks}


def test_a_slip_is_found_by_the_right_program_of_the_same_problem() -> None:
    rows = [
        solution("a = 3\nb = 4\nprint(a + b)", True),
        solution("print(3 - 4)", False),
        solution("total = 3 + 4\nprint(total)", False),
        solution("for i in range(3):\n    print(i)", False),
    ]
    found, others = slips.measure(rows)
    assert found.total() == 1
    assert dict(others) == {"the program is right": 1, "no straight-line arithmetic": 1}


def test_sides_that_differ_in_length_are_told_apart_and_equal_ones_by_chance() -> None:
    long = [solution("1", True, f"p{i}", "word " * 40) for i in range(40)]
    short = [solution("1", False, f"p{i}", "word") for i in range(40)]
    assert style_tells.told_apart(list(style_tells.of_recorded([*long, *short]))) == (40, 40)
    same = [solution("1", right, f"p{i}") for i in range(40) for right in (True, False)]
    right, tried = style_tells.told_apart(list(style_tells.of_recorded(same)))
    assert (right, tried) == (0, 40)
