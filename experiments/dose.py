"""Study A, dose: pairs that sit on the error against naive pairs, at as many pairs and steps.

    python -m experiments.routes.train runs/routes/policy          # the policy, a quarter of an hour
    python -m experiments.dose runs/dose --tune                    # settings, into results/dose-tuning.json
    python -m experiments.dose runs/dose --seeds 0 1 2 3 4         # the first two arms
    python -m experiments.dose runs/dose --seeds 0 1 2 3 4 --arms dpo scdpo confirmed
    python -m experiments.dose runs/dose --keep                    # results/dose.json, which the page is made of

What is compared and what counts as an answer was written down before (``experiments/PREREGISTERED.md``). A seed fixes
the problems, every sample, every training and the held-out problems; its doses are the first 8, 15 and 30 of its
problems, and all of its models solve the same held-out problems. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from eval.results import read_results
from experiments.routes.demonstrations import oracle_pairs
from experiments.routes.problems import routes_problems
from experiments.stages import Policy, branch, one_thread, sample, solve, train_on
from experiments.studies import is_confirmed
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.pairs import data_equal
from scdpo.data.problems import GeneratedProblem
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings
from scdpo.training.train import Method

POLICY = Policy(Path("runs/routes/policy"), "mathcoder")
DOSES = (8, 15, 30)
PAIRS = 4
"""Pairs of a problem, for all arms but DPO."""
SAMPLES = 16
"""Solutions sampled a problem at most."""
ATTEMPTS = ROLLOUTS = 8
"""Continuations tried after a step, and roll-outs from before and after its first wrong move."""
STEPS = {"max_steps": 30, "per_device_train_batch_size": 8}
"""Of every training: so many optimizer steps of so many pairs."""
TESTS = 200
"""Held-out problems of a seed, solved greedily."""
TUNING_SEEDS = (100, 101)
TUNING_DOSE = 15
GRID: Sequence[Mapping[str, float]] = (
    {"learning_rate": 1e-4},
    {"learning_rate": 3e-4},
    {"learning_rate": 1e-3},
)
TEST, START = "held out", "start"
RESULTS = Path(__file__).parent / "results"
KEPT, TUNED = RESULTS / "dose.json", RESULTS / "dose-tuning.json"
Problems = Sequence[GeneratedProblem]


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to choose pairs: its name in tables, which kinds of pairs it trains on, and how it chooses them.

    ``pairs`` takes a seed's run, the problems of the dose that have naive pairs, and the seed.
    """

    name: str
    method: Method
    pairs: Callable[[Run, Problems, int], list[PairRecord]]
    branches: bool = False


def naive(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return one naive pair a problem."""
    first = {pair.problem_id: pair for pair in reversed(list(run.pairs)) if pair.kind == "naive"}
    return [first[item.problem.id] for item in problems]


def oracle(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return the planner's pairs."""
    return [pair for item in problems for pair in oracle_pairs(item, PAIRS, seed)]


def equal(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return as many naive pairs as the oracle has, of the same problems."""
    return data_equal(oracle(run, problems, seed), run.solutions)


def controlled(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return a naive pair a problem, and its step-controlled pairs."""
    wanted = {item.problem.id for item in problems}
    branches: dict[str, list[PairRecord]] = defaultdict(list)
    for pair in run.pairs:
        if pair.kind == "step_controlled" and pair.problem_id in wanted:
            branches[pair.problem_id].append(pair)
    kept = [pair for some in branches.values() for pair in some[: PAIRS - 1]]
    return naive(run, problems, seed) + kept


def confirmed(run: Run, problems: Problems, seed: int) -> list[PairRecord]:
    """Return those whose error roll-outs place at the branch, and the naive ones."""
    made = controlled(run, problems, seed)
    return [pair for pair in made if pair.kind == "naive" or is_confirmed(pair)]


ARMS: Mapping[str, Arm] = {
    "oracle": Arm("oracle", "scdpo", oracle),
    "equal": Arm("DPO, data-equal", "dpo", equal),
    "dpo": Arm("DPO", "dpo", naive),
    "scdpo": Arm("SCDPO", "scdpo", controlled, branches=True),
    "confirmed": Arm("SCDPO, confirmed", "scdpo", confirmed, branches=True),
}
FIRST = ("oracle", "equal")
"""The arms that are run first: without a difference between them no choice of pairs is worth comparing."""


def preference(seed: int) -> list[GeneratedProblem]:
    """Return the problems of a seed's largest dose, in order."""
    return list(islice(routes_problems("preference", seed), max(DOSES)))


def held_out(seed: int) -> list[GeneratedProblem]:
    """Return the problems that all models of a seed solve."""
    return list(islice(routes_problems("test", seed), TESTS))


@contextmanager
def sampled(folder: Path, policy: Policy, seed: int, branches: bool) -> Iterator[tuple[Run, Problems]]:
    """Open a seed's run with its naive pairs, and its branches if wanted; yield it with its problems."""
    problems = preference(seed)
    with Run(folder / f"seed-{seed}") as run:
        settings = NaiveSettings(at_most=SAMPLES, pairs=2, seed=seed)
        sample(run, policy, [item.problem for item in problems], settings)
        if branches:
            branch(
                run, policy, BranchSettings(steps=PAIRS - 1, attempts=ATTEMPTS, seed=seed, confirm=ROLLOUTS)
            )
        yield run, problems


def compare_arms(folder: Path, policy: Policy, seed: int, arms: Sequence[str], doses: Sequence[int]) -> None:
    """Train and test the arms of a seed at every dose, each with its tuned settings."""
    with sampled(folder, policy, seed, any(ARMS[arm].branches for arm in arms)) as (run, problems):
        test(run, policy, START, seed)
        for dose in doses:
            for arm in arms:
                train_and_test(run, policy, f"{arm}-{dose}", arm, problems[:dose], seed, tuned(arm))


def train_and_test(
    run: Run, policy: Policy, model: str, arm: str, problems: Problems, seed: int, settings: Mapping[str, Any]
) -> None:
    """Train one model on an arm's pairs of problems and test it, unless that was done."""
    if model in {result.model for result in read_results(run.folder)}:
        return
    having = {pair.problem_id for pair in run.pairs if pair.kind == "naive"}
    chosen = ARMS[arm].pairs(run, [item for item in problems if item.problem.id in having], seed)
    path = run.folder / "models" / model
    train_on(chosen, policy, path, ARMS[arm].method, seed, {**STEPS, **settings})
    test(run, replace(policy, path=path), model, seed)


def test(run: Run, policy: Policy, model: str, seed: int) -> None:
    """Solve a seed's held-out problems, unless that was done."""
    if model not in {result.model for result in read_results(run.folder)}:
        scores = solve(run, model, policy, TEST, [item.problem for item in held_out(seed)], seed).scores
        print(f"seed {seed}, {model}: {sum(scores.values()):.0f} of {len(scores)}", flush=True)


def tune(folder: Path, policy: Policy, arms: Sequence[str]) -> None:
    """Try the grid for each arm on the tuning seeds, and keep the scores in `TUNED`."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for seed in TUNING_SEEDS:
        with sampled(folder, policy, seed, any(ARMS[arm].branches for arm in arms)) as (run, problems):
            for arm in arms:
                for settings in GRID:
                    model = f"{arm}-{TUNING_DOSE}-{settings['learning_rate']:g}"
                    train_and_test(run, policy, model, arm, problems[:TUNING_DOSE], seed, settings)
            scores = {result.model: result.scores for result in read_results(run.folder)}
            for arm in arms:
                for settings in GRID:
                    rate = f"{settings['learning_rate']:g}"
                    solved = scores[f"{arm}-{TUNING_DOSE}-{rate}"].values()
                    found[arm][rate][str(seed)] = 100 * fmean(solved)
    known = json.loads(TUNED.read_text(encoding="utf-8")) if TUNED.exists() else {}
    TUNED.write_text(json.dumps({**known, **found}, indent=1) + "\n", encoding="utf-8")


def tuned(arm: str) -> dict[str, float]:
    """Return an arm's settings: the rate with the best mean over the tuning seeds; of equals, the lowest.

    Raises:
        SystemExit: if the arm was not tuned.
    """
    found = json.loads(TUNED.read_text(encoding="utf-8")) if TUNED.exists() else {}
    if arm not in found:
        raise SystemExit(f"{arm} has no settings in {TUNED}; run --tune --arms {arm} first")
    rates = found[arm]
    best = max(sorted(rates, key=float), key=lambda rate: fmean(rates[rate].values()))
    return {"learning_rate": float(best)}


def keep(folder: Path) -> None:
    """Keep the scores of all finished models problem by problem in `KEPT`: a sign a problem, 1 where it is solved."""
    seeds: dict[str, Any] = {}
    for seed in (int(path.name.removeprefix("seed-")) for path in folder.glob("seed-*")):
        if seed in TUNING_SEEDS:
            continue
        names = [item.problem.id for item in held_out(seed)]
        run = Run(folder / f"seed-{seed}")
        results = {result.model: result.scores for result in read_results(run.folder)}
        if len(results) > 1:
            scores = {
                model: "".join(str(int(of[name])) for name in names) for model, of in sorted(results.items())
            }
            kinds = {
                model.name: dict(
                    Counter(
                        json.loads(line)["kind"] for line in (model / "pairs.jsonl").open(encoding="utf-8")
                    )
                )
                for model in sorted((run.folder / "models").iterdir())
            }
            seeds[str(seed)] = {"problems": names, "scores": scores, "pairs": kinds}
    ordered = dict(sorted(seeds.items(), key=lambda item: int(item[0])))
    KEPT.write_text(json.dumps({"doses": DOSES, "seeds": ordered}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=FIRST)
    parser.add_argument("--doses", type=int, choices=DOSES, nargs="+", default=DOSES)
    parser.add_argument("--tune", action="store_true", help="try the grid for the arms on the tuning seeds")
    parser.add_argument("--keep", action="store_true", help="only keep the scores of what is finished")
    options = parser.parse_args()
    one_thread()
    if options.keep:
        keep(options.folder)
    elif options.tune:
        tune(options.folder, POLICY, options.arms)
    else:
        for seed in options.seeds:
            compare_arms(options.folder, POLICY, seed, options.arms, options.doses)


if __name__ == "__main__":
    main()
