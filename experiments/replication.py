"""The paper's comparison on the built-in model, over several seeds, with ablations on the same pairs.

    python -m experiments.replication runs/replication --seeds 0 1 2 3 4              # the main comparison
    python -m experiments.replication runs/replication --seeds 0 1 2 3 4 --ablations  # and the variants
    python -m experiments.report runs/replication                                     # tables and plots into docs/

A seed fixes the sampled problems, the held-out problems, every sample and every training. All models of a seed
share its solutions and start from the same checkpoint. Each main method has the settings that were best for it
among those of `experiments.tuning`, which uses a seed of its own. A run that was stopped goes on.

Not covered: solutions without code, which the built-in model has never seen, and rounds of sampling from the
trained model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.stages import (
    branch_at_one_temperature,
    evaluate_on,
    make_pairs,
    mutate,
    one_thread,
    train_on,
)
from scdpo.pairs import data_equal
from scdpo.problems import embedded_model_path
from scdpo.records import PairRecord
from scdpo.runs import Run
from scdpo.training import Method

START = "SFT (start)"
PROBLEMS = 160
"""Problems that a seed's pairs are made of."""
TEST_SIZES: Mapping[str, int] = {"seen": 400, "templates": 150, "harder": 150}
ABLATION_TESTS = ("seen",)


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


def scdpo_pairs(run: Run) -> list[PairRecord]:
    """Return what SCDPO trains on: a naive pair a problem and all step-controlled pairs."""
    return first_naive(run) + step_controlled(run)


def data_equal_pairs(run: Run) -> list[PairRecord]:
    """Return as many naive pairs as SCDPO has of both kinds."""
    return data_equal(scdpo_pairs(run), run.solutions)


def one_branch(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem and its first step-controlled pair."""
    first: dict[str, PairRecord] = {}
    for pair in step_controlled(run):
        first.setdefault(pair.problem_id, pair)
    return first_naive(run) + list(first.values())


def wrong_at_once(run: Run) -> list[PairRecord]:
    """Return a naive pair a problem and the step-controlled pairs whose first output after the branch differs.

    In the others the continuation first repeats what the preferred side computes, and its error comes later.
    """
    return first_naive(run) + [pair for pair in step_controlled(run) if errs_at_once(pair)]


def errs_at_once(pair: PairRecord) -> bool:
    """Whether the sides' first outputs differ; the built-in model computes the same quantities in the same order."""
    first = [
        next((block.content for block in side if block.type == "execution"), None)
        for side in (pair.chosen, pair.rejected)
    ]
    return None not in first and first[0] != first[1]


def code_after_branch(run: Run) -> list[PairRecord]:
    """Return the pairs of SCDPO without those whose preferred side has nothing left but to state the answer."""
    kept = [pair for pair in step_controlled(run) if any(block.type == "code" for block in pair.chosen)]
    return first_naive(run) + kept


def at_one_temperature(run: Run) -> list[PairRecord]:
    """Return the pairs of SCDPO with continuations sampled at temperature 1, as the solutions are."""
    return first_naive(run) + _other_branches(run, "constant", branch_at_one_temperature)


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
    """A model to train: its name in tables, its method, its pairs, and settings besides the shared ones."""

    name: str
    method: Method
    pairs: Callable[[Run], list[PairRecord]]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return "".join(c if c.isalnum() else "-" for c in self.name.lower()).replace("--", "-")


TUNED: Mapping[str, Mapping[str, Any]] = {
    "DPO": {"learning_rate": 4e-4},
    "DPO, data-equal": {"learning_rate": 2e-4},
    "SCDPO": {"learning_rate": 2e-4},
}
"""The best settings of each method in `experiments.tuning`."""
MAIN = (
    Variant("DPO", "dpo", first_naive, TUNED["DPO"]),
    Variant("DPO, data-equal", "dpo", data_equal_pairs, TUNED["DPO, data-equal"]),
    Variant("SCDPO", "scdpo", scdpo_pairs, TUNED["SCDPO"]),
)
ABLATIONS = (
    Variant("SCDPO, error at the branch", "scdpo", wrong_at_once, TUNED["SCDPO"]),
    Variant("SCDPO, code after the branch", "scdpo", code_after_branch, TUNED["SCDPO"]),
    Variant("SCDPO, constant temperature", "scdpo", at_one_temperature, TUNED["SCDPO"]),
    Variant("SCDPO, one branch a problem", "scdpo", one_branch, TUNED["SCDPO"]),
    Variant("SCDPO, execution counted", "scdpo", scdpo_pairs, {**TUNED["SCDPO"], "count_execution": True}),
    Variant("SCDPO, mutation", "scdpo", mutated, TUNED["SCDPO"]),
)
"""Variants of SCDPO, with its settings as they stand."""


def seed_of(folder: Path) -> int:
    """Return the seed of a run folder of the replication."""
    return int(folder.name.removeprefix("seed-"))


def train_models(folder: Path, seed: int, variants: Iterable[Variant]) -> None:
    """Make the pairs of a seed and train the variants on them.

    Args:
        folder: holds a run folder for each seed.
        seed: 0 to 999.
        variants: what is trained.
    """
    with Run(folder / f"seed-{seed}") as run:
        make_pairs(run, seed, PROBLEMS)
        for variant in variants:
            path = run.folder / "models" / variant.folder
            if not (path / "model.safetensors").exists():
                train_on(variant.pairs(run), path, variant.method, seed, variant.settings)


def evaluate_models(folder: Path, seed: int, variants: Iterable[Variant], test: str) -> None:
    """Evaluate the variants of a seed, and the model they started from, on a test set."""
    with Run(folder / f"seed-{seed}") as run:
        models = {variant.name: run.folder / "models" / variant.folder for variant in variants}
        for name, path in {START: embedded_model_path(), **models}.items():
            scores = evaluate_on(run, name, path, test, seed, TEST_SIZES[test]).scores
            print(f"seed {seed}, {test}, {name}: {sum(scores.values()):.0f} of {len(scores)}", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a run folder for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--ablations", action="store_true", help="also train the variants of SCDPO")
    options = parser.parse_args()
    one_thread()
    jobs: list[tuple[Sequence[Variant], Sequence[str]]] = [(MAIN, tuple(TEST_SIZES))]
    if options.ablations:
        jobs += [((variant,), ABLATION_TESTS) for variant in ABLATIONS]
    for variants, tests in jobs:
        for seed in options.seeds:
            train_models(options.folder, seed, variants)
        for test in tests:
            for seed in options.seeds:
                evaluate_models(options.folder, seed, variants, test)


if __name__ == "__main__":
    main()
