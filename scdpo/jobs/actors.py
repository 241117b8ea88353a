"""The processes of a cluster: copies of the model, and sandbox workers that do whole jobs on single problems.

A worker does the jobs of ``scdpo.jobs.local`` in a run folder of its own and sends back the records that they add.
Not covered: who gets which problem, and what happens when a process is lost (``scdpo.jobs.cluster``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

from ray.exceptions import RayActorError

from sandbox import AsyncSandbox
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.guided import GuidedSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.problems import Problem
from scdpo.data.records import BranchRecord, PairRecord, Record, RolloutRecord, SolutionRecord, ValueRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import (
    NaiveSettings,
    branch_by_guidance,
    branch_by_mutation,
    branch_by_temperature,
    sample_naive,
)
from scdpo.jobs.rollouts import branch_at_first_pits, estimate_values, roll_out_pairs
from scdpo.sampling.engines.base import Completion, Engine, EngineError, Request, RequestRefused
from scdpo.sampling.engines.replicas import ReplicaLost, Replicas
from scdpo.sampling.engines.vocabulary import Vocabulary
from scdpo.sampling.sampler import Sampler, SamplerLimits


@dataclass(frozen=True, slots=True)
class SolutionStyle:
    """How solutions are written: what ``Sampler`` wants to know besides engine and sandbox."""

    format: str = "mathcoder"
    system: str = ""
    limits: SamplerLimits = field(default_factory=SamplerLimits)

    def sampler(self, engine: Engine, box: AsyncSandbox) -> Sampler:
        """Return a sampler of this style."""
        return Sampler(engine, box, format=self.format, system=self.system, limits=self.limits)


Job = Callable[[Run, Sampler], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class SampleJob:
    """``scdpo.jobs.local.sample_naive`` on one problem."""

    problem: Problem
    settings: NaiveSettings

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        await sample_naive(run, [self.problem], sampler, self.settings, Silent())


@dataclass(frozen=True, slots=True)
class BranchJob:
    """``scdpo.jobs.local.branch_by_temperature`` on the solutions of a run."""

    settings: BranchSettings

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        await branch_by_temperature(run, sampler, self.settings, Silent())


@dataclass(frozen=True, slots=True)
class GuidedJob:
    """``scdpo.jobs.local.branch_by_guidance`` on the solutions of a run."""

    settings: GuidedSettings

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        await branch_by_guidance(run, sampler, self.settings, Silent())


@dataclass(frozen=True, slots=True)
class MutateJob:
    """``scdpo.jobs.local.branch_by_mutation`` on the solutions of a run."""

    seed: int
    confirm: int = 0

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        confirmer = Confirmer(sampler, self.confirm, self.seed) if self.confirm else None
        await branch_by_mutation(run, sampler.box, self.seed, Silent(), confirmer=confirmer)


@dataclass(frozen=True, slots=True)
class PitJob:
    """``scdpo.jobs.rollouts.branch_at_first_pits`` on the solutions of a run."""

    settings: PitSettings

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        await branch_at_first_pits(run, sampler, self.settings, Silent())


@dataclass(frozen=True, slots=True)
class ValueJob:
    """``scdpo.jobs.rollouts.estimate_values`` on the solutions of a run's naive pairs."""

    settings: ValueSettings

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        await estimate_values(run, sampler, self.settings, Silent())


@dataclass(frozen=True, slots=True)
class ConfirmJob:
    """``scdpo.jobs.rollouts.roll_out_pairs`` on pairs that branch off one solution."""

    rollouts: int
    seed: int
    corruptor: str

    async def __call__(self, run: Run, sampler: Sampler) -> None:
        """Do the job."""
        confirmer = Confirmer(sampler, self.rollouts, self.seed)
        await roll_out_pairs(run, confirmer, self.corruptor, Silent())


class Silent:
    """A progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, kept: int) -> None:
        """Say nothing."""


class EngineActor:
    """One copy of the model, in a process of its own."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._engine = load()

    def describe(self) -> tuple[str, str, int]:
        """Return the engine's name, model and context."""
        return self._engine.name, self._engine.model, self._engine.context

    async def complete(self, request: Request) -> Completion:
        """Sample one completion; an engine that fails takes this process with it."""
        try:
            return await self._engine.complete(request)
        except RequestRefused:
            raise
        except EngineError as error:
            print(f"engine lost, its process starts anew: {error}", flush=True)
            os._exit(1)  # only a fresh process has a lost device's memory back; Ray starts one


class ActorEngine:
    """The cluster's copies of the model as one engine.

    Args:
        actors: handles of ``EngineActor``.
        described: what they say of themselves.
    """

    def __init__(self, actors: Sequence[Any], described: tuple[str, str, int]) -> None:
        self.name, self.model, self.context = described
        self._vocabulary = Vocabulary(self.model)
        self._replicas = Replicas([_EngineReplica(f"engine {i}", actor) for i, actor in enumerate(actors)])

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, as transformers loads it."""
        return self._vocabulary.tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""
        return self._vocabulary.encode(text)

    def encode_prompt(self, text: str) -> list[int]:
        """Return the token ids of a text that a prompt begins with (see ``Engine.encode_prompt``)."""
        return self._vocabulary.encode_prompt(text)

    async def complete(self, request: Request) -> Completion:
        """Sample one completion (see ``Engine.complete``)."""
        return await self._replicas.ask(request, request.prompt)

    async def close(self) -> None:
        """Let go of the actors; the cluster ends them."""
        await self._replicas.close()


class _EngineReplica:
    """An engine actor, as ``Replicas`` sees it."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self._handle = handle

    async def ask(self, request: Request) -> Completion:
        try:
            completion: Completion = await self._handle.complete.remote(request)
        except RayActorError as error:
            raise ReplicaLost(first_line(error)) from error
        return completion

    async def alive(self) -> bool:
        try:
            await self._handle.describe.remote()
        except RayActorError:
            return False
        return True


class SandboxWorker:
    """Does jobs on single problems with kernels of its own; the model is elsewhere."""

    def __init__(self, load: Callable[[], Engine], style: SolutionStyle) -> None:
        self._load = load
        self._style = style
        self._sampler: Sampler | None = None

    async def ready(self) -> None:
        """Load what the first job needs."""
        if self._sampler is None:
            box = AsyncSandbox(max_sessions=self._style.limits.in_flight)
            self._sampler = self._style.sampler(self._load(), box)

    async def do(self, job: Job, known: Sequence[Record]) -> list[Record]:
        """Do a job on a run that holds the known records, and return those that it adds."""
        await self.ready()
        assert self._sampler is not None
        with TemporaryDirectory(prefix="scdpo-") as folder, Run(folder) as run:
            append_records(run, known)
            await job(run, self._sampler)
            old = {(type(record), record.id) for record in known}
            files = (run.solutions, run.pairs, run.branches, run.values, run.rollouts)
            return [record for file in files for record in file if (type(record), record.id) not in old]


def append_records(run: Run, records: Sequence[Record]) -> int:
    """Write records into the files of their kinds, in order; return how many pairs, values and roll-outs were new."""
    new = 0
    for record in records:
        if isinstance(record, SolutionRecord):
            run.solutions.append(record)
        elif isinstance(record, PairRecord):
            new += run.pairs.append(record)
        elif isinstance(record, ValueRecord):
            new += run.values.append(record)
        elif isinstance(record, RolloutRecord):
            new += run.rollouts.append(record)
        elif isinstance(record, BranchRecord):
            run.branches.append(record)
    return new


def first_line(error: Exception) -> str:
    """Return an error's first line: Ray puts what happened there and its own affairs below."""
    return str(error).strip().splitlines()[0]
