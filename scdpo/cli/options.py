"""Options that several verbs share, and where the work they ask for is done: this machine, or a Ray cluster."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox import AsyncSandbox
from scdpo.runs import Run, RunError

if TYPE_CHECKING:
    from scdpo.cluster import Cluster
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.engines.load import EngineChoice
    from scdpo.jobs import NaiveSettings, Progress
    from scdpo.problems import Problem
    from scdpo.sampler import Sampler, SamplerLimits


class Format(StrEnum):
    """How solutions are written for the model."""

    mathcoder = "mathcoder"
    markdown = "markdown"
    cot = "cot"


class Split(StrEnum):
    """Which part of a source of problems."""

    train = "train"
    preference = "preference"
    test = "test"


class EngineName(StrEnum):
    """What runs the model."""

    transformers = "transformers"
    vllm = "vllm"
    server = "server"


RunFolder = Annotated[Path, typer.Argument(help="The run folder; made if it is not there.")]
ExistingRun = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run folder.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model folder or hub name; if not given, the run's own, else the built-in model."),
]
Problems = Annotated[
    str,
    typer.Option(
        help="[b]embedded[/b], reasoning-gym:FAMILY[,FAMILY], a .jsonl(.gz) file, or a hub data set."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many problems.")]
Seed = Annotated[int, typer.Option(help="Fixes every sample.")]
System = Annotated[str, typer.Option(help="System message.")]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1, help="Branch after so many steps of a solution, drawn by the seed; all if not given."
    ),
]
Confirm = Annotated[
    int, typer.Option(min=0, help="Roll-outs from before and from after each pair's first wrong step.")
]
InFlight = Annotated[int, typer.Option(min=8, max=4096, help="Solutions under way at once.")]
EngineOption = Annotated[EngineName, typer.Option(help="What runs the model.")]
Servers = Annotated[
    list[str] | None,
    typer.Option("--server", help="URL of an OpenAI-compatible server (engine server). May be given again."),
]
Tokenizer = Annotated[str | None, typer.Option(help="Tokenizer of the servers' model, if they do not say.")]
ClusterOption = Annotated[
    str | None, typer.Option(help="[b]ray[/b] for a cluster here, or an address of one.")
]
Engines = Annotated[int, typer.Option(min=1, help="Copies of the model (cluster).")]
Workers = Annotated[int, typer.Option(min=1, help="Sandbox workers (cluster).")]
Gpus = Annotated[float, typer.Option(min=0, help="GPUs of each copy of the model (cluster).")]

SERVED = "the server's"
"""What a run's settings say of a model that was not named, since a server knew it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where solutions are sampled: what the options of ``with_place`` come to."""

    model: Model = None
    in_flight: InFlight = 256
    engine: EngineOption = EngineName.transformers
    servers: Servers = None
    tokenizer: Tokenizer = None
    cluster: ClusterOption = None
    engines: Engines = 1
    workers: Workers = 2
    gpus: Gpus = 0.0

    @property
    def named(self) -> str:
        """Return how a run's settings name the model; one that a server chose itself stays unnamed."""
        return self.model or (SERVED if self.servers else "embedded")

    def of(self, run: Run) -> Place:
        """Return the same place with the model that a run was sampled with, where no other was asked for."""
        return self if self.model or self.servers else replace(self, model=sampled_model(run))

    def choice(self) -> EngineChoice:
        """Return the engine that is asked for.

        Raises:
            typer.BadParameter: if the options do not fit together.
        """
        from scdpo.engines.load import EngineChoice

        try:
            return EngineChoice(self.engine.value, self.model, tuple(self.servers or ()), self.tokenizer)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    @asynccontextmanager
    async def sampler(
        self, format: str, system: str, limits: SamplerLimits | None = None
    ) -> AsyncIterator[Sampler]:
        """Open engine and sandbox on this machine, for solutions written in a format, under a system message.

        Args:
            format: how solutions are written for this model.
            system: the system message.
            limits: what bounds a solution, besides ``in_flight``; None for the sampler's own bounds.

        Raises:
            EngineError: if the engine cannot be loaded.
        """
        from transformers.utils import logging

        from scdpo.engines.load import load_engine
        from scdpo.sampler import Sampler, SamplerLimits

        logging.disable_progress_bar()  # the job's own bar is the one to look at
        engine = load_engine(self.choice())
        try:
            async with AsyncSandbox(max_sessions=self.in_flight) as box:
                limits = replace(limits or SamplerLimits(), in_flight=self.in_flight)
                yield Sampler(engine, box, format=format, system=system, limits=limits)
        finally:
            await engine.close()

    @asynccontextmanager
    async def jobs(self, format: str, system: str) -> AsyncIterator[Local | Cluster]:
        """Open what does the jobs of making pairs: engine and sandbox on this machine, or a cluster.

        Raises:
            EngineError: if the engine cannot be loaded, or there is no such cluster.
            typer.BadParameter: if Ray is asked for and not installed.
        """
        if self.cluster is None:
            async with self.sampler(format, system) as sampler:
                yield Local(sampler)
            return
        try:
            from scdpo.actors import Style
            from scdpo.cluster import Cluster, ClusterSettings
        except ImportError as error:
            raise typer.BadParameter(f'--cluster needs Ray ({error}); pip install "scdpo[ray]"') from error
        from scdpo.sampler import SamplerLimits

        address = None if self.cluster == "ray" else self.cluster
        settings = ClusterSettings(address, self.engines, self.gpus, self.workers, self.in_flight)
        style = Style(format, system, SamplerLimits(in_flight=self.in_flight))
        async with Cluster(self.choice(), settings, style) as cluster:
            yield cluster


class Local:
    """The jobs of ``scdpo.jobs`` with a sampler on this machine, called as ``Cluster`` is.

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
        """Do ``scdpo.jobs.sample_naive``."""
        from scdpo.jobs import sample_naive

        await sample_naive(run, problems, self._sampler, settings, progress)

    async def branch_by_temperature(self, run: Run, settings: BranchSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.branch_by_temperature``."""
        from scdpo.jobs import branch_by_temperature

        await branch_by_temperature(run, self._sampler, settings, progress)

    async def branch_by_mutation(self, run: Run, seed: int, progress: Progress, confirm: int = 0) -> None:
        """Do ``scdpo.jobs.branch_by_mutation``."""
        from scdpo.corrupt.confirm import Confirmer
        from scdpo.jobs import branch_by_mutation

        confirmer = Confirmer(self._sampler, confirm, seed) if confirm else None
        await branch_by_mutation(run, self._sampler.box, seed, progress, confirmer)


def sampled_model(run: Run) -> str | None:
    """Return the model that a run was sampled with; None for the built-in one or none at all.

    Raises:
        RunError: if it was sampled through a server, without naming the model.
    """
    settings = run.settings("sample")
    model = settings.get("model")
    if model == SERVED:
        called = f", which calls its model {settings['served']!r}" if "served" in settings else ""
        raise RunError(
            f"{run.folder} was sampled through a server{called}: say with --model which model that serves"
        )
    return None if model in (None, "embedded") else str(model)


def check_job(run: Run, job: str, settings: dict[str, Any]) -> None:
    """Check a job's settings while its engine is not loaded, so that a server's name for the model is not known yet.

    Raises:
        RunError: if the run was begun with other settings.
    """
    served = {name: value for name, value in run.settings(job).items() if name == "served"}
    run.check(job, {**settings, **served})


def settle_job(run: Run, job: str, settings: dict[str, Any], jobs: Local | Cluster) -> None:
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


def with_place(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of ``Place``, which it takes as one argument ``place``."""
    own = inspect.signature(verb, eval_str=True).parameters
    added = inspect.signature(Place, eval_str=True).parameters

    @functools.wraps(verb)
    def called(**options: Any) -> None:
        place = Place(**{name: options.pop(name) for name in added})
        place.choice()
        verb(place=place, **options)

    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in (*own.values(), *added.values()) if p.name != "place"]
    called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what Typer reads
    called.__annotations__ = {p.name: p.annotation for p in shown}
    return called
