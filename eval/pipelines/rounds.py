"""On-policy rounds: what ``scdpo rounds`` does. Make pairs with the newest model, train it on them, and go on with it.

Round r has a run folder of its own, ``round-r``, and starts from the model of round r - 1. That model samples, branches
and confirms, is trained on this round's pairs alone, and is the reference of that training: each round is tied to
the model before it, not to the first one. Every stage goes on where it was stopped. Not covered: pairs of earlier
rounds mixed in, and the evaluation of the rounds' models (``scdpo evaluate``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from eval.pipelines.quickstart import train_once
from scdpo.cli.console import Bar, show_stages
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.problems import embedded_model_path, load_problems
from scdpo.data.runs import Run
from scdpo.jobs.backend import Backend
from scdpo.jobs.local import NaiveSettings
from scdpo.training.config import SCDPOConfig
from scdpo.training.train import parse_settings


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """What every round does.

    Attributes:
        problems: their source, as ``load_problems`` takes it.
        split: part of the source.
        limit: at most so many problems a round.
        format: how the model writes solutions.
        system: the system message.
        naive: how solutions are sampled; round r adds r - 1 to the seed, which also draws the problems of a
            generated source anew.
        branches: how branches are sought, likewise.
        training: fields of ``SCDPOConfig`` and of TRL's ``ModelConfig``.
    """

    problems: str
    split: Literal["train", "preference", "test"]
    limit: int
    format: str
    system: str
    naive: NaiveSettings
    branches: BranchSettings
    training: Mapping[str, Any]

    def of_round(self, number: int) -> RoundPlan:
        """Return the plan with the seeds of a round, counted from 1."""
        later = number - 1
        return replace(
            self,
            naive=replace(self.naive, seed=self.naive.seed + later),
            branches=replace(self.branches, seed=self.branches.seed + later),
        )


def on_policy_rounds(folder: Path, rounds: int, backend: Backend, plan: RoundPlan, console: Console) -> Path:
    """Do rounds in a folder, or what is left of them; return the folder of the last model.

    Raises:
        RunError: if a round was begun with another plan, is in use, or cannot be written.
        EngineError, SandboxError: if the model or the sandbox cannot be started.
        ValueError: for a wrong setting, or a round that made no pair to train on.
    """
    parse_settings(SCDPOConfig, plan.training, folder)  # a wrong one is told before hours of sampling
    start = backend.model or str(embedded_model_path())
    for number in range(1, rounds + 1):
        console.rule(f"round {number} of {rounds}")
        before = f"round-{number - 1}" if number > 1 else backend.model or "embedded"
        with Run(folder / f"round-{number}") as run:
            start = str(_round(run, replace(backend, model=start), before, plan.of_round(number)))
    return Path(start)


def _round(run: Run, backend: Backend, before: str, plan: RoundPlan) -> Path:
    """Do one round; return the folder of its model."""
    settled = {"model": before, **asdict(plan)}
    run.check("round", settled)
    with Bar() as bar:
        asyncio.run(_make_pairs(run, backend, plan, settled, bar))
    assert backend.model is not None
    own_bar = {"disable_tqdm": True}
    settings = {**own_bar, **plan.training, "format": plan.format, "system_prompt": plan.system}
    output = run.folder / "model" / "scdpo"
    train_once(run, "SCDPO", backend.model, run.folder / "pairs.jsonl", output, "scdpo", settings)
    show_stages(run.read_json("stages.json"))
    return output


async def _make_pairs(run: Run, backend: Backend, plan: RoundPlan, settled: dict[str, Any], bar: Bar) -> None:
    if "train SCDPO" in run.read_json("stages.json"):
        return  # the model need not be loaded to see that nothing is left to do
    problems = load_problems(plan.problems, split=plan.split, limit=plan.limit, seed=plan.naive.seed)
    async with backend.jobs(plan.format, plan.system) as jobs:
        run.settle("round", settled)
        await jobs.sample_naive(run, problems, plan.naive, bar)
        await jobs.branch_by_temperature(run, plan.branches, bar)
