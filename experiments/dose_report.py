"""What Study A's kept scores say: tables, tests, the plot, and the study's part of the page.

Called by `experiments.report`. A seed is a unit: the difference of two arms on it is the mean over the doses of the
differences of their accuracies on the same held-out problems. A seed counts for a comparison when both arms are
finished at every dose. Not covered: how the scores came to be (`experiments.dose`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
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
    START,
    STEPS,
    TESTS,
    TUNING_DOSE,
    TUNING_SEEDS,
    kept,
    tuned,
    tuning_mean,
)
from experiments.kept import solved
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
LEAST = 1.5
"""Points from which on a lead is worth having: an interval that ends below it says "no"."""
MEAN = "mean of the doses"
ROUTES = RESULTS / "routes.json"
Seeds = Mapping[str, Mapping[str, Any]]


def leads(seeds: Seeds, first: str, second: str) -> list[Lead]:
    """Return the mean of the doses, then each dose, over the seeds on which both arms are finished at every dose.

    Empty with fewer than two such seeds.
    """
    both = [f"{arm}-{dose}" for arm in (first, second) for dose in DOSES]
    gains = [
        [
            solved(seed["scores"][f"{second}-{dose}"]) - solved(seed["scores"][f"{first}-{dose}"])
            for dose in DOSES
        ]
        for seed in seeds.values()
        if all(model in seed["scores"] for model in both)
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
    if p < 0.05 and lead.mean > 0:
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


def families(seeds: Seeds, first: str, second: str) -> dict[str, Any]:
    """Return, by family of problems, the percent that the start and two arms solve, over doses and both's seeds."""
    done = finished(seeds, (first, second))
    names = {name.split("/")[1] for seed in done.values() for name in seed["problems"]}
    rows = {
        family: {arm: _of_family(done, family, arm) for arm in (START, first, second)}
        for family in sorted(names)
    }
    ahead = {family: row[first] - row[second] for family, row in rows.items()}
    others = [points for family, points in ahead.items() if family != "legs"]
    return {
        "first": ARMS[first].name,
        "second": ARMS[second].name,
        "seeds": len(done),
        "rows": {family: list(row.values()) for family, row in rows.items()},
        "legs": ahead.get("legs", math.nan),
        "others": fmean(others) if others else math.nan,
    }


def _of_family(seeds: Seeds, family: str, arm: str) -> float:
    marks = [
        int(mark)
        for seed in seeds.values()
        for model, scores in seed["scores"].items()
        if model.rpartition("-")[0] == arm or model == arm
        for name, mark in zip(seed["problems"], scores, strict=True)
        if name.split("/")[1] == family
    ]
    return 100 * fmean(marks) if marks else math.nan


def plot(seeds: Seeds, path: Path) -> None:
    """Draw the primary comparisons, for each dose and over all."""
    rows = [lead for first, second in PRIMARY for lead in leads(seeds, first, second)]
    draw(
        rows,
        LEAST,
        f"Pairs that sit on the error against naive pairs ({WANTED_SEEDS} seeds are wanted)",
        path,
    )


def study() -> dict[str, Any]:
    """Return what the page shows of the study, from what is kept of it so far."""
    seeds = counting(kept())
    primary = [lead for first, second in PRIMARY for lead in leads(seeds, first, second)]
    secondary = [lead for first, second in SECONDARY for lead in leads(seeds, first, second)]
    secondary += [lead for lead in primary if lead.where != MEAN]
    means = [lead for lead in primary if lead.where == MEAN]
    corrected = holm([lead.p for lead in means] + [1.0] * (len(PRIMARY) - len(means)))
    return {
        "seeds": seeds,
        "wanted": WANTED_SEEDS,
        "doses": DOSES,
        "accuracies": accuracies(seeds) if seeds else [],
        "primary": [
            (lead, p, answer(lead, p)) for lead, p in zip(means, corrected[: len(means)], strict=True)
        ],
        "secondary": list(zip(secondary, holm([lead.p for lead in secondary]), strict=True)),
        "families": [families(seeds, first, second) for first, second in PRIMARY],
        "grid": GRID,
        "tuning": tried(),
        "tuning_seeds": len(TUNING_SEEDS),
        "routes": json.loads(ROUTES.read_text(encoding="utf-8")) if ROUTES.exists() else {},
        "constants": {"pairs": PAIRS, "tests": TESTS, "tuning_dose": TUNING_DOSE, **STEPS},
    }


def tried() -> list[dict[str, Any]]:
    """Return, by arm that was tuned, the percent solved with each setting of the grid, and the rate chosen."""
    rows = []
    for arm in ARMS:
        means = [tuning_mean(arm, settings) for settings in GRID]
        if None not in means:
            rows.append({"arm": ARMS[arm].name, "means": means, "chosen": tuned(arm)["learning_rate"]})
    return rows
