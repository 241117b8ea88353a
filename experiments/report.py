"""Tables and plots of a replication, from the run folders of its studies and seeds.

    python -m experiments.report runs/replication        # docs/replication.md, docs/images/replication-STUDY.png
    python -m experiments.report                         # the page anew, from the figures that were kept

The text around the tables is ``experiments/replication.md.jinja``; the figures that they were made of are kept in
``experiments/results/replication.json``. Means over seeds have Student's 95 % interval; differences are tested over
seeds (paired t) and over all problems of all seeds (exact McNemar).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import jinja2
from scipy import stats

from eval.metrics import compare, holm
from eval.results import read_results
from experiments import dose_report
from experiments.leads import spread
from experiments.problem_sets import TESTS
from experiments.rivals import report as rivals_report
from experiments.rivals.grounds import GROUNDS
from experiments.stages import ATTEMPTS, ROLLOUTS, SAMPLES
from experiments.studies import (
    START,
    STUDIES,
    Study,
    Variant,
    is_confirmed,
    is_sure,
    step_controlled,
)
from experiments.tuning import RESULTS as TUNING_RESULTS
from scdpo.data.runs import Run

DPO, EQUAL, SCDPO = "DPO", "DPO, data-equal", "SCDPO"
FEWEST_SEEDS = 5
"""With fewer, a model beside the main ones waits."""
HERE = Path(__file__).parent
Scores = Mapping[str, Mapping[str, float]]  # model -> "seed/problem" -> 1 or 0


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A model's accuracy in percent by seed, with the mean over seeds and half of its 95 % interval."""

    model: str
    seeds: Mapping[str, float]
    mean: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first model in percent points; ``p_seeds`` is the paired t-test's, ``p_problems`` McNemar's."""

    first: str
    second: str
    seeds: int
    mean: float
    half_width: float
    p_seeds: float
    p_problems: float


def compared(study: Study) -> list[tuple[str, str]]:
    """Return the models of a study that are compared, in pairs: each with what it should be better than."""
    return [
        *((START, variant.name) for variant in study.main),
        (DPO, EQUAL),
        (DPO, SCDPO),
        (EQUAL, SCDPO),
        *((base, variant.name) for base in (SCDPO, EQUAL) for variant in study.ablations),
        *((variant.start.name, variant.name) for variant in study.second if variant.start),
        *((one.name, two.name) for one, two in pairwise(study.second)),
    ]


def read(folder: Path) -> dict[str, Scores]:
    """Return, by test set, the scores of every model on every held-out problem.

    Raises:
        SystemExit: if the folder holds no evaluated seed.
    """
    found: dict[str, dict[str, dict[str, float]]] = {test: defaultdict(dict) for test in TESTS}
    for seed in sorted(folder.glob("seed-*")):
        for result in read_results(seed):
            scores = {f"{seed.name}/{problem}": score for problem, score in result.scores.items()}
            found[result.benchmark][result.model].update(scores)
    if not any(found.values()):
        raise SystemExit(f"{folder} holds no finished seed; run experiments.replication first")
    return {test: dict(scores) for test, scores in found.items()}


def unfinished(folder: Path) -> dict[str, dict[str, float]]:
    """Return, by test set and model, how many solutions in percent do not come to their end."""
    counts: dict[str, dict[str, Counter[bool]]] = {test: defaultdict(Counter) for test in TESTS}
    for seed in folder.glob("seed-*"):
        for result in read_results(seed):
            for ending, count in result.endings.items():
                counts[result.benchmark][result.model][ending == "end"] += count
    return {
        test: {model: 100 * count[False] / count.total() for model, count in models.items()}
        for test, models in counts.items()
    }


def by_seed(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the accuracy of each seed in percent."""
    groups = defaultdict(list)
    for problem, score in scores.items():
        groups[problem.split("/")[0]].append(score)
    return {seed: 100 * fmean(values) for seed, values in sorted(groups.items())}


def mean_and_half_width(values: list[float]) -> tuple[float, float]:
    """Return the mean and half the width of Student's 95 % interval of two or more values; NaN for one."""
    if len(values) < 2:
        return fmean(values), math.nan
    return fmean(values), float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def accuracy(model: str, scores: Mapping[str, float]) -> Accuracy:
    """Summarise one model's scores."""
    seeds = by_seed(scores)
    return Accuracy(model, seeds, *mean_and_half_width(list(seeds.values())))


def difference(scores: Scores, first: str, second: str) -> Difference:
    """Compare two models on the seeds that both have."""
    one, two = by_seed(scores[first]), by_seed(scores[second])
    gains = [two[seed] - one[seed] for seed in one if seed in two]
    mean, half = mean_and_half_width(gains)
    p_seeds = float(stats.ttest_1samp(gains, 0.0).pvalue) if len(gains) > 1 else math.nan
    p_problems = compare(scores[first], scores[second]).p_value
    return Difference(first, second, len(gains), mean, half, p_seeds, p_problems)


def lead(study: Mapping[str, Any], first: int, end: int) -> tuple[float, float, float]:
    """Return SCDPO less data-equal DPO on seen problems, in points, over seeds ``first`` to before ``end``.

    The mean, half of its 95 % interval, and the paired t-test's p.
    """
    seeds = {model["model"]: model["seeds"] for model in study["tests"]["seen"]["models"]}
    names = [f"seed-{seed}" for seed in range(first, end)]
    gains = [seeds[SCDPO][name] - seeds[EQUAL][name] for name in names]
    return *mean_and_half_width(gains), float(stats.ttest_1samp(gains, 0.0).pvalue)


def corrected(studies: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every comparison of SCDPO with data-equal DPO, with its p over seeds corrected for their number (Holm)."""
    found = [
        {"study": name, "test": test, **row}
        for name, study in studies.items()
        for test, results in study["tests"].items()
        for row in results["differences"]
        if (row["first"], row["second"]) == (EQUAL, SCDPO)
    ]
    for row, p in zip(found, holm([row["p_seeds"] for row in found]), strict=True):
        row["holm"] = p
    return found


def scores_by_seed(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the scores problem by problem, by seed: what every figure of a test can be recomputed from."""
    seeds: dict[str, dict[str, float]] = defaultdict(dict)
    for name, score in sorted(scores.items()):
        seed, _, problem = name.partition("/")
        seeds[seed][problem] = score
    return dict(seeds)


def by_family(scores: Scores) -> dict[str, dict[str, float]]:
    """Return the accuracy in percent of each model on each family of problems, over all seeds."""
    table = {}
    for model, of_model in scores.items():
        groups = defaultdict(list)
        for problem, score in of_model.items():
            groups[problem.split("/")[2]].append(score)
        table[model] = {family: 100 * fmean(values) for family, values in sorted(groups.items())}
    return table


def training(folder: Path, variant: Variant) -> dict[str, Any]:
    """Return what a variant was trained on and where its rewards ended, as means over seeds.

    ``chosen`` and ``rejected`` are the changes of the sides' log-probabilities at the end of the training, in nats.
    """
    states = sorted(folder.glob(f"seed-*/models/{variant.folder}/trainer_state.json"))
    sizes: Counter[str] = Counter()
    sides = defaultdict(list)
    for state in states:
        for line in (state.parent / "pairs.jsonl").open(encoding="utf-8"):
            sizes[json.loads(line)["kind"]] += 1
        logged = [e for e in json.loads(state.read_text(encoding="utf-8"))["log_history"] if "loss" in e]
        for side in ("chosen", "rejected") if logged else ():  # a short training ends before its first log
            sides[side].append(logged[-1][f"rewards/{side}"] / variant.settings.get("beta", 0.1))
    return {
        "model": variant.name,
        "settings": dict(variant.settings),
        **{kind: round(sizes[kind] / len(states)) for kind in ("naive", "step_controlled")},
        **{side: fmean(sides[side]) if sides[side] else math.nan for side in ("chosen", "rejected")},
    }


def pair_figures(folder: Path) -> dict[str, float]:
    """Return what roll-outs say of a study's step-controlled pairs, as shares of them in percent.

    ``pairs``: how many there are in all; ``confirmed``: those whose error begins with the branch; ``sure``: those
    before whose branch three roll-outs in four or more end right; ``first`` and ``later``: the roll-outs that end
    right before a branch after the first step, and before the other branches.
    """
    pairs = [
        pair
        for seed in sorted(folder.glob("seed-*"))
        for pair in step_controlled(Run(seed))
        if pair.confirmation.before.tried
    ]
    before = [100 * pair.confirmation.before.right / pair.confirmation.before.tried for pair in pairs]
    places = list(zip(pairs, before, strict=True))
    return {
        "pairs": len(pairs),
        "confirmed": 100 * fmean(map(is_confirmed, pairs)),
        "sure": 100 * fmean(map(is_sure, pairs)),
        "first": fmean(share for pair, share in places if pair.branch_step == 0),
        "later": fmean(share for pair, share in places if pair.branch_step),
    }


def summary(folder: Path, study: Study) -> dict[str, Any]:
    """Return everything that the page shows of a study.

    Raises:
        SystemExit: if the folder holds no finished seed.
    """
    tests: dict[str, Any] = {}
    variants = study.variants
    endless, all_found = unfinished(folder), read(folder)
    for test in study.tests:
        found = all_found[test]
        order = [START, *(variant.name for variant in variants)]
        if START not in found:
            continue  # a test that has not begun
        seeds = len(by_seed(found[START]))
        if seeds < 2:
            raise SystemExit(f"{folder} holds one finished seed; an interval needs two")
        fewest = min(seeds, FEWEST_SEEDS)
        scores = {model: found[model] for model in order if len(by_seed(found.get(model, {}))) >= fewest}
        wanted = [(a, b) for a, b in compared(study) if a in scores and b in scores]
        tests[test] = {
            "problems": len(scores[START]),
            "models": [
                asdict(accuracy(model, of)) | {"unfinished": endless[test][model]}
                for model, of in scores.items()
            ],
            "differences": [asdict(difference(scores, a, b)) for a, b in wanted],
            "families": by_family(scores),
            "scores": {model: scores_by_seed(of) for model, of in scores.items()},
        }
    trained = [
        training(folder, variant)
        for variant in variants
        if any(model["model"] == variant.name for model in tests["seen"]["models"])
    ]
    return {
        "seeds": sorted(seed.name for seed in folder.glob("seed-*")),
        "tests": tests,
        "trainings": trained,
        "pairs": pair_figures(folder),
    }


def plot(tests: Mapping[str, Any], path: Path) -> None:
    """Draw, for each test set, every seed as a dot and the means with their intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = max(len(test["models"]) for test in tests.values())
    figure, axes = plt.subplots(
        1, len(tests), figsize=(4.2 * len(tests), 0.45 * rows + 1.4), squeeze=False, sharex=True
    )
    for axis, (name, test) in zip(axes[0], tests.items(), strict=True):
        for row, model in enumerate(test["models"]):
            values = list(model["seeds"].values())
            axis.plot(values, spread(values, row), "o", color="tab:gray", alpha=0.5)
            axis.errorbar(model["mean"], row, xerr=model["half_width"], fmt="D", color="tab:blue", capsize=4)
        axis.set_yticks(range(len(test["models"])), [model["model"] for model in test["models"]])
        axis.set_ylim(len(test["models"]) - 0.5, -0.5)
        axis.set_title(name)
        axis.set_xlabel("solved, %")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def tuning(name: str) -> dict[str, Any]:
    """Return the tuning's table of a study from the results file."""
    found = json.loads(TUNING_RESULTS.read_text(encoding="utf-8"))[name]
    labels = [label for method in found["methods"].values() for label in method]
    return {**found, "grid": list(dict.fromkeys(labels))}


def main() -> None:
    """Write the page and its plots; from run folders, keep the figures first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="the studies' runs; kept figures if not given")
    folder = parser.parse_args().folder
    docs = HERE.parent / "docs"
    kept = HERE / "results" / "replication.json"
    if folder is not None:
        made = {
            name: summary(folder / name, study) for name, study in STUDIES.items() if (folder / name).exists()
        }
        kept.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    for name, study in found.items():
        plot(study["tests"], docs / "images" / f"replication-{name}.png")
    environment = jinja2.Environment(  # Markdown, of our own figures
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    for name, study in found.items():
        study["tuning"] = tuning(name)
        study["problems"] = STUDIES[name].problems

    def rendered(name: str, **values: Any) -> str:
        return environment.get_template(name).render(**values)

    dose = dose_report.study()
    if dose["primary"]:
        dose_report.plot(dose["plotted"], docs / "images" / "dose.png")
    rivals, built_in = (rivals_report.part(GROUNDS[name]) for name in ("routes", "built-in"))
    rivals_report.plot(rivals["leads"], "policy with several routes", docs / "images" / "rivals.png")
    if built_in["leads"]:
        rivals_report.plot(built_in["leads"], "built-in policy", docs / "images" / "rivals-built-in.png")
    page = rendered(
        "replication.md.jinja",
        studies=found,
        lead=lead,
        corrected=corrected(found),
        dose=dose,
        dose_part=rendered("dose.md.jinja", **dose),
        rivals=rivals,
        rivals_part=rendered("rivals/report.md.jinja", **rivals),
        built_in=built_in,
        built_in_part=rendered("rivals/built_in.md.jinja", **built_in),
        samples=SAMPLES,
        attempts=ATTEMPTS,
        rollouts=ROLLOUTS,
    )
    (docs / "replication.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
