"""What a study does to one run folder: make pairs, train one model, evaluate it. Each goes on after a stop.

One thread is used: models of a million parameters gain little from more, and several seeds can run side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
from transformers.utils import logging

from eval.evaluate import evaluate
from eval.results import Evaluation, Settings
from experiments.problem_sets import TEMPERATURES, held_out_problems, preference_problems
from sandbox import AsyncSandbox
from scdpo.cli.console import Bar
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.problems import Problem, model_name
from scdpo.data.records import PairRecord
from scdpo.data.runs import RecordFile, Run
from scdpo.jobs import rollouts
from scdpo.jobs.local import NaiveSettings, branch_by_mutation, branch_by_temperature, sample_naive
from scdpo.sampling.engines.transformers import TransformersEngine
from scdpo.sampling.sampler import Sampler, SamplerLimits, sample_solutions
from scdpo.sampling.schedule import Schedule
from scdpo.training.train import Method, train

IN_FLIGHT = 384
SAMPLES = 32
"""Solutions sampled a problem at most: many, so that problems which the policy seldom solves give pairs too."""
NAIVE = 3
"""Naive pairs of a problem that are recorded at most; too many for the sampling to end before `SAMPLES`."""
ATTEMPTS = 8
"""Continuations tried after a step."""
ROLLOUTS = 8
"""Roll-outs from before and from after the first wrong step of a step-controlled pair."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The model that a study starts from.

    Attributes:
        path: its folder.
        format: how it writes solutions.
        unknown: families of problems that it has never been shown.
    """

    path: Path
    format: str
    unknown: frozenset[str] = frozenset()


def one_thread() -> None:
    """Keep this process to one thread, and the libraries' progress bars out of the way."""
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    logging.disable_progress_bar()


def make_pairs(run: Run, policy: Policy, seed: int, problems: int) -> None:
    """Sample a policy on a seed's problems, pair its solutions, and branch off the chosen ones."""
    sample(
        run,
        policy,
        preference_problems(seed, problems, policy.unknown),
        NaiveSettings(at_most=SAMPLES, pairs=NAIVE, seed=seed),
    )
    branch(run, policy, BranchSettings(attempts=ATTEMPTS, seed=seed, confirm=ROLLOUTS))


def sample(run: Run, policy: Policy, problems: Sequence[Problem], settings: NaiveSettings) -> None:
    """Sample a policy on problems and pair its solutions."""
    with Bar() as bar:
        asyncio.run(
            _with_sampler(policy, lambda sampler: sample_naive(run, problems, sampler, settings, bar))
        )


def branch(run: Run, policy: Policy, settings: BranchSettings) -> None:
    """Branch off a run's chosen solutions by raised temperatures."""
    with Bar() as bar:
        asyncio.run(_with_sampler(policy, lambda sampler: branch_by_temperature(run, sampler, settings, bar)))


def find_pits(run: Run, policy: Policy, settings: PitSettings) -> None:
    """Branch off a run's wrong solutions at their first pits."""
    with Bar() as bar:
        asyncio.run(
            _with_sampler(policy, lambda sampler: rollouts.branch_at_first_pits(run, sampler, settings, bar))
        )


def estimate_values(run: Run, policy: Policy, settings: ValueSettings) -> None:
    """Estimate the value of every place in the solutions of a run's naive pairs."""
    with Bar() as bar:
        asyncio.run(
            _with_sampler(policy, lambda sampler: rollouts.estimate_values(run, sampler, settings, bar))
        )


def branch_at_one_temperature(run: Run, policy: Policy, seed: int) -> None:
    """Branch off a run's chosen solutions with every step at temperature 1."""
    branch(run, policy, BranchSettings(Schedule.constant(1.0), attempts=ATTEMPTS, seed=seed))


def mutate(run: Run, seed: int) -> None:
    """Mutate the code of a run's chosen solutions."""

    async def work(bar: Bar) -> None:
        async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
            await branch_by_mutation(run, box, seed, bar)

    with Bar() as bar:
        asyncio.run(work(bar))


def train_on(
    pairs: Iterable[PairRecord],
    policy: Policy,
    folder: Path,
    method: Method,
    seed: int,
    settings: Mapping[str, Any],
) -> None:
    """Train a policy on pairs, unless the folder holds the trained model already.

    Args:
        pairs: written to ``pairs.jsonl`` in the folder first.
        policy: the model to start from.
        folder: where the model goes.
        method: which kinds of pairs count.
        seed: of the order of the pairs.
        settings: fields of ``SCDPOConfig`` besides those that all trainings share.
    """
    if (folder / "model.safetensors").exists():
        return
    file = RecordFile(folder / "pairs.jsonl", PairRecord)
    for pair in sorted(
        pairs, key=lambda pair: pair.id
    ):  # not in the order in which they happened to be ready
        file.append(pair)
    file.close()
    shared = {"per_device_train_batch_size": 32, **training_settings(policy, seed)}
    train(folder / "pairs.jsonl", str(policy.path), folder, method, {**shared, **settings})


def training_settings(policy: Policy, seed: int) -> dict[str, Any]:
    """Return what all trainings of a study share, on pairs and on solutions."""
    return {
        "max_length": 512,
        "save_strategy": "no",
        "logging_steps": 5,
        "disable_tqdm": True,
        "seed": seed,
        "format": policy.format,
    }


def evaluate_on(run: Run, model: str, policy: Policy, test: str, seed: int, limit: int) -> Evaluation:
    """Solve a test set's first problems as it says and write the result and the transcripts into the run."""
    problems = held_out_problems(test, seed, limit, policy.unknown)
    return solve(run, model, policy, test, problems, seed)


def solve(
    run: Run, model: str, policy: Policy, test: str, problems: Sequence[Problem], seed: int
) -> Evaluation:
    """Solve problems and write the result and the transcripts into the run.

    Args:
        run: where they go.
        model: its name in tables.
        policy: the model.
        test: the name of the test set; greedy, unless ``TEMPERATURES`` says otherwise.
        problems: of the test set.
        seed: of the samples.
    """

    async def work(sampler: Sampler) -> Evaluation:
        drawn = Settings(
            engine="transformers",
            checkpoint=model_name(str(policy.path)),
            format=policy.format,
            temperature=TEMPERATURES.get(test, 0.0),
            seed=seed,
        )
        draw = partial(sample_solutions, sampler=sampler)
        return await evaluate(run, problems, draw, drawn, model=model, benchmark=test)

    made: Evaluation = asyncio.run(_with_sampler(policy, work))
    return made


async def _with_sampler(policy: Policy, work: Any) -> Any:
    engine = TransformersEngine(policy.path)
    limits = SamplerLimits(in_flight=IN_FLIGHT)
    try:
        async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
            return await work(Sampler(engine, box, format=policy.format, limits=limits))
    finally:
        await engine.close()
