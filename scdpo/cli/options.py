"""Options that several verbs share, and where the work they ask for is done: this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox import AsyncSandbox

if TYPE_CHECKING:
    from scdpo.cluster import Cluster
    from scdpo.engines.load import EngineChoice
    from scdpo.sampler import Sampler


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
Model = Annotated[str | None, typer.Option(help="Model folder or hub name; the built-in model if not given.")]
Problems = Annotated[
    str,
    typer.Option(
        help="[b]embedded[/b], reasoning-gym:FAMILY[,FAMILY], a .jsonl(.gz) file, or a hub data set."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many problems.")]
Seed = Annotated[int, typer.Option(help="Fixes every sample.")]
System = Annotated[str, typer.Option(help="System message.")]
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where solutions are sampled and how they are written; what the options of a verb come to."""

    engine: EngineName
    model: str | None
    servers: tuple[str, ...]
    tokenizer: str | None
    format: str
    system: str
    in_flight: int
    cluster: str | None = None
    engines: int = 1
    workers: int = 2
    gpus: float = 0.0

    def choice(self) -> EngineChoice:
        """Return the engine that is asked for.

        Raises:
            typer.BadParameter: if the options do not fit together.
        """
        from scdpo.engines.load import EngineChoice

        try:
            return EngineChoice(self.engine.value, self.model, self.servers, self.tokenizer)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    @asynccontextmanager
    async def sampler(self) -> AsyncIterator[Sampler]:
        """Open engine and sandbox on this machine.

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
                limits = SamplerLimits(in_flight=self.in_flight)
                yield Sampler(engine, box, format=self.format, system=self.system, limits=limits)
        finally:
            await engine.close()

    def on_cluster(self) -> Cluster:
        """Return the cluster that is asked for, to be entered.

        Raises:
            typer.BadParameter: if Ray is not installed.
        """
        try:
            from scdpo.actors import Style
            from scdpo.cluster import Cluster, ClusterSettings
        except ImportError as error:
            raise typer.BadParameter(f'--cluster needs Ray ({error}); pip install "scdpo[ray]"') from error
        from scdpo.sampler import SamplerLimits

        address = None if self.cluster == "ray" else self.cluster
        settings = ClusterSettings(address, self.engines, self.gpus, self.workers, self.in_flight)
        style = Style(self.format, self.system, SamplerLimits(in_flight=self.in_flight))
        return Cluster(self.choice(), settings, style)
