"""The server engine: any OpenAI-compatible ``/v1/completions`` endpoint, one or several copies of it.

Made for ``vllm serve MODEL``, which returns the sampled token ids and stops at token ids. Other servers do if they
take prompts as token ids and say what stopped a completion: by leaving the stop string in the text
(``include_stop_str_in_output``, ``no_stop_trim``) or in ``stop_reason`` or ``matched_stop``; where they return no
ids, the text is encoded anew. Not covered: chat endpoints (``chat``), streaming.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from scdpo.sampling.engines.base import Completion, EngineError, Request
from scdpo.sampling.engines.endpoint import Endpoint, ServedEngine
from scdpo.sampling.engines.replicas import ReplicaLost
from scdpo.sampling.engines.vocabulary import Vocabulary


class _Choice(BaseModel):
    text: str
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    matched_stop: int | str | None = None
    token_ids: list[int] | None = None


class _ServerAnswer(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


class ServerEngine(ServedEngine):
    """A model behind one or more completions endpoints (see ``ServedEngine``)."""

    name = "server"

    def _replica(self, endpoint: Endpoint) -> _Server:
        return _Server(endpoint, self.model, self._vocabulary, self.context)


class _Server:
    """One server, as ``Replicas`` sees it."""

    def __init__(self, endpoint: Endpoint, model: str, vocabulary: Vocabulary, context: int) -> None:
        self.name = endpoint.name
        self.alive = endpoint.alive
        self._endpoint = endpoint
        self._model = model
        self._vocabulary = vocabulary
        self._context = context

    async def ask(self, request: Request) -> Completion:
        room = self._context - len(request.prompt)
        content = await self._endpoint.post("completions", self._body(request, room))
        return self._read(request, content, room)

    def _body(self, request: Request, room: int) -> dict[str, Any]:
        return {
            "model": self._model,
            "prompt": list(request.prompt),
            "max_tokens": min(request.max_tokens, room),
            "temperature": request.temperature,
            "seed": request.seed,
            "stop": list(request.stop),
            "stop_token_ids": self._vocabulary.stop_ids(request.stop),
            "include_stop_str_in_output": True,
            "no_stop_trim": True,
            "return_token_ids": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            # Servers may take other defaults from the model's folder; what is sampled is ours to say.
            "top_p": request.top_p,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
        }

    def _read(self, request: Request, content: bytes, room: int) -> Completion:
        [choice, *_] = self._endpoint.read(_ServerAnswer, content).choices
        if choice.finish_reason not in ("stop", "length"):
            raise ReplicaLost(f"ended a completion with {choice.finish_reason!r}")
        text = choice.text
        if choice.finish_reason == "stop" and not text.endswith(request.stop):
            matched = choice.stop_reason if choice.stop_reason is not None else choice.matched_stop
            if isinstance(matched, str) and matched in request.stop:
                text += matched
            elif request.stop and choice.token_ids is None and matched is None:
                raise EngineError(
                    f"{self.name} does not say what stopped a completion; use a server that knows "
                    "include_stop_str_in_output, such as `vllm serve`"
                )
        return self._vocabulary.completion(request, text, choice.token_ids, choice.finish_reason, room)
