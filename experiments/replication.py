"""The paper's comparison on policies of a million parameters, over several seeds, with ablations on the same pairs.

    python -m experiments.replication runs/replication --ablations                    # code-integrated, built-in model
    python -m experiments.replication runs/replication --study few-problems --seeds 0 1 2 3 4 5 6 7 8 9
    python -m experiments.replication runs/replication --study few-problems --second-round    # from the trained models
    python -m experiments.replication runs/replication --study chain-of-thought
    python -m experiments.report runs/replication                                     # tables and plots into docs/

A study has a policy: the built-in model, or one that solves the same problems without code. A seed fixes the
sampled problems, the held-out problems, every sample and every training. All models of a seed share its solutions
and start from the same checkpoint. Each main method has the settings that were best for it among those of
`experiments.tuning`, which uses a seed of its own. A second round makes the pairs of a method anew, from solutions
of its own first model to other problems, and trains on from there. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.stages import Policy, evaluate_on, make_pairs, one_thread, train_on
from experiments.studies import START, STUDIES, Study, Variant
from scdpo.data.runs import Run

TEST_SIZES: Mapping[str, int] = {"seen": 400, "sampled": 300, "templates": 200, "templates, again": 400}
"""Problems of a seed's test sets."""
SECOND = 300
"""Added to a seed for the problems and samples of its second round."""


def train_models(folder: Path, study: Study, seed: int, variants: Iterable[Variant]) -> None:
    """Make the pairs of a seed and train the variants on them.

    Args:
        folder: holds a run folder for each seed.
        study: whose policy makes the pairs and is trained on them.
        seed: 0 to 999.
        variants: what is trained.
    """
    with Run(folder / f"seed-{seed}") as run:
        make_pairs(run, study.policy, seed, study.problems)
        for variant in variants:
            path = run.folder / "models" / variant.folder
            if (path / "model.safetensors").exists():
                continue
            policy, pairs = study.policy, run
            if variant.start:
                policy, pairs = second_round(run, study, variant.start, seed)
            settings = {**study.shared, **variant.settings}
            train_on(variant.pairs(pairs), policy, path, variant.method, seed, settings)


def second_round(run: Run, study: Study, start: Variant, seed: int) -> tuple[Policy, Run]:
    """Make pairs of a trained model's own solutions, in a folder inside the run's; return it and them."""
    trained = replace(study.policy, path=run.folder / "models" / start.folder)
    with Run(run.folder / "second" / start.folder) as own:
        make_pairs(own, trained, seed + SECOND, study.problems)
    return trained, own


def evaluate_models(folder: Path, study: Study, seed: int, variants: Iterable[Variant], test: str) -> None:
    """Evaluate the variants of a seed, and the policy they started from, on a test set."""
    with Run(folder / f"seed-{seed}") as run:
        models = {variant.name: run.folder / "models" / variant.folder for variant in variants}
        for name, path in {START: study.policy.path, **models}.items():
            trained = replace(study.policy, path=path)
            scores = evaluate_on(run, name, trained, test, seed, TEST_SIZES[test]).scores
            print(f"seed {seed}, {test}, {name}: {sum(scores.values()):.0f} of {len(scores)}", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="holds a folder for each study, and in it one for each seed"
    )
    parser.add_argument("--study", choices=STUDIES, default="code-integrated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--ablations", action="store_true", help="also train the variants of SCDPO")
    parser.add_argument("--second-round", action="store_true", help="also train the main models once more")
    options = parser.parse_args()
    one_thread()
    study = STUDIES[options.study]
    folder = options.folder / options.study
    jobs: list[tuple[Sequence[Variant], Sequence[str]]] = [(study.main, study.tests)]
    if options.ablations:
        jobs += [((variant,), study.tests[:1]) for variant in study.ablations]
    if options.second_round:
        jobs.append((study.second, study.tests[:1]))
    for variants, tests in jobs:
        for seed in options.seeds:
            train_models(folder, study, seed, variants)
        for test in tests:
            for seed in options.seeds:
                evaluate_models(folder, study, seed, variants, test)


if __name__ == "__main__":
    main()
