"""The main job from end to end on the built-in model and problems: what ``scdpo quickstart`` does.

Sample, pair, branch, train three models, evaluate them and the model they started from, and write the report.
Every stage goes on where it was stopped; a stage that is done is not done again. The figures are those of a
small model on made-up problems in a few minutes: a test of the machinery, not of the method (``docs/replication.md``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.text import Text

from eval.compare import comparison, load, rich_table
from eval.evaluate import evaluate
from eval.headline import headlines
from eval.report import write_report
from eval.results import Settings
from sandbox import AsyncSandbox
from scdpo.cli.console import Bar, quiet_libraries, show_stages
from scdpo.cli.training import ShowSteps, quiet_training
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.fingerprint import fingerprint
from scdpo.data.pairs import data_equal
from scdpo.data.problems import embedded_model_path, load_problems, model_name
from scdpo.data.records import PairRecord
from scdpo.data.runs import RecordFile, Run
from scdpo.jobs.local import NaiveSettings, branch_by_temperature, sample_naive
from scdpo.sampling.engines.transformers import TransformersEngine
from scdpo.sampling.sampler import Sampler, SamplerLimits, sample_solutions
from scdpo.training.train import Method, train

IN_FLIGHT = 256
START = "SFT (start)"


@dataclass(frozen=True, slots=True)
class QuickstartPlan:
    """How much is done; the defaults take some minutes on two cores.

    Attributes:
        problems: sampled for pairs.
        tests: held-out problems that every model is evaluated on.
        at_most: solutions sampled per problem before it is given up.
        attempts: continuations tried after a step.
        learning_rate: of all three trainings.
        epochs: passes over the pairs; data-equal DPO and SCDPO see as many pairs as each other.
        seed: fixes every sample and every training.
    """

    problems: int = 160
    tests: int = 300
    at_most: int = 8
    attempts: int = 8
    learning_rate: float = 1e-4
    epochs: float = 2.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Training:
    """A model to train: its name in tables, its folder, its method, the file of its pairs, and settings of its own."""

    name: str
    folder: str
    method: Method
    pairs: str
    settings: Mapping[str, Any] = field(default_factory=dict)


TRAININGS = (
    Training("DPO", "dpo", "dpo", "pairs.jsonl"),
    Training("DPO, data-equal", "dpo-data-equal", "dpo", "pairs-data-equal.jsonl"),
    Training("SCDPO", "scdpo", "scdpo", "pairs.jsonl"),
)


def quickstart(folder: Path, plan: QuickstartPlan, console: Console) -> Path:
    """Do the main job in a run folder, or what is left of it; return the report's path.

    Raises:
        RunError: if the folder was begun with another plan, is in use, or cannot be written.
        EngineError, SandboxError: if the model or the sandbox cannot be started.
    """
    quiet_libraries()
    with Run(folder) as run:
        run.settle("quickstart", asdict(plan))
        console.rule("1 of 4: sample solutions, make naive and step-controlled pairs")
        with Bar() as bar:
            asyncio.run(_make_pairs(run, plan, bar))
        _write_data_equal(run)
        show_stages(run.read_json("stages.json"))
        console.rule("2 of 4: train on the pairs")
        for training in TRAININGS:
            train_model(run, training, plan)
        console.rule("3 of 4: evaluate on held-out problems")
        models = {START: embedded_model_path()} | {t.name: folder / "model" / t.folder for t in TRAININGS}
        with Bar("correct") as bar:
            asyncio.run(evaluate_models(run, models, plan, bar))
        console.rule("4 of 4: report")
        evaluations = load([folder])
        console.print(rich_table(comparison(evaluations)))
        for sentence in headlines(evaluations):
            console.print(Text(sentence), soft_wrap=True)
        return write_report(folder)


async def _make_pairs(run: Run, plan: QuickstartPlan, bar: Bar) -> None:
    problems = load_problems("embedded", split="preference", limit=plan.problems, seed=plan.seed)
    engine = TransformersEngine(embedded_model_path())
    try:
        async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=IN_FLIGHT))
            naive = NaiveSettings(at_most=plan.at_most, seed=plan.seed)
            await sample_naive(run, problems, sampler, naive, bar)
            branches = BranchSettings(attempts=plan.attempts, seed=plan.seed)
            await branch_by_temperature(run, sampler, branches, bar)
    finally:
        await engine.close()


def _write_data_equal(run: Run) -> None:
    """Write as many naive pairs as the run has pairs of both kinds, for the data-equal baseline."""
    file = RecordFile(run.folder / "pairs-data-equal.jsonl", PairRecord)
    pairs = list(run.pairs)
    equal = data_equal(pairs, run.solutions)
    for pair in equal:
        file.append(pair)
    file.close()
    missing = len(pairs) - len(equal)
    dropped = {"too few solutions": missing} if missing else {}
    run.write_stage("naive pairs for data-equal DPO", len(pairs), len(equal), dropped, 0.0)


def train_model(run: Run, training: Training, plan: QuickstartPlan) -> None:
    """Train the built-in model on a file of a run's pairs, unless that is done already."""
    pairs, output = run.folder / training.pairs, run.folder / "model" / training.folder
    changed = {**settings(plan), **training.settings}
    train_once(run, training.name, str(embedded_model_path()), pairs, output, training.method, changed)


def train_once(
    run: Run, name: str, model: str, pairs: Path, output: Path, method: Method, settings: Mapping[str, Any]
) -> None:
    """Train a model on pairs (see ``scdpo.training.train.train``), unless the run says that this is done already."""
    stage = f"train {name}"
    if stage in run.read_json("stages.json"):
        return
    quiet_training()
    started = monotonic()
    with Bar("") as bar:
        result = train(pairs, model, output, method, settings, [ShowSteps(bar, name)])
    kept, dropped = sum(result.report.kept.values()), dict(result.report.dropped)
    run.write_stage(stage, kept + sum(dropped.values()), kept, dropped, monotonic() - started)


def settings(plan: QuickstartPlan) -> Mapping[str, Any]:
    """Return the training settings of a plan, the same for every method."""
    return {
        "learning_rate": plan.learning_rate,
        "num_train_epochs": plan.epochs,
        # Ten problems give some six naive pairs, all that the smallest training has: a tenth of the problems to a batch
        # leaves it a dozen steps in two epochs. In batches of 32 it would take a third of them, and hardly move.
        "per_device_train_batch_size": min(16, max(1, plan.problems // 10)),
        "max_length": 512,
        "save_strategy": "steps",
        "save_steps": 25,
        "save_total_limit": 1,
        "logging_steps": 5,
        "disable_tqdm": True,
        "seed": plan.seed,
    }


async def evaluate_models(run: Run, models: Mapping[str, Path], plan: QuickstartPlan, bar: Bar) -> None:
    """Evaluate models, by their names in tables, on the held-out problems of a plan."""
    problems = load_problems("embedded", split="test", limit=plan.tests, seed=plan.seed)
    async with AsyncSandbox(max_sessions=IN_FLIGHT) as box:
        for name, path in models.items():
            engine = TransformersEngine(path)
            try:
                await _evaluate_one(run, name, engine, box, problems, plan, bar)
            finally:
                await engine.close()


async def _evaluate_one(
    run: Run,
    name: str,
    engine: TransformersEngine,
    box: AsyncSandbox,
    problems: Sequence[Any],
    plan: QuickstartPlan,
    bar: Bar,
) -> None:
    sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=IN_FLIGHT))
    drawn = Settings(
        engine=engine.name,
        checkpoint=model_name(engine.model),
        weights=fingerprint(Path(engine.model)),
        format="mathcoder",
        seed=plan.seed,
    )
    await evaluate(
        run,
        problems,
        partial(sample_solutions, sampler=sampler),
        drawn,
        model=name,
        benchmark="embedded",
        progress=bar,
    )
