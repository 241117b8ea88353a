"""Questions of four kinds with what is known about each: legs, a bus, a shopping list, a chain of comparisons.

Each has four parts, and each part a letter: a model of a million parameters learns to find a part by its letter much
sooner than by its place in a list.

Each kind has places that tempt to a mistake (`experiments.routes.plans` says which), drawn so that somewhat more than
half of the problems have none. Splits do not meet: a question's text decides which of them may hold it, as in
``scdpo.data.problems``. Not covered: numbers that are not whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scdpo.data.problems import GeneratedProblem, Problem, Split, split_of

TEMPTING = 0.12
"""How often a stop, an item or a comparison is of the kind that tempts."""
LETTERS = "abcd"
"""The parts of every question: with four, no route takes more than the 24 blocks of the format."""
LEGS: Mapping[str, int] = {
    **dict.fromkeys(("ducks", "chickens", "birds", "boys", "girls"), 2),
    **dict.fromkeys(("cows", "dogs", "cats", "horses", "lions"), 4),
    **dict.fromkeys(("ants", "bees", "beetles", "wasps"), 6),
    **dict.fromkeys(("spiders", "scorpions"), 8),
    **dict.fromkeys(("crabs", "lobsters"), 10),
}
"""Facts that the policy has to learn."""
_BUYERS = ("Ann", "Ben", "Eva", "Tom", "Sam", "Mia", "Leo", "Ida", "Max", "Zoe")
_WARES = ("pens", "cups", "books", "caps", "toys", "bags", "cards", "tickets", "eggs", "balls")
_THINGS = ("marbles", "stamps", "coins", "cards", "shells")
Facts = dict[str, Any]


def _legs(rng: random.Random) -> tuple[str, int, Facts]:
    animals = [(rng.randint(2, 9), name) for name in rng.sample(list(LEGS), len(LETTERS))]
    listed = _listed([f"{count} {name}" for count, name in animals])
    question = rng.choice(
        (
            f"How many legs do {listed} have together?",
            f"A farm has {listed}. How many legs is that?",
            f"Count the legs of {listed}.",
        )
    )
    return question, sum(count * LEGS[name] for count, name in animals), {"animals": animals}


def _bus(rng: random.Random) -> tuple[str, int, Facts]:
    start = people = rng.randint(20, 60)
    stops = []
    for _ in LETTERS:
        off, on = rng.randint(2, 9), rng.randint(2, 9)
        stops.append((off, on, rng.random() < TEMPTING))
        people += on - off
    told = [f"{on} on, {off} off" if last else f"{off} off, {on} on" for off, on, last in stops]
    vehicle = rng.choice(("bus", "train", "tram"))
    question = (
        f"A {vehicle} starts with {start} people. Stops: {_listed(told)}. "
        f"How many people are on the {vehicle} now?"
    )
    return question, people, {"start": start, "stops": stops}


def _shop(rng: random.Random) -> tuple[str, int, Facts]:
    items = []
    for ware in rng.sample(_WARES, len(LETTERS)):
        coupon = rng.randint(1, 4) if rng.random() < TEMPTING else 0
        items.append((rng.randint(2, 6), ware, rng.randint(3, 9), coupon))
    spent = sum(count * price - coupon for count, _, price, coupon in items)
    money = spent + rng.randint(5, 60)
    told = [
        f"{count} {ware} at {price}" + (f" with a coupon of {coupon}" if coupon else "")
        for count, ware, price, coupon in items
    ]
    name = rng.choice(_BUYERS)
    question = rng.choice(
        (
            f"{name} has {money} dollars and buys {_listed(told)}. How many dollars are left?",
            f"With {money} dollars {name} buys {_listed(told)}. How much money remains?",
        )
    )
    return question, money - spent, {"money": money, "items": items}


def _chain(rng: random.Random) -> tuple[str, int, Facts]:
    names = LETTERS.upper()
    values = [rng.randint(8, 20)]
    links: list[tuple[int, str, int]] = []  # whom it is compared with, how, by how much
    told = [f"{names[0]} has {values[0]} {{things}}."]
    for person in range(1, len(names)):
        far = person >= 2 and rng.random() < 1.5 * TEMPTING
        other = rng.randrange(person - 1) if far else person - 1
        fits = {"more": True, "fewer": values[other] > 8, "times": values[other] < 40}
        how = rng.choice([word for word, fit in fits.items() if fit])
        number = rng.randint(2, 3) if how == "times" else rng.randint(2, 7)
        values.append(
            {"more": values[other] + number, "fewer": values[other] - number}.get(how, values[other] * number)
        )
        links.append((other, how, number))
        comparison = f"{number} times as many as" if how == "times" else f"{number} {how} than"
        told.append(f"{names[person]} has {comparison} {names[other]}.")
    things = rng.choice(_THINGS)
    asked = rng.choice((f"How many {things} do they have together?", f"How many {things} is that in all?"))
    question = f"{' '.join(told).format(things=things)} {asked}"
    return question, sum(values), {"names": names, "first": values[0], "links": links}


FAMILIES: Mapping[str, Callable[[random.Random], tuple[str, int, Facts]]] = {
    "legs": _legs,
    "bus": _bus,
    "shop": _shop,
    "chain": _chain,
}
"""Each draws a question, its answer, and the facts that plans are made of."""


def routes_problems(split: Split, seed: int = 0) -> Iterator[GeneratedProblem]:
    """Yield different problems of all families without end.

    Args:
        split: the only questions that are drawn are those that it may hold.
        seed: other seeds give other problems.
    """
    rng = random.Random(f"routes {split} {seed}")
    seen: set[str] = set()
    while True:
        family = rng.choice(list(FAMILIES))
        question, answer, facts = FAMILIES[family](rng)
        if split_of(question) != split or question in seen:
            continue
        seen.add(question)
        id = f"routes/{family}/{split}-{seed}-{len(seen)}"
        yield GeneratedProblem(Problem(id, question, str(answer), source=family), facts)


def _listed(parts: list[str]) -> str:
    """Return the parts with their letters: ``(a) 5 cats, (b) 7 wasps``."""
    return ", ".join(f"({letter}) {part}" for letter, part in zip(LETTERS, parts, strict=True))
