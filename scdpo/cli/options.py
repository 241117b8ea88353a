"""Options that several verbs share. Each verb's own are in its module."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from scdpo.jobs.backend import LEAST_IN_FLIGHT, MOST_IN_FLIGHT, Backend
from scdpo.sampling.engines.load import EngineName


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


RunFolder = Annotated[Path, typer.Argument(help="The run folder; made if it is not there.")]
ExistingRun = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run folder.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model folder or hub name; if not given, the run's own, else the built-in model."),
]
Problems = Annotated[
    str,
    typer.Option(
        help="[b]embedded[/b], reasoning-gym:FAMILY[,FAMILY], a file (JSON Lines, JSON, CSV, Parquet), a folder of "
        "these, or a hub data set."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most N problems.")]
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
    typer.Option(min=1, help="Branch after N steps of a solution, drawn by the seed; all if not given."),
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

BackendInFlight = Annotated[
    int | None,
    typer.Option(
        min=LEAST_IN_FLIGHT,
        help="Solutions under way at once, on a cluster by all workers together; if not given, 256, on a "
        "cluster as many for each copy of the model or server.",
    ),
]
BACKEND_OPTIONS: dict[str, Any] = {
    "model": Model,
    "in_flight": BackendInFlight,
    "engine": EngineOption,
    "servers": Servers,
    "tokenizer": Tokenizer,
    "cluster": ClusterOption,
    "engines": Engines,
    "workers": Workers,
    "gpus": Gpus,
}
"""The option for each field of ``Backend``."""


def with_backend(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of ``Backend``, which it takes as one argument ``backend``."""
    own = inspect.signature(verb, eval_str=True).parameters

    @functools.wraps(verb)
    def called(**options: Any) -> None:
        backend = Backend(**{name: options.pop(name) for name in BACKEND_OPTIONS})
        try:
            backend.check()
        except ValueError as error:  # its own words on options that do not fit together
            raise typer.BadParameter(str(error)) from error
        verb(backend=backend, **options)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in BACKEND_OPTIONS.items()
    ]
    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in own.values() if p.name != "backend"] + added
    called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what Typer reads
    called.__annotations__ = {p.name: p.annotation for p in shown}
    return called


def refuse(context: typer.Context, options: Sequence[str], why: str) -> None:
    """Raise BadParameter if one of these options was given."""
    for name in options:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"--{name.replace('_', '-')} {why}; leave it out")
