"""Plans for five more reasoning-gym families: legs, sums, linear equations, polygon angles, calendar days.

Each function takes the question and the generator's metadata and returns the moves, or None for an instance
it has no plan for. ``habit`` is the probability of a slip where the instance has the feature that tempts
(stated in the function), ``lapse`` the probability elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from experiments.embedded.demonstrations.plan import Move

_LEGS_BY_GROUP: Mapping[int, str] = {
    0: "snake, sea slug, jellyfish, flatworm, leech",
    2: "chicken, bird, human, duck",
    4: "dog, cat, cow, horse, lion, elephant, giraffe, tiger, deer, sheep",
    5: "starfish",
    6: "insect, ant, butterfly, beetle, bee, wasp, grasshopper, cricket, cockroach, praying mantis, firefly",
    8: "spider, scorpion",
    10: "crab, lobster, shrimp",
    14: "woodlouse",
}
_LEGS = {animal: legs for legs, group in _LEGS_BY_GROUP.items() for animal in group.split(", ")}
_MISTAKEN_LEGS = {10: 8}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def legs(question: str, metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Count legs in two groups. Tempting: crabs and their like, given a spider's eight."""
    animals = list(metadata["animals"].items())
    half = (len(animals) + 1) // 2
    moves = []
    for name, group in (("first", animals[:half]), ("second", animals[half:])):
        right = [f"{count} * {_LEGS[animal]}" for animal, count in group]
        wrong = [f"{count} * {_MISTAKEN_LEGS.get(_LEGS[animal], _LEGS[animal])}" for animal, count in group]
        tempting = right != wrong
        slip = wrong if tempting else right[:-1]
        aim = "the legs of " + ", ".join(f"{count} {animal}s" for animal, count in group)
        chance = habit if tempting else lapse
        moves.append(Move(aim, name, " + ".join(right), " + ".join(slip) or None, chance))
    return [*moves, Move("all legs", "total", "first + second")]


def chain_sum(question: str, metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Add up in runs of two or three terms. Tempting: a minus before a last term that stands alone, read as plus."""
    first, *rest = re.findall(r"(?:[+-] )?\d+", metadata["expression"])
    moves = [Move("the first terms", "a", " ".join([first, *rest[:1]]))]
    for name, start in zip("bcd", range(1, len(rest), 2), strict=False):
        run = rest[start : start + 2]
        wrong = [f"+ {run[0][2:]}" if run[0][0] == "-" else f"- {run[0][2:]}", *run[1:]]
        before = moves[-1].name
        chance = habit if len(run) == 1 and run[0][0] == "-" else lapse / 2
        aim = "the terms " + " ".join(run)
        moves.append(Move(aim, name, f"{before} {' '.join(run)}", f"{before} {' '.join(wrong)}", chance))
    return moves


def equation(question: str, metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Solve a linear equation in two steps. Tempting: ``4 - 3*x = 5``, where the four is added to the five."""
    variable = metadata["variable"]
    text = metadata["equation"].replace(" ", "")
    term = rf"(?:(\d+)\*)?{variable}"
    if match := re.fullmatch(rf"(-?){term}([+-]\d+)?=(-?\d+)", text):  # 3*x - 4 = 5
        minus, factor, constant, right = match.groups()
        constant = constant or "+0"
        moved, wrong, tempting = f"{right} {_negated(constant)}", f"{right} {_spaced(constant)}", False
    elif match := re.fullmatch(rf"(\d+)-{term}=(-?\d+)", text):  # 4 - 3*x = 5
        constant, factor, right = match.groups()
        right = right if right[0] == "-" else f"+{right}"
        moved, wrong = f"{constant} {_negated(right)}", f"{constant} {_spaced(right)}"
        minus, tempting = "", True
    else:
        return None
    return [
        Move(f"the term with {variable}", "right", moved, wrong, habit if tempting else lapse),
        Move(f"the value of {variable}", variable, f"right // {minus}{factor or 1}"),
    ]


def _spaced(signed: str) -> str:
    return f"{signed[0]} {signed[1:]}"


def _negated(signed: str) -> str:
    return _spaced(("+" if signed[0] == "-" else "-") + signed[1:])


def polygon(question: str, metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Find the last angle. Tempting: six sides, where the last known angle is left out."""
    angles = [f"{angle:.0f}" for angle in metadata["known_angles"]]
    sides = metadata["n_sides"]
    return [
        Move("the sum of all angles", "total", f"({sides} - 2) * 180"),
        Move(
            "the known angles",
            "known",
            " + ".join(angles),
            " + ".join(angles[:-1]),
            habit if sides >= 6 else lapse,
        ),
        Move("the last angle", "last", "total - known"),
    ]


def calendar(question: str, metadata: Mapping[str, Any], habit: float, lapse: float) -> list[Move] | None:
    """Count days between two dates. Tempting: business days not asked with "How many": the last day is lost."""
    start, end = (date.fromisoformat(metadata[key]) for key in ("start_date", "end_date"))
    business = metadata["task"] == "count_business_days"
    tempting = business and not question.startswith("How many")
    asked = re.search(r"many (\w+day)s|of (\w+day) from|does (\w+day) occur", question)
    weekday = _WEEKDAYS.index(next(filter(None, asked.groups()))) if asked else None
    if not business and weekday is None:
        return None
    days = (end - start).days

    def is_hit(day: int) -> bool:
        number = (start + timedelta(day)).weekday()
        return number < 5 if business else number == weekday

    setup = (
        "from datetime import date, timedelta\n"
        f"start = date({start.year}, {start.month}, {start.day})\nend = date({end.year}, {end.month}, {end.day})\n"
    )
    test = "< 5" if business else f"== {weekday}"
    count = f"sum((start + timedelta(i)).weekday() {test} for i in range(days))"
    return [
        Move(
            "the days",
            "days",
            "(end - start).days + 1",
            "(end - start).days",
            habit if tempting else lapse,
            setup,
            lambda names, expression: days + 1 if expression.endswith("+ 1") else days,
        ),
        Move(
            "the business days" if business else f"the {_WEEKDAYS[weekday or 0]}s",
            "count",
            count,
            compute=lambda names, expression: sum(is_hit(day) for day in range(names["days"])),
        ),
    ]
