"""What Study B's kept scores of a ground say: tables, tests, the plot, and the study's part of the page.

Called by `experiments.report`. A seed is a unit: two arms solve the same held-out problems of a seed, which counts for
their comparison when both are done. Not covered: how the scores came to be (`experiments.rivals.study`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from eval.metrics import holm
from experiments import kept
from experiments.dose import GRID
from experiments.dose import TESTS as TEST_PROBLEMS
from experiments.leads import Lead, draw, lead_of
from experiments.rivals import mistakes
from experiments.rivals.grounds import MODES, ROUNDS, TEMPLATES, Ground, tested
from experiments.rivals.online import BRANCHES
from experiments.rivals.rounds import ROUNDS_ARMS, SAMPLES, STEPS
from experiments.rivals.study import ARMS, START, TUNING_SEEDS, tried, tuned, tuning_name

WANTED_SEEDS = 10
LEAST = 2.0
"""Points from which on a lead is worth having: an interval that ends below it says "no"."""
LEVEL = 0.01
"""P below which a lead counts, corrected for all comparisons that were registered."""
WHERE = {"greedy": "greedily", "sampled": "at temperature 1", "templates": "on the templates left out"}
"""The outcomes in words."""
ENDLESS = 10.0
"""Percent of a model's solutions that never end, from which on the page shows it."""
GREEDY = "greedy"
PRIMARY = ("grpo", "steps")
CONTROLLED = ("equal", "scdpo")
SECONDARY = (*(("grpo", arm) for arm in ARMS if arm not in PRIMARY), CONTROLLED)
Seeds = Mapping[str, Mapping[str, Any]]


def counting(ground: Ground) -> Seeds:
    """Return what is kept of the registered seeds."""
    return {seed: of for seed, of in kept.read(ground.kept).items() if int(seed) in range(WANTED_SEEDS)}


def lead(ground: Ground, seeds: Seeds, first: str, second: str, outcome: str) -> Lead | None:
    """Return the lead of an arm over another; None with fewer than two seeds on which both are done."""
    both = [of for of in seeds.values() if tested(of, first) and tested(of, second)]
    gains = [ground.solved(of, second, outcome) - ground.solved(of, first, outcome) for of in both]
    return lead_of(ARMS[first], ARMS[second], outcome, gains) if len(gains) > 1 else None


def answer(found: Lead, p: float) -> str:
    """Return what the rules written down before say of the primary comparison, given its corrected p."""
    if found.seeds < WANTED_SEEDS:
        return f"no answer yet: {found.seeds} of {WANTED_SEEDS} seeds"
    if found.mean >= LEAST and p < LEVEL:
        return "yes"
    return "no" if found.high < LEAST else "undecided"


def models(ground: Ground, seeds: Seeds) -> list[dict[str, Any]]:
    """Return a row for each model that is done on a seed: percent solved, percent that never ended, and what it took.

    All are means over seeds; ``endless`` is None where it was not kept of all of them.
    """
    rows = []
    for model, name in {START: "start", **ARMS}.items():
        done = [of for of in seeds.values() if tested(of, model)]
        if done:
            solved = {
                outcome: fmean(ground.solved(of, model, outcome) for of in done)
                for outcome in ground.outcomes
            }
            endless = [100 * of["endless"][model] / len(of["problems"]) for of in done if _ends(of, model)]
            rows.append(
                {
                    "name": name,
                    "seeds": len(done),
                    "solved": solved,
                    "tokens": fmean(of["tokens"][model] for of in done),
                    "minutes": fmean(of["seconds"][model] for of in done) / 60,
                    "steps": fmean(of["steps"][model] for of in done),
                    "endless": fmean(endless) if len(endless) == len(done) else None,
                }
            )
    return rows


def forgetful(seeds: Seeds, arms: Collection[str]) -> list[dict[str, Any]]:
    """Return a row for each model of these arms of whose greedy solutions more than `ENDLESS` percent never end."""
    rows = []
    for model in arms:
        for seed, of in seeds.items():
            if _ends(of, model):
                endless = 100 * of["endless"][model] / len(of["problems"])
                greedy = kept.solved(of["scores"][model])
                rows.append({"name": ARMS[model], "seed": int(seed), "greedy": greedy, "endless": endless})
    return [row for row in rows if row["endless"] > ENDLESS]


def _ends(of_seed: Mapping[str, Any], model: str) -> bool:
    """Whether it is kept how many of a model's solutions ended; of the first runs it is not."""
    return model in of_seed.get("endless", {})


def by_seed(seeds: Seeds) -> list[dict[str, Any]]:
    """Return a row for each seed on which both arms of the primary comparison are done, with each one's worst family.

    What an arm solves greedily, and of the family of which it solves least so: what it solves by each test.
    """
    rows = []
    for seed, of in seeds.items():
        if all(tested(of, arm) for arm in PRIMARY):
            arms = [{GREEDY: kept.solved(of["scores"][arm]), **_worst(of, arm)} for arm in PRIMARY]
            rows.append({"seed": int(seed), "arms": arms})
    return sorted(rows, key=lambda row: row["seed"])


def _worst(of_seed: Mapping[str, Any], arm: str) -> dict[str, Any]:
    solved = {
        family: {test: kept.solved_of(of_seed, arm + suffix, [family]) for test, suffix in MODES.items()}
        for family in sorted(set(map(kept.family, of_seed["problems"])))
    }
    family = min(solved, key=lambda name: solved[name][GREEDY])
    return {"family": family, "of_family": solved[family]}


def mistaken(seeds: Seeds) -> list[dict[str, Any]]:
    """Return where wrong solutions first go wrong, a row for each model and test: percent of the problems, mean.

    The steps before the trees' last branching, each of which has an advantage of its own, are told from those after it,
    which share one. Only seeds on which both arms of the primary comparison are done count.
    """
    rows = []
    for test, suffix in MODES.items():
        models = [model + suffix for model in (START, *PRIMARY)]
        marked = [of["mistakes"] for of in seeds.values() if "mistakes" in of]
        done = [marks for marks in marked if all(model in marks for model in models)]
        for model in models if done else ():
            shares = [_shares(marks[model]) for marks in done]
            name = ARMS.get(model.removesuffix(suffix), "start")
            rows.append({"name": name, "test": test, "seeds": len(done), **_mean(shares)})
    return rows


def _shares(marks: str) -> dict[str, float]:
    """Return the percent of a model's problems that go wrong first while trees branch, after that, in the answer."""
    steps = [int(mark) for mark in marks if mark not in (mistakes.SOLVED, mistakes.ANSWER)]
    counts = {
        "early": sum(step < len(BRANCHES) for step in steps),
        "late": sum(step >= len(BRANCHES) for step in steps),
        "answer": marks.count(mistakes.ANSWER),
    }
    return {place: 100 * count / len(marks) for place, count in counts.items()}


def _mean(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {place: fmean(of[place] for of in shares) for place in shares[0]}


def tuning(ground: Ground) -> list[dict[str, Any]]:
    """Return, by arm that was tuned, the percent solved with each setting of the grid, and the rate chosen."""
    means = {arm: tried(ground, arm) for arm in ARMS}
    return [
        {"arm": ARMS[arm], "means": of, "chosen": tuned(ground, arm)["learning_rate"]}
        for arm, of in means.items()
        if of is not None
    ]


def forging(ground: Ground) -> list[dict[str, Any]]:
    """Return, by arm that was tuned, the percent of greedy solutions that write an output of code themselves.

    With each setting of the grid, mean of the tuning seeds; empty where endings were not kept of all of these models.
    """
    seeds = [kept.read(ground.kept).get(str(seed), {}) for seed in TUNING_SEEDS]
    rows = []
    for arm in (arm for arm in ARMS if tried(ground, arm) is not None):
        names = [tuning_name(arm, settings) for settings in GRID]
        if not all(name in of.get("endings", {}) for of in seeds for name in names):
            return []
        shares = [
            fmean(100 * of["endings"][name].get("forged", 0) / len(of["problems"]) for of in seeds)
            for name in names
        ]
        rows.append({"arm": ARMS[arm], "shares": shares})
    return rows


def part(ground: Ground) -> dict[str, Any]:
    """Return what the page shows of the study on a ground, from what is kept of it so far."""
    seeds = counting(ground)
    registered = [(pair, outcome) for pair in (PRIMARY, *SECONDARY) for outcome in ground.outcomes]
    leads = [
        found for pair, outcome in registered if (found := lead(ground, seeds, *pair, outcome)) is not None
    ]
    # Those without all of their seeds count as if they showed nothing: an answer is not read off earlier.
    known = [of.p if of.seeds >= WANTED_SEEDS else 1.0 for of in leads]
    corrected = holm(known + [1.0] * (len(registered) - len(leads)))
    shown = list(zip(leads, corrected[: len(leads)], strict=True))
    primary = [
        (of, p, answer(of, p))
        for of, p in shown
        if (of.first, of.second, of.where) == (*(ARMS[arm] for arm in PRIMARY), GREEDY)
    ]
    settled = [of for of, p in shown if p < LEVEL]
    controlled = lead(ground, seeds, *CONTROLLED, GREEDY)
    shown_models = models(ground, seeds)
    whole = {row["name"] for row in shown_models if row["seeds"] >= WANTED_SEEDS}
    return {
        "models": shown_models,
        "outcomes": list(ground.outcomes),
        "missing": [name for name in ARMS.values() if name not in whole],
        "by_seed": by_seed(seeds),
        "forgetful": forgetful(seeds, ARMS),
        "controlled_forgetful": len(forgetful(seeds, CONTROLLED)),
        "names": [ARMS[arm] for arm in PRIMARY],
        "mistaken": mistaken(seeds),
        "branching": len(BRANCHES),
        "leads": shown,
        "settled": settled,
        "where": WHERE,
        "registered": len(registered),
        "primary": primary,
        "controlled": [controlled] if controlled is not None and controlled.seeds >= WANTED_SEEDS else [],
        "wanted": WANTED_SEEDS,
        "tuning": tuning(ground),
        "forging": forging(ground),
        "grid": GRID,
        "tuning_seeds": len(TUNING_SEEDS),
        "tests": TEST_PROBLEMS,
        "templates": TEMPLATES,
        "tokens": ROUNDS * ground.tokens,
        "rounds": ROUNDS,
        "steps": STEPS["max_steps"],
        "samples": SAMPLES,
        "in_rounds": list(ROUNDS_ARMS.values()),
    }


def plot(leads: Sequence[tuple[Lead, float]], policy: str, path: Path) -> None:
    """Draw all comparisons on a policy, with their corrected p."""
    named = [(replace(of, where=WHERE[of.where]), p) for of, p in leads]
    draw(named, LEAST, LEVEL, f"Rivals at equal sampled tokens: Study B, {policy}", path)
