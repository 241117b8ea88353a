"""Routes to the answer: each family has several, and each step of a route the slip that may be made in it.

Where the problem tempts, the slip is more common than the right step, so that greedy decoding makes it (``HABIT``):

- legs: crabs and lobsters are given a spider's eight;
- bus: where those who get on are told first, those who get off are added;
- shop: a coupon is forgotten;
- chain: a person is compared with the one before, though another one is named.

Elsewhere a step slips seldom (``LAPSE``). Slips are drawn step by step and do not know of each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from experiments.embedded.demonstrations.plan import Move
from experiments.routes.problems import LEGS

HABIT = 0.6
LAPSE = 0.05
_MISTAKEN_LEGS = {10: 8}
Facts = Mapping[str, Any]


def plan(family: str, facts: Facts, rng: random.Random) -> list[Move]:
    """Return the moves of one of the family's routes, drawn with the order of factors and the wording of the aims."""
    return _ROUTES[family](facts, rng)


def _legs(facts: Facts, rng: random.Random) -> list[Move]:
    route = rng.choice(("running", "apart", "apart, summed up at once"))
    moves: list[Move] = []
    names = []
    for index, (count, animal) in enumerate(facts["animals"]):
        legs = LEGS[animal]
        tempting = legs in _MISTAKEN_LEGS
        wrong = _MISTAKEN_LEGS[legs] if tempting else rng.choice([n for n in (2, 4, 6) if n != legs])
        swap = rng.random() < 0.5
        right_product, wrong_product = (_product(count, n, swap) for n in (legs, wrong))
        before = f"{names[-1]} + " if names and route == "running" else ""
        names.append("abcdef"[index])
        aim = rng.choice((f"{count} {animal}", f"the {count} {animal}"))
        chance = HABIT if tempting else LAPSE
        moves.append(Move(aim, names[-1], before + right_product, before + wrong_product, chance))
        if route == "apart, summed up at once" and index:
            so_far = names[0] if index == 1 else "total"
            moves.append(Move("the sum so far", "total", f"{so_far} + {names[-1]}"))
    if route == "apart":
        moves.append(_sum(rng.choice(("all legs", "the sum")), "total", names))
    return moves


def _bus(facts: Facts, rng: random.Random) -> list[Move]:
    route = rng.choice(("stop by stop", "off, then on", "changes"))
    moves: list[Move] = []
    before = str(facts["start"])
    for number, (off, on, tempting) in enumerate(facts["stops"], 1):
        chance = HABIT if tempting else LAPSE
        if route == "off, then on":
            moves.append(Move(f"stop {number}, off", "n", f"{before} - {off}", f"{before} + {off}", chance))
            moves.append(Move(f"stop {number}, on", "n", f"n + {on}", f"n - {on}", LAPSE / 2))
            before = "n"
        elif route == "stop by stop":
            right = rng.choice((f"- {off} + {on}", f"+ {on} - {off}"))
            wrong = right.replace("-", "+") if tempting else " ".join(right.split()[:2])
            moves.append(Move(f"stop {number}", "n", f"{before} {right}", f"{before} {wrong}", chance))
            before = "n"
        else:
            slip = f"{on} + {off}" if tempting else f"{off} - {on}"
            moves.append(Move(f"the change at stop {number}", f"c{number}", f"{on} - {off}", slip, chance))
    if route == "changes":
        moves.append(_sum("all together", "n", [before, *(move.name for move in moves)]))
    return moves


def _shop(facts: Facts, rng: random.Random) -> list[Move]:
    route = rng.choice(("pay at once", "costs", "spent so far"))
    moves: list[Move] = []
    money = facts["money"]
    for index, (count, ware, price, coupon) in enumerate(facts["items"]):
        cost = _product(count, price, rng.random() < 0.5)
        slip, chance = (cost, HABIT) if coupon else (cost.replace("*", "+"), LAPSE)
        aim = rng.choice((f"{count} {ware}", f"the {count} {ware}"))
        if route == "pay at once":
            before = "left" if index else str(money)
            right = f"{before} - {cost}" + (f" + {coupon}" if coupon else "")
            wrong = f"{before} - {slip}" if coupon else f"{before} - ({slip})"
            moves.append(Move(aim, "left", right, wrong, chance))
            continue
        right = cost + (f" - {coupon}" if coupon else "")
        if route == "costs":
            moves.append(Move(aim, "abcde"[index], right, slip, chance))
        else:
            before = "spent + " if index else ""
            moves.append(Move(aim, "spent", before + right, before + slip, chance))
    if route == "costs":
        moves.append(_sum("all costs", "spent", [move.name for move in moves]))
    if route != "pay at once":
        moves.append(Move("the rest", "left", f"{money} - spent"))
    return moves


def _chain(facts: Facts, rng: random.Random) -> list[Move]:
    running = rng.random() < 0.5
    names = [name.lower() for name in facts["names"]]
    moves = [Move(facts["names"][0], names[0], str(facts["first"]))]
    total = names[0]
    for person, (other, how, number) in enumerate(facts["links"], 1):
        sign = {"more": "+", "fewer": "-", "times": "*"}[how]
        right = f"{names[other]} {sign} {number}"
        if other != person - 1:
            slip, chance = f"{names[person - 1]} {sign} {number}", HABIT
        else:
            slip, chance = f"{names[other]} {'-' if sign == '+' else '+'} {number}", LAPSE
        aim = rng.choice((facts["names"][person], f"what {facts['names'][person]} has"))
        moves.append(Move(aim, names[person], right, slip, chance))
        if running:
            moves.append(Move("the sum so far", "total", f"{total} + {names[person]}"))
            total = "total"
    if not running:
        moves.append(_sum(rng.choice(("all", "the sum")), "total", names))
    return moves


_ROUTES: Mapping[str, Callable[[Facts, random.Random], list[Move]]] = {
    "legs": _legs,
    "bus": _bus,
    "shop": _shop,
    "chain": _chain,
}


def _product(one: int, other: int, swap: bool) -> str:
    return f"{other} * {one}" if swap else f"{one} * {other}"


def _sum(aim: str, name: str, terms: list[str]) -> Move:
    """Return the move that adds up; the slip forgets the last term."""
    return Move(aim, name, " + ".join(terms), " + ".join(terms[:-1]), LAPSE)
