"""Make an engine from the words of a command line: which back end, which model, which servers.

Not covered: clusters, whose engines are actors (``scdpo.jobs.cluster``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal, get_args

from scdpo.data.models import check_model
from scdpo.data.problems import embedded_model_path
from scdpo.sampling.engines.base import Engine, EngineError

EngineName = Literal["transformers", "vllm", "server", "chat"]
SERVED: Final = ("server", "chat")
"""Back ends behind a URL: one that completes token ids, and one that answers messages."""
KEY_VARIABLE: Final = "SCDPO_ENGINE_KEY"
"""Environment variable with the bearer token that model servers want; not an option, which ``ps`` would show."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine, as a command line says it.

    Attributes:
        engine: the back end.
        model: folder or hub name; None is the built-in model, or the one that the servers offer.
        servers: their URLs, for the back ends ``server`` and ``chat`` alone.
        tokenizer: folder or hub name of the tokenizer, where servers do not say what they loaded.
        devices: GPUs that share one copy of the model, for ``vllm`` alone.
        context: tokens that prompt and completion may have together; None for the model's own.
        memory: share of a GPU's memory for weights and cache, above 0 and up to 1, for ``vllm`` alone; None for 0.9.
        dtype: of the weights, as torch names it (``bfloat16``); None for the model's own on a GPU. Not for servers.
        trust_remote_code: whether code from the model's folder may run.

    Raises:
        ValueError: if the parts do not fit together.
    """

    engine: EngineName = "transformers"
    model: str | None = None
    servers: tuple[str, ...] = ()
    tokenizer: str | None = None
    devices: int = 1
    context: int | None = None
    memory: float | None = None
    dtype: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineName):
            raise ValueError(f"an engine is one of {', '.join(get_args(EngineName))}, not {self.engine!r}")
        if (self.engine in SERVED) != bool(self.servers):
            raise ValueError("servers are given with the engines 'server' and 'chat', and only with them")
        if self.tokenizer is not None and self.engine not in SERVED:
            raise ValueError("a tokenizer of its own goes with the engines 'server' and 'chat' only")
        if self.devices < 1 or (self.devices > 1 and self.engine != "vllm"):
            raise ValueError("several devices share a model with the engine 'vllm' only")
        if self.memory is not None and self.engine != "vllm":
            raise ValueError("a share of GPU memory is for the engine 'vllm' only")
        if self.dtype is not None and self.engine in SERVED:
            raise ValueError("a server has loaded its model already: its dtype is the server's")


def load_engine(choice: EngineChoice) -> Engine:
    """Load an engine; takes seconds to minutes.

    Raises:
        EngineError: if its packages are not installed, the model cannot be loaded, or no server answers.
        SettingsError: if the model is named by a path and is not there.
    """
    model = choice.model or str(embedded_model_path())
    try:
        if choice.engine in SERVED:
            from scdpo.sampling.engines.chat import ChatEngine
            from scdpo.sampling.engines.server import ServerEngine

            key = os.environ.get(KEY_VARIABLE)
            kind = ServerEngine if choice.engine == "server" else ChatEngine
            return kind(
                choice.servers,
                model=choice.model,
                tokenizer=choice.tokenizer,
                context=choice.context,
                key=key,
                trust_remote_code=choice.trust_remote_code,
            )
        check_model(model)
        if choice.engine == "vllm":
            from scdpo.sampling.engines.vllm import VLLMEngine

            return VLLMEngine(
                model,
                devices=choice.devices,
                memory=choice.memory or 0.9,
                context=choice.context,
                dtype=choice.dtype,
                trust_remote_code=choice.trust_remote_code,
            )
    except ImportError as error:
        extra = "vllm" if choice.engine == "vllm" else "serve"
        raise EngineError(
            f'the {choice.engine} engine is not installed ({error}); in a checkout, pip install ".[{extra}]"'
        ) from error
    from scdpo.sampling.engines.transformers import TransformersEngine

    return TransformersEngine(
        model, context=choice.context, dtype=choice.dtype, trust_remote_code=choice.trust_remote_code
    )
