"""Options of the verbs that sample: which engine and model, how many at once, this machine or a cluster."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from scdpo.cli.options import Model
from scdpo.jobs.backend import LEAST_IN_FLIGHT, MOST_IN_FLIGHT, Backend
from scdpo.sampling.engines.load import EngineName

InFlight = Annotated[
    int, typer.Option(min=LEAST_IN_FLIGHT, max=MOST_IN_FLIGHT, help="Solutions under way at once.")
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        help="What runs the model; if not given, [b]server[/b] with --server, else [b]transformers[/b]. [b]chat[/b] is "
        "for servers with a chat endpoint alone."
    ),
]
Servers = Annotated[
    list[str] | None,
    typer.Option("--server", help="URL of an OpenAI-compatible server (server, chat). May be given again."),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        help="Tokenizer of the servers' model, if they do not say; for chat, of the model to train."
    ),
]
ClusterOption = Annotated[
    str | None, typer.Option(help="[b]ray[/b] for a cluster here, or an address of one.")
]
Engines = Annotated[int | None, typer.Option(min=1, help="Copies of the model (cluster); one if not given.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Sandbox workers (cluster); two if not given.")]
Gpus = Annotated[
    float | None, typer.Option(min=0, help="GPUs of each copy of the model (cluster); none if not given.")
]

TensorParallelSize = Annotated[
    int | None, typer.Option(min=1, help="GPUs that share one copy of the model (vllm); one if not given.")
]
MaxModelLen = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens of prompt and completion together; the model's own if not given."),
]
GpuMemory = Annotated[
    float | None,
    typer.Option(
        "--gpu-memory-utilization",
        min=0.01,
        max=1.0,
        help="Share of a GPU's memory for weights and cache (vllm); 0.9 if not given.",
    ),
]
Dtype = Annotated[str | None, typer.Option(help="Of the weights, such as [b]bfloat16[/b].")]
TrustRemoteCode = Annotated[
    bool | None,
    typer.Option("--trust-remote-code", help="Run code from the model's folder. Only for models you trust."),
]
TopP = Annotated[
    float | None,
    typer.Option(min=0.01, max=1.0, help="Draw from the likeliest tokens of this share; all if not given."),
]
Blocks = Annotated[
    int | None,
    typer.Option(min=1, help="Blocks of a solution at most; 24 in mathcoder, else unbounded, if not given."),
]
BlockTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens of a block at most; 512 in mathcoder, else 32,768, if not given."),
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
    "tensor_parallel_size": TensorParallelSize,
    "max_model_len": MaxModelLen,
    "gpu_memory_utilization": GpuMemory,
    "dtype": Dtype,
    "trust_remote_code": TrustRemoteCode,
    "top_p": TopP,
    "blocks": Blocks,
    "block_tokens": BlockTokens,
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
