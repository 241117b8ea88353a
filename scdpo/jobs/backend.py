"""Where solutions are sampled: engine and sandbox on this machine, or a Ray cluster; opened here and nowhere else.

Not covered: which options of a command line say so (``scdpo.cli.options``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sandbox import AsyncSandbox
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.guided import GuidedSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.problems import Problem
from scdpo.data.prompt_style import SERVED, sampled_model
from scdpo.data.runs import Run, RunError
from scdpo.jobs import local, rollouts
from scdpo.jobs.local import NaiveSettings, Progress
from scdpo.sampling.engines import EngineError
from scdpo.sampling.engines.load import EngineChoice, EngineName, load_engine
from scdpo.sampling.sampler import Sampler, SamplerLimits

if TYPE_CHECKING:
    from scdpo.jobs.cluster import Cluster

MOST_IN_FLIGHT: Final = 4096
"""Solutions under way at once on one machine, at most: each may hold a kernel."""
LEAST_IN_FLIGHT: Final = 8
WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Backend:
    """What samples solutions, as a caller asks for it; every part may be left out.

    Attributes:
        model: folder or hub name; None is the run's own model, else the built-in one.
        in_flight: solutions under way at once, on a cluster by all workers together; None is 256, on a cluster as
            many for each copy of the model or server.
        engine: the back end; None is ``server`` where servers are given, else ``transformers``.
        servers: URLs of OpenAI-compatible servers.
        tokenizer: of the servers' model, where they do not say.
        cluster: ``ray`` for a cluster on this machine, or the address of one; None for no cluster.
        engines: copies of the model that a cluster starts (1 if None).
        workers: sandbox workers of a cluster (2 if None).
        gpus: GPUs of each copy of the model on a cluster (none if None).
        tensor_parallel_size: GPUs that share one copy of the model (1 if None).
        max_model_len: tokens of prompt and completion together (the model's own if None).
        gpu_memory_utilization: share of a GPU's memory for weights and cache (0.9 if None).
        dtype: of the weights (the engine's choice if None).
        trust_remote_code: whether code from the model's folder may run.
        top_p: the share of the likeliest tokens that are drawn from (1 if None).
        blocks: of a solution at most (the format's own bound if None).
        block_tokens: sampled tokens of a block at most (the format's own bound if None).
    """

    model: str | None = None
    in_flight: int | None = None
    engine: EngineName | None = None
    servers: Sequence[str] | None = None
    tokenizer: str | None = None
    cluster: str | None = None
    engines: int | None = None
    workers: int | None = None
    gpus: float | None = None
    tensor_parallel_size: int | None = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: str | None = None
    trust_remote_code: bool | None = None
    top_p: float | None = None
    blocks: int | None = None
    block_tokens: int | None = None

    @property
    def named(self) -> str:
        """Return how a run's settings name the model; one that a server chose itself stays unnamed."""
        return self.model or (SERVED if self.servers else "embedded")

    @property
    def at_once(self) -> int:
        """Return how many solutions are under way at once, in all."""
        copies = len(self.servers or ()) or self.engines or 1
        return self.in_flight or (256 if self.cluster is None else 256 * copies)

    @property
    def per_worker(self) -> int:
        """Return how many solutions each worker of a cluster has under way at once."""
        return max(LEAST_IN_FLIGHT, self.at_once // (self.workers or WORKERS))

    def of(self, run: Run) -> Backend:
        """Return the same with the model that a run was sampled with, where no other was asked for."""
        return self if self.model or self.servers else replace(self, model=sampled_model(run))

    def choice(self) -> EngineChoice:
        """Return the engine that is asked for.

        Raises:
            ValueError: if the options do not fit together.
        """
        engine = self.engine or ("server" if self.servers else "transformers")
        return EngineChoice(
            engine,
            self.model,
            tuple(self.servers or ()),
            self.tokenizer,
            self.tensor_parallel_size or 1,
            self.max_model_len,
            self.gpu_memory_utilization,
            self.dtype,
            bool(self.trust_remote_code),
        )

    def limits(self, in_flight: int) -> SamplerLimits:
        """Return what bounds each solution, and how many are under way at once."""
        return SamplerLimits(self.blocks, self.block_tokens, in_flight, self.top_p or 1.0)

    def check(self) -> None:
        """Check that the options fit together.

        Raises:
            ValueError: naming the option that would be passed over, or is out of range.
        """
        self.choice()
        copies = {"--engines": self.engines, "--gpus": self.gpus}
        for option, value in {**copies, "--workers": self.workers}.items():
            if value is not None and self.cluster is None:
                raise ValueError(f"{option} is for a cluster: give --cluster, or leave {option} out")
            if value is not None and self.servers and option in copies:
                raise ValueError(f"{option} is for copies that a cluster starts: leave it out with --server")
        if self.cluster is None and self.at_once > MOST_IN_FLIGHT:
            raise ValueError(f"--in-flight is at most {MOST_IN_FLIGHT} on one machine")

    @asynccontextmanager
    async def sampler(
        self, format: str, system: str, limits: SamplerLimits | None = None
    ) -> AsyncIterator[Sampler]:
        """Open engine and sandbox on this machine, for solutions written in a format, under a system message.

        Args:
            format: how solutions are written for this model.
            system: the system message.
            limits: what bounds a solution, besides ``at_once``; None for the sampler's own bounds.

        Raises:
            EngineError: if the engine cannot be loaded.
        """
        engine = load_engine(self.choice())
        try:
            async with AsyncSandbox(max_sessions=self.at_once) as box:
                limits = limits or self.limits(self.at_once)
                limits = replace(limits, in_flight=self.at_once, top_p=self.top_p or 1.0)
                yield Sampler(engine, box, format=format, system=system, limits=limits)
        finally:
            await engine.close()

    @asynccontextmanager
    async def jobs(self, format: str, system: str) -> AsyncIterator[LocalJobs | Cluster]:
        """Open what does the jobs of making pairs: engine and sandbox on this machine, or a cluster.

        Raises:
            EngineError: if the engine cannot be loaded, Ray is not installed, or there is no such cluster.
        """
        if self.cluster is None:
            async with self.sampler(format, system) as sampler:
                yield LocalJobs(sampler)
            return
        try:
            from scdpo.jobs.actors import SolutionStyle
            from scdpo.jobs.cluster import Cluster, ClusterSettings
        except ImportError as error:
            raise EngineError(
                f'--cluster needs Ray ({error}); in a checkout, pip install ".[ray]"'
            ) from error
        address = None if self.cluster == "ray" else self.cluster
        settings = ClusterSettings(
            address, self.engines or 1, self.gpus or 0.0, self.workers or WORKERS, self.per_worker
        )
        style = SolutionStyle(format, system, self.limits(self.per_worker))
        async with Cluster(self.choice(), settings, style) as cluster:
            yield cluster


class LocalJobs:
    """The jobs of ``scdpo.jobs.local`` with a sampler on this machine, called as ``Cluster`` is.

    Args:
        sampler: engine and sandbox.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    @property
    def model(self) -> str:
        """The model as its engine calls it."""
        return self._sampler.engine.model

    async def sample_naive(
        self, run: Run, problems: Sequence[Problem], settings: NaiveSettings, progress: Progress
    ) -> None:
        """Do ``scdpo.jobs.local.sample_naive``."""
        await local.sample_naive(run, problems, self._sampler, settings, progress)

    async def branch_by_temperature(
        self,
        run: Run,
        settings: BranchSettings,
        progress: Progress,
        grants: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Do ``scdpo.jobs.local.branch_by_temperature``."""
        await local.branch_by_temperature(run, self._sampler, settings, progress, grants)

    async def branch_by_guidance(self, run: Run, settings: GuidedSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.local.branch_by_guidance``."""
        await local.branch_by_guidance(run, self._sampler, settings, progress)

    async def branch_by_mutation(self, run: Run, seed: int, progress: Progress, confirm: int = 0) -> None:
        """Do ``scdpo.jobs.local.branch_by_mutation``."""
        confirmer = Confirmer(self._sampler, confirm, seed) if confirm else None
        await local.branch_by_mutation(run, self._sampler.box, seed, progress, confirmer)

    async def confirm_pairs(
        self, run: Run, rollouts_wanted: int, seed: int, corruptor: str, progress: Progress
    ) -> None:
        """Do ``scdpo.jobs.rollouts.confirm_pairs``."""
        confirmer = Confirmer(self._sampler, rollouts_wanted, seed)
        await rollouts.confirm_pairs(run, confirmer, corruptor, progress)

    async def branch_at_first_pits(self, run: Run, settings: PitSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.rollouts.branch_at_first_pits``."""
        await rollouts.branch_at_first_pits(run, self._sampler, settings, progress)

    async def estimate_values(self, run: Run, settings: ValueSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.rollouts.estimate_values``."""
        await rollouts.estimate_values(run, self._sampler, settings, progress)


def check_job(run: Run, job: str, settings: dict[str, Any]) -> None:
    """Check a job's settings while its engine is not loaded, so that a server's name for the model is not known yet.

    Raises:
        RunError: if the run was begun with other settings.
    """
    served = {name: value for name, value in run.settings(job).items() if name == "served"}
    run.check(job, {**settings, **served})


def settle_job(run: Run, job: str, settings: dict[str, Any], jobs: LocalJobs | Cluster) -> None:
    """Settle a job's settings, once its engine is loaded; where a server chose the model, with its name for it.

    Raises:
        RunError: if the run was begun with other settings, or sampled with another model of a server.
    """
    if settings.get("model") == SERVED:
        settings = {**settings, "served": jobs.model}
        sampled = run.settings("sample").get("served", jobs.model)
        if job != "sample" and sampled != jobs.model:
            raise RunError(
                f"{run.folder} was sampled with {sampled!r}, and the server offers {jobs.model!r}: serve that model "
                "again, or name the other one with --model"
            )
    run.settle(job, settings)
