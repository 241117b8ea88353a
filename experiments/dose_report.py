"""What Study A's kept scores say: tables, tests, the plot, and the study's part of the page.

Called by `experiments.report`. A seed is a unit: the difference of two arms on it is the mean over the doses of the
differences of their accuracies on the same held-out problems. A seed counts for a comparison when both arms are
finished at every dose. Not covered: how the scores came to be (`experiments.dose`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from eval.metrics import holm
from experiments.dose import (
    ARMS,
    DOSES,
    GRID,
    PAIRS,
    RESULTS,
    ROLLOUTS,
    START,
    STEPS,
    TESTS,
    TUNING_DOSE,
    TUNING_SEEDS,
    kept,
    tuned,
    tuning_mean,
)
from experiments.kept import family, solved, solved_of
from experiments.leads import Lead, draw, lead_of

WANTED_SEEDS = 20
PRIMARY = (("equal", "oracle"), ("equal", "scdpo"))
SECONDARY = (
    ("dpo", "equal"),
    ("dpo", "oracle"),
    ("dpo", "scdpo"),
    ("scdpo", "confirmed"),
    ("scdpo", "oracle"),
)
BRANCHES = (("dpo", "scdpo"), ("scdpo", "confirmed"))
"""What branches add to naive pairs, and what it adds to keep the confirmed ones alone."""
LEAST = 1.5
"""Points from which on a lead is worth having: an interval that ends below it says "no"."""
LEVEL = 0.05
"""P below which a lead counts, corrected."""
MEAN = "mean of the doses"
OWN = "legs"
"""The family in which most mistakes are the policy's own; in the others most are those that it was taught."""
ROUTES = RESULTS / "routes.json"
Seeds = Mapping[str, Mapping[str, Any]]


def leads(seeds: Seeds, first: str, second: str, families: Collection[str] = ()) -> list[Lead]:
    """Return the mean of the doses, then each dose, over the seeds on which both arms are finished at every dose.

    On problems of these families alone, if some are given. Empty with fewer than two such seeds.
    """
    gains = [
        [
            solved_of(seed, f"{second}-{dose}", families) - solved_of(seed, f"{first}-{dose}", families)
            for dose in DOSES
        ]
        for seed in finished(seeds, (first, second)).values()
    ]
    if len(gains) < 2:
        return []
    columns = {MEAN: [fmean(of) for of in gains]}
    columns |= {f"{dose} problems": [of[index] for of in gains] for index, dose in enumerate(DOSES)}
    return [lead_of(ARMS[first].name, ARMS[second].name, where, values) for where, values in columns.items()]


def answer(lead: Lead, p: float) -> str:
    """Return what the rules written down before say of a primary comparison, given its p corrected for both."""
    if lead.seeds < WANTED_SEEDS:
        return f"no answer yet: {lead.seeds} of {WANTED_SEEDS} seeds"
    if p < LEVEL and lead.mean > 0:
        return "yes"
    return "no" if lead.high < LEAST else "undecided"


def finished(seeds: Seeds, arms: Sequence[str]) -> Seeds:
    """Return the seeds on which these arms are finished at every dose."""
    wanted = [f"{arm}-{dose}" for arm in arms for dose in DOSES]
    return {name: seed for name, seed in seeds.items() if all(model in seed["scores"] for model in wanted)}


def counting(seeds: Seeds) -> Seeds:
    """Return the seeds on which both arms of a primary comparison are finished at every dose; others do not count."""
    return {name: seed for arms in PRIMARY for name, seed in finished(seeds, arms).items()}


def accuracies(seeds: Seeds) -> list[dict[str, Any]]:
    """Return a row for each model that is finished on a seed: its mean in percent, by dose, and how many seeds."""
    rows = [{"model": START, "cells": [_mean(seeds, START)] * len(DOSES)}]
    for arm in ARMS:
        cells = [_mean(seeds, f"{arm}-{dose}") for dose in DOSES]
        if any(cell["seeds"] for cell in cells):
            rows.append({"model": ARMS[arm].name, "cells": cells})
    return rows


def _mean(seeds: Seeds, model: str) -> dict[str, Any]:
    values = [solved(seed["scores"][model]) for seed in seeds.values() if model in seed["scores"]]
    return {"mean": fmean(values) if values else math.nan, "seeds": len(values)}


def families(seeds: Seeds, first: str, second: str) -> dict[str, list[Lead]]:
    """Return, by family of problems and for all but `OWN`, the leads at each dose; empty before all seeds are done."""
    done = finished(seeds, (first, second))
    if len(done) < WANTED_SEEDS:
        return {}
    names = sorted({family(name) for seed in done.values() for name in seed["problems"]})
    groups = {name: [name] for name in names} | {f"all but {OWN}": [name for name in names if name != OWN]}
    return {title: leads(done, first, second, group)[1:] for title, group in groups.items()}


def pairs(seeds: Seeds) -> list[dict[str, Any]]:
    """Return, by arm that is finished on a seed, its mean number of pairs at each dose."""
    rows = []
    for arm in ARMS:
        done = finished(seeds, (arm,)).values()
        if done:
            counts = [fmean(sum(seed["pairs"][f"{arm}-{dose}"].values()) for seed in done) for dose in DOSES]
            rows.append({"arm": ARMS[arm].name, "pairs": counts})
    return rows


def fewer_pairs(seeds: Seeds) -> Lead | None:
    """Return by how much naive pairs of the middle dose are ahead of SCDPO's of the largest; not registered."""
    done = finished(seeds, ("equal", "scdpo")).values()
    first, second = f"scdpo-{DOSES[-1]}", f"equal-{DOSES[-2]}"
    gains = [solved(seed["scores"][second]) - solved(seed["scores"][first]) for seed in done]
    return lead_of(first, second, "post hoc", gains) if len(gains) > 1 else None


def plot(leads: Sequence[tuple[Lead, float]], path: Path) -> None:
    """Draw the primary comparisons, over all doses and for each, with their corrected p."""
    draw(leads, LEAST, LEVEL, "Pairs that part at one step, less naive pairs: Study A", path)


def study() -> dict[str, Any]:
    """Return what the page shows of the study, from what is kept of it so far."""
    seeds = counting(kept())
    primary = [lead for arms in PRIMARY for lead in leads(seeds, *arms)]
    means = [lead for lead in primary if lead.where == MEAN]
    corrected = holm([lead.p for lead in means] + [1.0] * (len(PRIMARY) - len(means)))
    secondary = [lead for arms in SECONDARY for lead in leads(seeds, *arms)]
    secondary += [lead for lead in primary if lead.where != MEAN]
    by_family = [(*arms, rows) for arms in PRIMARY if (rows := families(seeds, *arms))]
    others = [lead for *_, rows in by_family for row in rows.values() for lead in row]
    second = iter(holm([lead.p for lead in (*secondary, *others)]))
    shown = [(lead, next(second)) for lead in secondary]
    over_doses = list(zip(means, corrected[: len(means)], strict=True))
    tested = [*over_doses, *shown]
    of_branches = {(ARMS[first].name, ARMS[other].name) for first, other in BRANCHES}
    return {
        "seeds": seeds,
        "wanted": WANTED_SEEDS,
        "doses": DOSES,
        "accuracies": accuracies(seeds) if seeds else [],
        "pairs": pairs(seeds),
        "fewer_pairs": fewer_pairs(seeds),
        "primary": [(lead, p, answer(lead, p)) for lead, p in over_doses],
        "secondary": shown,
        "plotted": [next((lead, p) for lead, p in tested if lead is of) for of in primary],
        "branches": [
            (lead, p)
            for lead, p in shown
            if (lead.first, lead.second) in of_branches and lead.where == MEAN and lead.seeds >= WANTED_SEEDS
        ],
        "families": [
            (
                ARMS[first].name,
                ARMS[other].name,
                {family: [(lead, next(second)) for lead in row] for family, row in rows.items()},
            )
            for first, other, rows in by_family
        ],
        "own": OWN,
        "least": LEAST,
        "grid": GRID,
        "tuning": tried(),
        "tuning_seeds": len(TUNING_SEEDS),
        "routes": json.loads(ROUTES.read_text(encoding="utf-8")) if ROUTES.exists() else {},
        "missing": [of.name for arm, of in ARMS.items() if len(finished(seeds, (arm,))) < WANTED_SEEDS],
        "constants": {
            "pairs": PAIRS,
            "rollouts": ROLLOUTS,
            "tests": TESTS,
            "tuning_dose": TUNING_DOSE,
            **STEPS,
        },
    }


def tried() -> list[dict[str, Any]]:
    """Return, by arm that was tuned, the percent solved with each setting of the grid, and the rate chosen."""
    rows = []
    for arm in ARMS:
        means = [tuning_mean(arm, settings) for settings in GRID]
        if None not in means:
            rows.append({"arm": ARMS[arm].name, "means": means, "chosen": tuned(arm)["learning_rate"]})
    return rows
