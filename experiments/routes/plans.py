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
from experiments.routes.problems import LEGS, LETTERS

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
    for letter, (count, animal) in zip(LETTERS, facts["animals"], strict=True):
        legs = LEGS[animal]
        tempting = legs in _MISTAKEN_LEGS
        wrong = _MISTAKEN_LEGS[legs] if tempting else rng.choice([n for n in (2, 4, 6) if n != legs])
        swap = rng.random() < 0.5
        right_product, wrong_product = (_product(count, n, swap) for n in (legs, wrong))
        first = letter == LETTERS[0]
        before = "" if first or route != "running" else f"{moves[-1].name} + "
        chance = HABIT if tempting else LAPSE
        aim = _aim(letter, f"{count} {animal}", rng)
        moves.append(Move(aim, letter, before + right_product, before + wrong_product, chance))
        if route == "apart, summed up at once" and not first:
            so_far = "a" if letter == "b" else "total"
            moves.append(Move("the sum so far", "total", f"{so_far} + {letter}"))
    if route == "apart":
        moves.append(_sum(rng.choice(("all legs", "the sum")), "total", list(LETTERS)))
    return moves


def _bus(facts: Facts, rng: random.Random) -> list[Move]:
    route = rng.choice(("stop by stop", "change so far", "changes"))
    moves: list[Move] = []
    start = str(facts["start"])
    for letter, (off, on, tempting) in zip(LETTERS, facts["stops"], strict=True):
        chance = HABIT if tempting else LAPSE
        first = letter == LETTERS[0]
        aim = _aim(letter, "the stop" if route == "stop by stop" else "the change", rng)
        if route == "stop by stop":
            before = start if first else "n"
            right = rng.choice((f"- {off} + {on}", f"+ {on} - {off}"))
            wrong = right.replace("-", "+") if tempting else " ".join(right.split()[:2])
            moves.append(Move(aim, "n", f"{before} {right}", f"{before} {wrong}", chance))
            continue
        before = "c + " if route == "change so far" and not first else ""
        slip = f"{on} + {off}" if tempting else f"{off} - {on}"
        name = letter if route == "changes" else "c"
        moves.append(Move(aim, name, f"{before}{on} - {off}", before + slip, chance))
    if route == "changes":
        moves.append(_sum("all together", "n", [start, *LETTERS]))
    elif route == "change so far":
        moves.append(Move("all together", "n", f"{start} + c"))
    return moves


def _shop(facts: Facts, rng: random.Random) -> list[Move]:
    route = rng.choice(("pay at once", "costs", "spent so far"))
    moves: list[Move] = []
    money = facts["money"]
    for letter, (count, ware, price, coupon) in zip(LETTERS, facts["items"], strict=True):
        cost = _product(count, price, rng.random() < 0.5)
        slip, chance = (cost, HABIT) if coupon else (cost.replace("*", "+"), LAPSE)
        first = letter == LETTERS[0]
        aim = _aim(letter, f"{count} {ware} at {price}", rng)
        if route == "pay at once":
            before = str(money) if first else "left"
            right = f"{before} - {cost}" + (f" + {coupon}" if coupon else "")
            wrong = f"{before} - {slip}" if coupon else f"{before} - ({slip})"
            moves.append(Move(aim, "left", right, wrong, chance))
            continue
        right = cost + (f" - {coupon}" if coupon else "")
        if route == "costs":
            moves.append(Move(aim, letter, right, slip, chance))
        else:
            before = "" if first else "spent + "
            moves.append(Move(aim, "spent", before + right, before + slip, chance))
    if route == "costs":
        moves.append(_sum("all costs", "spent", list(LETTERS)))
    if route != "pay at once":
        moves.append(Move("the rest", "left", f"{money} - spent"))
    return moves


def _chain(facts: Facts, rng: random.Random) -> list[Move]:
    running = rng.random() < 0.5
    moves = [Move(LETTERS[0].upper(), LETTERS[0], str(facts["first"]))]
    total = LETTERS[0]
    for person, (other, how, number) in enumerate(facts["links"], 1):
        name, sign = LETTERS[person], {"more": "+", "fewer": "-", "times": "*"}[how]
        right = f"{LETTERS[other]} {sign} {number}"
        if other != person - 1:
            slip, chance = f"{LETTERS[person - 1]} {sign} {number}", HABIT
        else:
            slip, chance = f"{LETTERS[other]} {'-' if sign == '+' else '+'} {number}", LAPSE
        aim = rng.choice((name.upper(), f"what {name.upper()} has"))
        moves.append(Move(aim, name, right, slip, chance))
        if running:
            moves.append(Move("the sum so far", "total", f"{total} + {name}"))
            total = "total"
    if not running:
        moves.append(_sum(rng.choice(("all", "the sum")), "total", list(LETTERS)))
    return moves


_ROUTES: Mapping[str, Callable[[Facts, random.Random], list[Move]]] = {
    "legs": _legs,
    "bus": _bus,
    "shop": _shop,
    "chain": _chain,
}


def _aim(letter: str, what: str, rng: random.Random) -> str:
    """Return the part that a step is about, with the numbers that its code copies."""
    return rng.choice((f"({letter}) {what}", f"({letter}), that is {what}"))


def _product(one: int, other: int, swap: bool) -> str:
    return f"{other} * {one}" if swap else f"{one} * {other}"


def _sum(aim: str, name: str, terms: list[str]) -> Move:
    """Return the move that adds up; the slip forgets the last term."""
    return Move(aim, name, " + ".join(terms), " + ".join(terms[:-1]), LAPSE)
