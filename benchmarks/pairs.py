"""What a corruptor gives for its tokens: pairs, and pairs whose error roll-outs place at the branch.

    scdpo sample runs/a --limit 100 --at-most 8 && cp -r runs/a runs/b
    scdpo corrupt runs/a && scdpo corrupt runs/b --corruptor first-pit
    python benchmarks/pairs.py runs/a runs/b

Every step-controlled pair is confirmed anew, with roll-outs of another seed, so that a corruptor that looks for
confirmed pairs is not measured by its own search. Tokens are those that the corruptor sampled; neither the naive
pairs' sampling nor this measurement's roll-outs count.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

# ruff: noqa: E402
sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder has a sandbox.py of its own

from rich.console import Console
from rich.table import Table

from eval.metrics import wilson
from sandbox import AsyncSandbox
from scdpo.corrupt.confirm import Confirmer
from scdpo.data.prompt_style import sampled_model, sampled_system
from scdpo.data.records import ConfirmationRecord, PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import each
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.sampler import Sampler, SamplerLimits

SEED = 20_261_130
IN_FLIGHT = 128


@dataclass(slots=True)
class Yield:
    """What one corruptor gave in one run."""

    pairs: int = 0
    tried: int = 0
    confirmed: int = 0
    tokens: int = 0

    def per_million(self, count: int) -> str:
        """Return a count per million sampled tokens; a program samples none."""
        return f"{count / self.tokens * 1e6:.0f}" if self.tokens else "–"


async def measure(run: Run, sampler: Sampler, rollouts: int) -> dict[str, Yield]:
    """Confirm the pairs of a run anew; return what each of its corruptors gave."""
    found: dict[str, Yield] = defaultdict(Yield)
    groups: dict[str, list[PairRecord]] = defaultdict(list)
    for pair in run.pairs:
        if pair.kind == "step_controlled":
            # Pairs of one right solution are confirmed with one pass over its code; a pit's chosen side is its own.
            alone = pair.origin.corruptor == "first_pit"
            unseen = pair.model_copy(update={"confirmation": ConfirmationRecord()})
            groups[pair.id if alone else pair.origin.chosen_id].append(unseen)
    for branch in run.branches:
        found[branch.corruptor].tokens += branch.tokens
    confirmer = Confirmer(sampler, rollouts, SEED)

    async def confirm(group: list[PairRecord]) -> list[PairRecord]:
        return (await confirmer.confirm(group))[0]

    async for pairs in each(confirm, groups.values(), IN_FLIGHT // 8):
        for pair in pairs:
            one = found[pair.origin.corruptor]
            one.pairs += 1
            one.tried += pair.confirmation.confirmed is not None
            one.confirmed += bool(pair.confirmation.confirmed)
    return found


async def main(folders: list[Path], rollouts: int) -> None:
    """Measure the runs and print a table."""
    table = Table(
        title=f"Confirmed by {rollouts} roll-outs before and after, seed {SEED}", title_justify="left"
    )
    for name in (
        "run",
        "corruptor",
        "pairs",
        "confirmed",
        "share, 95 %",
        "tokens",
        "pairs / M",
        "confirmed / M",
    ):
        table.add_column(name, justify="left" if name in ("run", "corruptor") else "right")
    for folder in folders:
        run = Run(folder)
        engine = load_engine(EngineChoice(model=sampled_model(run)))
        formats = Counter(pair.format for pair in run.pairs)
        try:
            async with AsyncSandbox(max_sessions=2 * IN_FLIGHT) as box:
                limits = SamplerLimits(in_flight=IN_FLIGHT)
                format = formats.most_common(1)[0][0]
                sampler = Sampler(engine, box, format=format, system=sampled_system(run), limits=limits)
                for corruptor, one in sorted((await measure(run, sampler, rollouts)).items()):
                    share = wilson(one.confirmed, one.tried) if one.tried else None
                    shown = (
                        f"{one.confirmed / one.tried:.0%} [{share.low:.0%}, {share.high:.0%}]"
                        if share
                        else "–"
                    )
                    cells = [str(one.pairs), str(one.confirmed), shown, f"{one.tokens:,}"]
                    rates = [one.per_million(one.pairs), one.per_million(one.confirmed)]
                    table.add_row(folder.name, corruptor.replace("_", " "), *cells, *rates)
        finally:
            await engine.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run folders with step-controlled pairs")
    parser.add_argument("--rollouts", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.runs, arguments.rollouts))
