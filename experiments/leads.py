"""By how many points one model is ahead of another, a seed a unit, and the plot of several such leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from scipy import stats


@dataclass(frozen=True, slots=True)
class Lead:
    """Points by which ``second`` is ahead of ``first``, with half of Student's 95 % interval over seeds, and p.

    ``low`` and ``high`` are the ends of the interval; ``where`` is the test; ``values`` are the seeds'; ``p`` is the
    paired t-test's.
    """

    first: str
    second: str
    where: str
    values: Sequence[float]
    mean: float
    low: float
    high: float
    p: float

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.values)


def lead_of(first: str, second: str, where: str, values: Sequence[float]) -> Lead:
    """Return the lead that two or more seeds show; ``values`` are their differences in points."""
    mean, error = fmean(values), stdev(values) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    p = float(stats.ttest_1samp(values, 0.0).pvalue) if error else float(mean == 0)
    return Lead(first, second, where, values, mean, mean - half, mean + half, p)


FEWEST = 3
"""Seeds from which on an interval is drawn: that of two dwarfs everything else."""


def spread(values: Sequence[float], row: float) -> list[float]:
    """Return the heights of dots at these values: equal ones lie below each other."""
    return [row + 0.12 * values[:index].count(value) for index, value in enumerate(values)]


def draw(leads: Sequence[tuple[Lead, float]], least: float, level: float, title: str, path: Path) -> None:
    """Draw leads below each other: every seed a dot, the mean with its interval; nothing if there are none.

    Args:
        leads: with their corrected p; at least two seeds each.
        least: points from which on a lead is worth having.
        level: p below which a lead has a colour of its own.
        title: above the plot.
        path: the picture's file.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    if not leads:
        return
    figure, axis = plt.subplots(figsize=(8, 0.55 * len(leads) + 1.6))
    reach = least
    for row, (lead, p) in enumerate(leads):
        axis.plot(lead.values, spread(lead.values, row), "o", color="tab:gray", alpha=0.5)
        reach = max(reach, *map(abs, lead.values))
        if lead.seeds < FEWEST:
            continue
        reach = max(reach, abs(lead.low), abs(lead.high))
        axis.errorbar(
            lead.mean,
            row,
            xerr=[[lead.mean - lead.low], [lead.high - lead.mean]],
            fmt="D",
            color="tab:red" if p < level else "tab:blue",
            capsize=4,
        )
    axis.set_xlim(-1.1 * reach, 1.1 * reach)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.axvspan(0, least, color="tab:gray", alpha=0.15)
    labels = [f"{lead.second} − {lead.first}\n{lead.where}, {lead.seeds} seeds" for lead, _ in leads]
    axis.set_yticks(range(len(leads)), labels, fontsize=8)
    axis.set_ylim(len(leads) - 0.5, -0.5)
    axis.set_xlabel(
        "points by which the first named is ahead\n"
        f"(dots: seeds; bars: 95 % intervals; grey band: below {least:g} points, too small to matter;\n"
        f"red: p below {level:g} after correction for the number of comparisons)"
    )
    axis.set_title(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
