"""What the rivals compete on: a policy, the problems it is trained and tested on, and how the tests are read.

``routes`` is the policy of Study A, with several routes to every answer. ``built-in`` is the quickstart's model, which
was taught to end its turn where it calls a tool (`experiments.rivals.mark`); some templates of its word problems are in
no round, and are tested apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from experiments import dose, kept
from experiments.embedded.demonstrations import demonstrate
from experiments.problem_sets import SEEN, TESTS
from experiments.routes.demonstrations import written
from experiments.routes.plans import plan
from experiments.routes.problems import routes_problems
from experiments.stages import Policy
from sandbox.solution import Solution
from scdpo.data.problems import GeneratedProblem, generate

ROUNDS = 3
PROBLEMS = {"routes": 120, "built-in": 300}
"""Of a round, by ground: more than its tokens suffice for, on the built-in model down to 9 tokens a solution."""
MODES = {"greedy": "", "sampled": "@1"}
"""How a model solves the held-out problems, and what is added to its name in the kept scores."""
TEMPLATES = 100
"""Held-out problems of templates that are in no round."""
RESULTS = Path(__file__).parents[1] / "results"
_SEEDS = 700
"""Added to the seed of built-in problems: no other study has these."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How well a model does: by its solutions of one mode, of the problems whose ids start so."""

    mode: str
    start: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """A policy, and what is done with it.

    Attributes:
        name: on the command line.
        policy: the model that all arms start from.
        preference: takes a seed; returns the problems of each round, no two the same.
        held_out: takes a seed; returns the problems that all of its models solve.
        right: writes a right solution of a problem, as the demonstrations have it; None where it can't.
        tokens: sampled in a round, by every arm that samples.
        outcomes: by name in tables.
        kept: the file of the scores.
        finds_mistakes: whether it is known where a solution first goes wrong (`experiments.rivals.mistakes`).
    """

    name: str
    policy: Policy
    preference: Callable[[int], list[list[GeneratedProblem]]]
    held_out: Callable[[int], list[GeneratedProblem]]
    right: Callable[[GeneratedProblem, random.Random], Solution | None]
    tokens: int
    outcomes: Mapping[str, Outcome]
    kept: Path
    finds_mistakes: bool = False

    def solved(self, of_seed: Mapping[str, Any], model: str, outcome: str) -> float:
        """Return the percent that a model solves of a seed's problems.

        Raises:
            KeyError: if the model is not tested.
        """
        of = self.outcomes[outcome]
        marks = zip(of_seed["problems"], of_seed["scores"][model + MODES[of.mode]], strict=True)
        return kept.solved("".join(mark for name, mark in marks if name.startswith(of.start)))


def tested(of_seed: Mapping[str, Any], model: str) -> bool:
    """Whether a seed has the scores of a model, in every mode."""
    return all(model + suffix in of_seed.get("scores", {}) for suffix in MODES.values())


def _routes_preference(seed: int) -> list[list[GeneratedProblem]]:
    stream = routes_problems("preference", 1000 + seed)
    return [list(islice(stream, PROBLEMS["routes"])) for _ in range(ROUNDS)]


def _routes_right(item: GeneratedProblem, rng: random.Random) -> Solution:
    solution, _ = written(plan(item.problem.source, item.metadata, rng), (), rng)
    return solution


def _built_in_preference(seed: int) -> list[list[GeneratedProblem]]:
    stream = generate(SEEN, "preference", _SEEDS + seed, "seen")
    return [list(islice(stream, PROBLEMS["built-in"])) for _ in range(ROUNDS)]


def _built_in_held_out(seed: int) -> list[GeneratedProblem]:
    counts = {"seen": dose.TESTS, "templates": TEMPLATES}
    return [
        item
        for name, count in counts.items()
        for item in islice(generate(TESTS[name], "test", _SEEDS + seed, name), count)
    ]


def _built_in_right(item: GeneratedProblem, rng: random.Random) -> Solution | None:
    made = demonstrate(item, rng, habit=0.0, lapse=0.0)
    return made.solution if made else None


GROUNDS: Mapping[str, Ground] = {
    ground.name: ground
    for ground in (
        Ground(
            "routes",
            dose.POLICY,
            _routes_preference,
            dose.held_out,
            _routes_right,
            tokens=60_000,
            outcomes={mode: Outcome(mode) for mode in MODES},
            kept=RESULTS / "rivals.json",
            finds_mistakes=True,
        ),
        Ground(
            "built-in",
            Policy(Path("experiments/rivals/policy"), "mathcoder"),
            _built_in_preference,
            _built_in_held_out,
            _built_in_right,
            tokens=20_000,
            outcomes={
                "greedy": Outcome("greedy", "seen/"),
                "sampled": Outcome("sampled", "seen/"),
                "templates": Outcome("greedy", "templates/"),
            },
            kept=RESULTS / "rivals_built_in.json",
        ),
    )
}
