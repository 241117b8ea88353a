"""The jobs on a Ray cluster: copies of the model and sandbox workers, as many of each as there is work for.

A worker takes one problem at a time per place, does the job of ``scdpo.jobs.local`` on it in a folder of its own, and
sends the records back; the driver hands problems to whoever is free and alone writes to the run folder. So a
record is there once, and a stop at any moment is mended as on one machine. A worker that is lost is started again
by Ray, and its problems are done again; the same goes for an engine's requests. What comes out depends on the
seed, not on who did what. Not covered: moving the model's folder or the installed package to other machines.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayTaskError

from sandbox import AsyncSandbox, SandboxError, SessionClosed
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.guided import GuidedSettings
from scdpo.corrupt.rollouts import ROLLOUTS_AT_ONCE
from scdpo.corrupt.temperature import BranchSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.problems import Problem
from scdpo.data.records import PairRecord, Record
from scdpo.data.runs import Run
from scdpo.jobs.actors import (
    ActorEngine,
    BranchJob,
    ConfirmJob,
    EngineActor,
    GuidedJob,
    Job,
    MutateJob,
    PitJob,
    SampleJob,
    SandboxWorker,
    Silent,
    SolutionStyle,
    ValueJob,
    append_records,
    first_line,
)
from scdpo.jobs.local import (
    NaiveSettings,
    Progress,
    branch_by_guidance,
    branch_by_mutation,
    branch_by_temperature,
    chosen_solutions,
    count_confirmed,
    each,
    enough,
    mutations_at_once,
    sample_naive,
    with_grants,
)
from scdpo.jobs.outcomes import Branched, known_outcomes
from scdpo.jobs.rollouts import branch_at_first_pits, estimate_values, unconfirmed, wrong_solutions
from scdpo.sampling.engines.base import Engine, EngineError
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.engines.replicas import ReplicaLost, Replicas
from scdpo.sampling.sampler import Sampler, SamplerLimits

PATIENCE_SECONDS: Final = 600.0
"""Without any worker for so long, the job ends; what it made is kept."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The size of the cluster's two parts.

    Attributes:
        address: of a Ray cluster, or ``auto`` for the one this machine is in; None starts one on this machine.
        engines: copies of the model, each an actor of its own; none are started for model servers.
        gpus: GPUs of each copy.
        workers: sandbox workers, each an actor with one processor.
        in_flight: solutions a worker has under way at once.
    """

    address: str | None = None
    engines: int = 1
    gpus: float = 0.0
    workers: int = 2
    in_flight: int = 64


class _WorkerReplica:
    """A sandbox worker, as ``Replicas`` sees it."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self._handle = handle

    async def ask(self, query: tuple[Job, Sequence[Record]]) -> list[Record]:
        try:
            records: list[Record] = await self._handle.do.remote(*query)
        except RayActorError as error:
            raise ReplicaLost(first_line(error)) from error
        except RayTaskError as error:
            if isinstance(error.cause, SessionClosed):  # a kernel that ended from without; another may not
                raise ReplicaLost(str(error.cause)) from error
            raise error.cause from error  # what the job raised, without the worker's traceback in its message
        return records

    async def alive(self) -> bool:
        try:
            await self._handle.ready.remote()
        except RayActorError:
            return False
        return True


class Cluster:
    """Engines and sandbox workers on Ray; an asynchronous context manager.

    Args:
        choice: the engine that each copy of the model runs, or the servers that the workers ask.
        settings: how many of each.
        style: how solutions are written.
        load: makes the engine of a choice.

    Raises:
        EngineError: on entering, if the model cannot be loaded or no cluster is at the address.
    """

    def __init__(
        self,
        choice: EngineChoice,
        settings: ClusterSettings,
        style: SolutionStyle | None = None,
        load: Callable[[EngineChoice], Engine] = load_engine,
    ) -> None:
        self._choice = choice
        self._settings = settings
        self._style = style or SolutionStyle(limits=SamplerLimits(in_flight=settings.in_flight))
        self._load = load
        self._workers_replicas: list[_WorkerReplica] = []
        self._stack = contextlib.AsyncExitStack()
        self._sampler: Sampler | None = None

    async def __aenter__(self) -> Cluster:
        settings = self._settings
        engines = 0 if self._choice.servers else settings.engines
        _connect(settings, engines)
        self._stack.callback(ray.shutdown)
        try:
            load = await self._start_engines(engines)
            await self._start_workers(load)
            # Jobs end with a look at the whole run, which needs a sampler's limits and samples nothing.
            box = await self._stack.enter_async_context(AsyncSandbox(warm=0))
            engine = load()
            self._stack.push_async_callback(engine.close)
            self._sampler = self._style.sampler(engine, box)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def model(self) -> str:
        """The model as its engine calls it."""
        assert self._sampler is not None
        return self._sampler.engine.model

    async def _start_engines(self, count: int) -> Callable[[], Engine]:
        """Start the copies of the model; return what makes an engine that asks them."""
        choice, load = self._choice, self._load
        if count == 0:
            return partial(load, choice)
        options = {
            "num_cpus": 1,
            "num_gpus": self._settings.gpus,
            "max_restarts": -1,
            "max_concurrency": 4096,
        }
        actor = ray.remote(EngineActor).options(**options)
        engines = [actor.remote(partial(load, choice)) for _ in range(count)]
        try:
            described = await engines[0].describe.remote()
        except (RayActorError, RayTaskError) as error:
            raise EngineError(f"the cluster cannot load the engine: {_cause(error)}") from error
        return partial(ActorEngine, engines, described)

    async def _start_workers(self, load: Callable[[], Engine]) -> None:
        settings = self._settings
        options = {"num_cpus": 1, "max_restarts": -1, "max_concurrency": settings.in_flight + 8}
        actor = ray.remote(SandboxWorker).options(scheduling_strategy="SPREAD", **options)
        workers = [actor.remote(load, self._style) for _ in range(settings.workers)]
        try:
            await workers[0].ready.remote()
        except (RayActorError, RayTaskError) as error:
            raise EngineError(f"the cluster cannot start a sandbox worker: {_cause(error)}") from error
        self._workers_replicas = [_WorkerReplica(f"worker {i}", worker) for i, worker in enumerate(workers)]

    async def _do(
        self, work: Iterable[tuple[Job, list[Record]]], at_once: int
    ) -> AsyncIterator[list[Record]]:
        """Have jobs done, ``at_once`` by each worker, and yield the records that each adds."""
        workers = Replicas(
            self._workers_replicas, limit=at_once, patience=PATIENCE_SECONDS, error=SandboxError
        )
        try:
            async for records in each(workers.ask, work, at_once * len(self._workers_replicas)):
                yield records
        finally:
            await workers.close()

    async def sample_naive(
        self, run: Run, problems: Sequence[Problem], settings: NaiveSettings, progress: Progress
    ) -> None:
        """Do ``scdpo.jobs.local.sample_naive`` on the cluster."""
        outcomes = known_outcomes(run, problems)
        left = [p for p in problems if not enough(outcomes[p.id], settings)]
        progress.start("sample", len(problems), len(problems) - len(left))

        started = monotonic()
        work = (
            (SampleJob(p, settings), list[Record](run.solutions.get(o.id) for o in outcomes[p.id]))
            for p in left
        )
        async for records in self._do(work, max(1, self._settings.in_flight // settings.wave)):
            progress.advance(append_records(run, records))
        assert self._sampler is not None
        await sample_naive(run, problems, self._sampler, settings, Silent())
        _took(run, "solutions", monotonic() - started)

    async def branch_by_temperature(
        self,
        run: Run,
        settings: BranchSettings,
        progress: Progress,
        grants: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Do ``scdpo.jobs.local.branch_by_temperature`` on the cluster."""
        started = monotonic()
        at_once = max(1, self._settings.in_flight // settings.sessions)

        def job(id: str) -> Job:
            return BranchJob(with_grants(settings, grants, id))

        await self._branch(run, job, at_once, progress, "temperature", grants)
        assert self._sampler is not None
        await branch_by_temperature(run, self._sampler, settings, Silent(), grants)
        _took(run, "step-controlled pairs by temperature", monotonic() - started)

    async def branch_by_guidance(self, run: Run, settings: GuidedSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.local.branch_by_guidance`` on the cluster."""
        started = monotonic()
        at_once = max(1, self._settings.in_flight // settings.sessions)
        await self._branch(run, lambda _: GuidedJob(settings), at_once, progress, "guided")
        assert self._sampler is not None
        await branch_by_guidance(run, self._sampler, settings, Silent())
        _took(run, "step-controlled pairs by guided", monotonic() - started)

    async def branch_by_mutation(self, run: Run, seed: int, progress: Progress, confirm: int = 0) -> None:
        """Do ``scdpo.jobs.local.branch_by_mutation`` on the cluster."""
        started = monotonic()
        at_once = mutations_at_once(self._settings.in_flight if confirm else 0)
        await self._branch(run, lambda _: MutateJob(seed, confirm), at_once, progress, "mutation")
        assert self._sampler is not None
        await branch_by_mutation(run, self._sampler.box, seed, Silent())
        _took(run, "step-controlled pairs by mutation", monotonic() - started)

    async def branch_at_first_pits(self, run: Run, settings: PitSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.rollouts.branch_at_first_pits`` on the cluster."""
        started = monotonic()
        right = {s.problem_id: s.id for s in run.solutions if s.preferred}
        branches = {branch.id: branch for branch in run.branches}
        wrong = [s.id for s in wrong_solutions(run, settings.solutions)]
        left = [id for id in wrong if f"{id}@p{settings.seed}" not in branches]
        progress.start("first pits", len(wrong), len(wrong) - len(left))
        work = (
            (PitJob(settings), list[Record]([run.solutions.get(right[one.problem_id]), one]))
            for one in map(run.solutions.get, left)
        )
        async for records in self._do(work, max(1, self._settings.in_flight // ROLLOUTS_AT_ONCE)):
            progress.advance(append_records(run, records))
        assert self._sampler is not None
        await branch_at_first_pits(run, self._sampler, settings, Silent())
        _took(run, "step-controlled pairs by first pit", monotonic() - started)

    async def estimate_values(self, run: Run, settings: ValueSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.rollouts.estimate_values`` on the cluster."""
        started = monotonic()
        known: dict[str, list[Record]] = defaultdict(list)
        for value in run.values:
            known[value.solution_id].append(value)
        pairs = [pair for pair in run.pairs if pair.kind == "naive"]
        progress.start("values", len(pairs), 0)

        def sides(pair: PairRecord) -> list[Record]:
            ids = [id for id in (pair.origin.chosen_id, pair.origin.rejected_id) if id in run.solutions]
            return [pair, *map(run.solutions.get, ids), *(value for id in ids for value in known[id])]

        work = ((ValueJob(settings), sides(pair)) for pair in pairs)
        async for records in self._do(work, max(1, self._settings.in_flight // ROLLOUTS_AT_ONCE)):
            progress.advance(append_records(run, records))
        assert self._sampler is not None
        await estimate_values(run, self._sampler, settings, Silent())
        _took(run, "solutions with values", monotonic() - started)

    async def confirm_pairs(
        self, run: Run, rollouts: int, seed: int, corruptor: str, progress: Progress
    ) -> None:
        """Do ``scdpo.jobs.rollouts.confirm_pairs`` on the cluster."""
        run.settle_rollouts()
        waiting = unconfirmed(run, corruptor, rollouts)
        progress.start("roll-outs", len(waiting), 0)
        job = ConfirmJob(rollouts, seed, corruptor)
        work = ((job, list[Record](map(run.pairs.get, ids))) for ids in waiting.values())
        async for records in self._do(work, max(1, self._settings.in_flight // (ROLLOUTS_AT_ONCE + 2))):
            progress.advance(append_records(run, records))
        run.settle_rollouts()
        count_confirmed(run, corruptor)

    async def _branch(
        self,
        run: Run,
        job: Callable[[str], Job],
        at_once: int,
        progress: Progress,
        corruptor: str,
        only: Container[str] | None = None,
    ) -> None:
        """Have a job done on each chosen solution, or on ``only`` some of them."""
        past = Branched(run, corruptor)
        chosen = [solution.id for solution in chosen_solutions(run) if only is None or solution.id in only]
        progress.start(f"step-controlled pairs by {corruptor}", len(chosen), 0)

        work = ((job(id), [run.solutions.get(id), *past.branches(id), *past.pairs(id)]) for id in chosen)
        async for records in self._do(work, at_once):
            # The worker sends pairs before the branches that they come of, and so they are written.
            progress.advance(append_records(run, records))


def _connect(settings: ClusterSettings, engines: int) -> None:
    try:
        if settings.address is None:
            # The machine's own count would leave actors waiting for processors that a laptop does not have.
            processors = max(os.cpu_count() or 1, engines + settings.workers)
            ray.init(
                num_cpus=processors,
                include_dashboard=False,
                object_store_memory=256 * 2**20,
                log_to_driver=False,
                logging_level="ERROR",
            )
        else:
            ray.init(address=settings.address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        place = settings.address or "on this machine"
        raise EngineError(f"no Ray cluster {place}: {error}") from error


def _took(run: Run, stage: str, seconds: float) -> None:
    """Add the cluster's time to a stage that was counted after it."""
    counts = run.read_json("stages.json")[stage]
    run.write_stage(stage, counts["in"], counts["kept"], counts["dropped"], seconds)


def _cause(error: Exception) -> str:
    """Return the last line of what went wrong in an actor, which is the error itself."""
    return str(error).strip().splitlines()[-1]
