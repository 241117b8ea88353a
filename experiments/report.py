"""Tables and plots of a replication, from the run folders of its seeds.

    python -m experiments.report runs/replication        # docs/replication.md, docs/images/replication.png

The text around the tables is ``experiments/replication.md.jinja``; the figures that they were made of are kept in
``experiments/results/replication.json``. Means over seeds have Student's 95 % interval; differences are tested over
seeds (paired t) and over all problems of all seeds (exact McNemar).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import jinja2
from scipy import stats

from eval.metrics import compare
from eval.quickstart import START, TRAININGS
from eval.results import read_results
from experiments.replication import ABLATIONS
from scdpo.runs import Run

MODELS = (START, *(t.name for t in TRAININGS), *ABLATIONS)
SCDPO, EQUAL = "SCDPO", "DPO, data-equal"
Scores = dict[str, dict[str, float]]  # model -> "seed/problem" -> 1 or 0


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


def read(folder: Path) -> tuple[Scores, list[dict[str, int]]]:
    """Return the scores of every model on every held-out problem, and the pairs by kind of every seed.

    Raises:
        SystemExit: if the folder holds no finished seed.
    """
    scores: Scores = {}
    pairs = []
    for seed in sorted(folder.glob("seed-*")):
        if not (seed / "report.html").exists():
            continue
        for place in (seed, *sorted(seed.glob("ablations/*"))):
            for result in read_results(place):
                if result.finished:
                    of_model = scores.setdefault(result.model, {})
                    of_model.update({f"{seed.name}/{p}": score for p, score in result.scores.items()})
        pairs.append(dict(Counter(str(pair.kind) for pair in Run(seed).pairs)))
    if not pairs:
        raise SystemExit(f"{folder} holds no finished seed; run experiments.replication first")
    return scores, pairs


def by_seed(scores: dict[str, float]) -> dict[str, float]:
    """Return the accuracy of each seed in percent."""
    seeds = sorted({problem.split("/")[0] for problem in scores})
    return {
        seed: 100 * fmean(v for problem, v in scores.items() if problem.split("/")[0] == seed)
        for seed in seeds
    }


def mean_and_half_width(values: list[float]) -> tuple[float, float]:
    """Return the mean and half the width of Student's 95 % interval of two or more values."""
    return fmean(values), float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def difference(scores: Scores, first: str, second: str) -> Difference:
    """Compare two models on the seeds that both have."""
    one, two = by_seed(scores[first]), by_seed(scores[second])
    seeds = [seed for seed in one if seed in two]
    gains = [two[seed] - one[seed] for seed in seeds]
    mean, half = mean_and_half_width(gains)
    paired = compare(scores[first], scores[second])
    p_seeds = float(stats.ttest_1samp(gains, 0.0).pvalue) if len(gains) > 1 else math.nan
    return Difference(first, second, len(seeds), mean, half, p_seeds, paired.p_value)


def plot(scores: Scores, path: Path) -> None:
    """Draw every seed as a dot and the means with their intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 0.6 * len(scores) + 1.2))
    for row, model in enumerate(scores):
        values = list(by_seed(scores[model]).values())
        mean, half = mean_and_half_width(values)
        axis.plot(values, [row] * len(values), "o", color="tab:gray", alpha=0.5)
        axis.errorbar(mean, row, xerr=half, fmt="D", color="tab:blue", capsize=4)
    axis.set_yticks(range(len(scores)), list(scores))
    axis.invert_yaxis()
    axis.set_xlabel("held-out problems solved, % (dots: seeds; diamonds: mean with 95 % interval)")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def tables(scores: Scores, pairs: list[dict[str, int]]) -> dict[str, Any]:
    """Return what the page's template is filled with."""
    rows = []
    for model, of_model in scores.items():
        seeds = by_seed(of_model)
        mean, half = mean_and_half_width(list(seeds.values()))
        rows.append(
            {"model": model, "seeds": seeds, "mean": mean, "half_width": half, "problems": len(of_model)}
        )
    wanted = [(START, t.name) for t in TRAININGS] + [(EQUAL, SCDPO)] + [(SCDPO, name) for name in ABLATIONS]
    differences = [asdict(difference(scores, a, b)) for a, b in wanted if a in scores and b in scores]
    return {"rows": rows, "differences": differences, "pairs": pairs}


def main() -> None:
    """Write the page, its plot and its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found, pairs = read(folder)
    # A model that one seed alone has trained has no interval; it waits for the next one.
    scores = {model: found[model] for model in MODELS if len(by_seed(found.get(model, {}))) > 1}
    if not scores:
        raise SystemExit(f"{folder} holds one finished seed; an interval needs two")
    here = Path(__file__).parent
    docs = here.parent / "docs"
    filled = tables(scores, pairs)
    (here / "results").mkdir(exist_ok=True)
    (here / "results" / "replication.json").write_text(json.dumps(filled, indent=1) + "\n", encoding="utf-8")
    plot(scores, docs / "images" / "replication.png")
    environment = jinja2.Environment(  # Markdown, of our own figures
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string((here / "replication.md.jinja").read_text(encoding="utf-8"))
    (docs / "replication.md").write_text(template.render(filled), encoding="utf-8")


if __name__ == "__main__":
    main()
