"""What the replication trains: the policies, the methods with their tuned settings, and the ablations.

A study has a policy (the built-in model, which writes text and code, or one that solves the same problems in words
alone) and a number of problems. Its methods differ in the pairs that they choose from a run and in their settings.
Not covered: how they are trained and tested (`experiments.stages`, `experiments.replication`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.stages import Policy, branch_at_one_temperature, mutate
from scdpo.data.pairs import data_equal
from scdpo.data.problems import embedded_model_path
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.training.train import Method

START = "SFT (start)"
BUILT_IN = Policy(embedded_model_path(), "mathcoder")
IN_WORDS = Policy(Path("runs/chain-of-thought/policy"), "cot", unknown=frozenset(["calendar_arithmetic"]))
"""The policy of `experiments.chain_of_thought`."""
SURE = 0.75
"""Share of right roll-outs from which on a policy counts as sure of its way."""


def first_naive(run: Run) -> list[PairRecord]:
    """Return one naive pair a problem, as the paper has it."""
    first: dict[str, PairRecord] = {}
    for pair in run.pairs:
        if pair.kind == "naive":
            first.setdefault(pair.problem_id, pair)
    return list(first.values())


def step_controlled(run: Run) -> list[PairRecord]:
    """Return the step-controlled pairs of a run."""
    return [pair for pair in run.pairs if pair.kind == "step_controlled"]


def few_branches(run: Run, most: int) -> list[PairRecord]:
    """Return the first step-controlled pairs of each problem, at most so many, problem by problem."""
    branches: dict[str, list[PairRecord]] = {}
    for pair in step_controlled(run):
        branches.setdefault(pair.problem_id, []).append(pair)
    return [pair for some in branches.values() for pair in some[:most]]


def scdpo_pairs(run: Run) -> list[PairRecord]:
    """Return what SCDPO trains on: a naive pair a problem and all step-controlled pairs."""
    return first_naive(run) + step_controlled(run)


def data_equal_pairs(run: Run) -> list[PairRecord]:
    """Return as many naive pairs as SCDPO has of both kinds."""
    return data_equal(scdpo_pairs(run), run.solutions)


def one_branch(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem and its first step-controlled pair."""
    return first_naive(run) + few_branches(run, 1)


def confirmed(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem and the step-controlled pairs whose error roll-outs place at the branch."""
    return first_naive(run) + [pair for pair in step_controlled(run) if is_confirmed(pair)]


def unsure(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem and the step-controlled pairs that branch where the policy is not sure."""
    return first_naive(run) + [pair for pair in step_controlled(run) if not is_sure(pair)]


def is_sure(pair: PairRecord) -> bool:
    """Whether three roll-outs in four or more from the shared steps end right."""
    before = pair.confirmation.before
    return before.right >= SURE * before.tried


def is_confirmed(pair: PairRecord) -> bool:
    """Whether roll-outs place the error at the first move after the shared steps."""
    return pair.confirmation.confirmed is True


def at_one_temperature(run: Run) -> list[PairRecord]:
    """Return the pairs of SCDPO with continuations of the built-in model sampled at temperature 1."""

    def branch(other: Run, seed: int) -> None:
        branch_at_one_temperature(other, BUILT_IN, seed)

    return first_naive(run) + _other_branches(run, "constant", branch)


def mutated(run: Run) -> list[PairRecord]:
    """Return the pairs of SCDPO with continuations made by program."""
    return first_naive(run) + _other_branches(run, "mutation", mutate)


def _other_branches(run: Run, name: str, branch: Callable[[Run, int], None]) -> list[PairRecord]:
    """Branch off the same chosen solutions in a folder inside the run's."""
    with Run(run.folder / name) as other:
        for solution in run.solutions:
            other.solutions.append(solution)
        for pair in first_naive(run):
            other.pairs.append(pair)
        branch(other, seed_of(run.folder))
        return step_controlled(other)


@dataclass(frozen=True, slots=True)
class Variant:
    """A model to train.

    Attributes:
        name: what tables call it.
        method: which kinds of pairs count.
        pairs: chooses them from a run.
        settings: of the training, besides the shared ones.
        start: the variant that it starts from and whose own solutions its pairs are made of; None for the policy.
    """

    name: str
    method: Method
    pairs: Callable[[Run], list[PairRecord]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: Variant | None = None

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return "".join(c if c.isalnum() else "-" for c in self.name.lower()).replace("--", "-")


TUNED: Mapping[str, Mapping[str, Any]] = {
    "DPO": {"learning_rate": 4e-4},
    "DPO, data-equal": {"learning_rate": 2e-4, "beta": 0.3},
    "SCDPO": {"learning_rate": 2e-4, "beta": 0.3},
}
"""The best settings of each method in `experiments.tuning`; of equals, those with fewer endless solutions."""
FEW_TUNED: Mapping[str, Mapping[str, Any]] = {
    "DPO": {"learning_rate": 2e-4},
    "DPO, data-equal": {"learning_rate": 1e-4},
    "SCDPO": {"learning_rate": 2e-4, "beta": 0.3},
}
"""The same for a quarter of the problems, seen four times as often."""
WORDS_TUNED: Mapping[str, Mapping[str, Any]] = {
    name: {"learning_rate": 1e-4} for name in ("DPO", "DPO, data-equal", "SCDPO")
}
"""The same for the policy in words: the lowest rate tried is the least harmful to each."""


def _with(tuned: Mapping[str, Mapping[str, Any]]) -> tuple[Variant, ...]:
    """Return the paper's methods with their settings."""
    return (
        Variant("DPO", "dpo", first_naive, tuned["DPO"]),
        Variant("DPO, data-equal", "dpo", data_equal_pairs, tuned["DPO, data-equal"]),
        Variant("SCDPO", "scdpo", scdpo_pairs, tuned["SCDPO"]),
    )


MAIN, FEW = _with(TUNED), _with(FEW_TUNED)
ABLATIONS = (
    Variant("SCDPO, confirmed errors", "scdpo", confirmed, TUNED["SCDPO"]),
    Variant("SCDPO, unsure prefixes", "scdpo", unsure, TUNED["SCDPO"]),
    Variant("SCDPO, constant temperature", "scdpo", at_one_temperature, TUNED["SCDPO"]),
    Variant("SCDPO, one branch a problem", "scdpo", one_branch, TUNED["SCDPO"]),
    Variant("SCDPO, execution counted", "scdpo", scdpo_pairs, {**TUNED["SCDPO"], "count_execution": True}),
    Variant("SCDPO, mutation", "scdpo", mutated, TUNED["SCDPO"]),
)
"""Variants of SCDPO, with its settings as they stand."""


def _again(methods: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Return methods once more, each from its own first model, on other problems."""
    return tuple(replace(made, name=f"{made.name}, second round", start=made) for made in methods)


@dataclass(frozen=True, slots=True)
class Study:
    """A policy, what is trained from it, and what that is tested on.

    Attributes:
        policy: the model that all start from.
        main: the methods compared.
        ablations: variants of SCDPO.
        tests: the test sets of the main methods; all others solve the first one alone.
        second: the methods' second rounds.
        problems: how many a seed's pairs are made of.
        shared: settings of all trainings of the study.
    """

    policy: Policy
    main: tuple[Variant, ...]
    ablations: tuple[Variant, ...]
    tests: tuple[str, ...]
    second: tuple[Variant, ...] = ()
    problems: int = 120
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All models of the study."""
        return (*self.main, *self.ablations, *self.second)


STUDIES: Mapping[str, Study] = {
    "code-integrated": Study(BUILT_IN, MAIN, ABLATIONS, ("seen", "sampled", "templates", "templates, again")),
    "few-problems": Study(
        BUILT_IN,
        FEW,
        (),
        ("seen", "sampled", "templates"),
        _again(FEW[1:]),
        problems=30,
        shared={"num_train_epochs": 8.0},
    ),
    "chain-of-thought": Study(IN_WORDS, _with(WORDS_TUNED), (), ("seen", "templates")),
}
"""The studies by name, which is that of their folder too."""


def seed_of(folder: Path) -> int:
    """Return the seed of a run folder of the replication."""
    return int(folder.name.removeprefix("seed-"))
