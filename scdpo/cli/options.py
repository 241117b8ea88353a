"""Options that several verbs share, and where the work they ask for is done: this machine, or a Ray cluster."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sandbox import AsyncSandbox
from scdpo.data.prompt_style import Asked, trained_as
from scdpo.data.runs import Run, RunError

if TYPE_CHECKING:
    from scdpo.corrupt.temperature import BranchSettings
    from scdpo.data.problems import Problem
    from scdpo.jobs.cluster import Cluster
    from scdpo.jobs.local import NaiveSettings, Progress
    from scdpo.sampling.engines.load import EngineChoice
    from scdpo.sampling.sampler import Sampler, SamplerLimits


class Format(StrEnum):
    """How solutions are written for the model."""

    mathcoder = "mathcoder"
    markdown = "markdown"
    cot = "cot"
    metamath = "metamath"


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


MOST_IN_FLIGHT: Final = 4096
"""Solutions under way at once on one machine, at most: each may hold a kernel."""
LEAST_IN_FLIGHT: Final = 8
WORKERS: Final = 2

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
FormatOption = Annotated[
    Format | None,
    typer.Option(
        help="How the model writes solutions; as it was trained here if not given, else [b]mathcoder[/b]."
    ),
]
SystemOption = Annotated[
    str | None, typer.Option(help="System message; as the model was trained here if not given, else none.")
]
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
InFlight = Annotated[
    int, typer.Option(min=LEAST_IN_FLIGHT, max=MOST_IN_FLIGHT, help="Solutions under way at once.")
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        help="What runs the model; if not given, [b]server[/b] with --server, else [b]transformers[/b]."
    ),
]
Servers = Annotated[
    list[str] | None,
    typer.Option("--server", help="URL of an OpenAI-compatible server. May be given again."),
]
Tokenizer = Annotated[str | None, typer.Option(help="Tokenizer of the servers' model, if they do not say.")]
ClusterOption = Annotated[
    str | None, typer.Option(help="[b]ray[/b] for a cluster here, or an address of one.")
]
Engines = Annotated[int | None, typer.Option(min=1, help="Copies of the model (cluster); one if not given.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Sandbox workers (cluster); two if not given.")]
Gpus = Annotated[
    float | None, typer.Option(min=0, help="GPUs of each copy of the model (cluster); none if not given.")
]

SERVED = "the server's"
"""What a run's settings say of a model that was not named, since a server knew it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where solutions are sampled: what the options of ``with_place`` come to."""

    model: Model = None
    in_flight: Annotated[
        int | None,
        typer.Option(
            min=LEAST_IN_FLIGHT,
            help="Solutions under way at once, on a cluster by all workers together; if not given, 256, on a "
            "cluster as many for each copy of the model or server.",
        ),
    ] = None
    engine: EngineOption = None
    servers: Servers = None
    tokenizer: Tokenizer = None
    cluster: ClusterOption = None
    engines: Engines = None
    workers: Workers = None
    gpus: Gpus = None

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

    def of(self, run: Run) -> Place:
        """Return the same place with the model that a run was sampled with, where no other was asked for."""
        return self if self.model or self.servers else replace(self, model=sampled_model(run))

    def choice(self) -> EngineChoice:
        """Return the engine that is asked for.

        Raises:
            typer.BadParameter: if the options do not fit together.
        """
        from scdpo.sampling.engines.load import EngineChoice

        engine = self.engine or (EngineName.server if self.servers else EngineName.transformers)
        try:
            return EngineChoice(engine.value, self.model, tuple(self.servers or ()), self.tokenizer)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    def check(self) -> None:
        """Check that the options fit together.

        Raises:
            typer.BadParameter: naming the option that would be passed over, or is out of range.
        """
        self.choice()
        copies = {"--engines": self.engines, "--gpus": self.gpus}
        for option, value in {**copies, "--workers": self.workers}.items():
            if value is not None and self.cluster is None:
                raise typer.BadParameter(f"{option} is for a cluster: give --cluster, or leave {option} out")
            if value is not None and self.servers and option in copies:
                raise typer.BadParameter(
                    f"{option} is for copies that a cluster starts: leave it out with --server"
                )
        if self.cluster is None and self.at_once > MOST_IN_FLIGHT:
            raise typer.BadParameter(f"--in-flight is at most {MOST_IN_FLIGHT} on one machine")

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
        from transformers.utils import logging

        from scdpo.sampling.engines.load import load_engine
        from scdpo.sampling.sampler import Sampler, SamplerLimits

        logging.disable_progress_bar()  # the job's own bar is the one to look at
        engine = load_engine(self.choice())
        try:
            async with AsyncSandbox(max_sessions=self.at_once) as box:
                limits = replace(limits or SamplerLimits(), in_flight=self.at_once)
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
            from scdpo.jobs.actors import Style
            from scdpo.jobs.cluster import Cluster, ClusterSettings
        except ImportError as error:
            raise typer.BadParameter(f'--cluster needs Ray ({error}); pip install "scdpo[ray]"') from error
        from scdpo.sampling.sampler import SamplerLimits

        address = None if self.cluster == "ray" else self.cluster
        settings = ClusterSettings(
            address, self.engines or 1, self.gpus or 0.0, self.workers or WORKERS, self.per_worker
        )
        style = Style(format, system, SamplerLimits(in_flight=self.per_worker))
        async with Cluster(self.choice(), settings, style) as cluster:
            yield cluster


class Local:
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
        from scdpo.jobs.local import sample_naive

        await sample_naive(run, problems, self._sampler, settings, progress)

    async def branch_by_temperature(self, run: Run, settings: BranchSettings, progress: Progress) -> None:
        """Do ``scdpo.jobs.local.branch_by_temperature``."""
        from scdpo.jobs.local import branch_by_temperature

        await branch_by_temperature(run, self._sampler, settings, progress)

    async def branch_by_mutation(self, run: Run, seed: int, progress: Progress, confirm: int = 0) -> None:
        """Do ``scdpo.jobs.local.branch_by_mutation``."""
        from scdpo.corrupt.confirm import Confirmer
        from scdpo.jobs.local import branch_by_mutation

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


def sampling_of(run: Run) -> dict[str, Any]:
    """Return the settings that a run was sampled with, by itself or as a round; empty where it was not."""
    return run.settings("sample") or run.settings("round")


def sampled_system(run: Run) -> str:
    """Return the system message that a run was sampled with; empty where there was none."""
    return str(sampling_of(run).get("system") or "")


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


def asked(model: str | None, format: Format | None, system: str | None) -> Asked:
    """Return how to ask a model: as the options say, else as it was trained here.

    Raises:
        RunError: if the folder does not tell as it should.
    """
    trained = trained_as(model) if model else Asked()
    return Asked(format.value if format else trained.format, trained.system if system is None else system)


def with_place(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of ``Place``, which it takes as one argument ``place``."""
    own = inspect.signature(verb, eval_str=True).parameters
    added = inspect.signature(Place, eval_str=True).parameters

    @functools.wraps(verb)
    def called(**options: Any) -> None:
        place = Place(**{name: options.pop(name) for name in added})
        place.check()
        verb(place=place, **options)

    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in (*own.values(), *added.values()) if p.name != "place"]
    called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what Typer reads
    called.__annotations__ = {p.name: p.annotation for p in shown}
    return called
