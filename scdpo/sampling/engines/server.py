"""The server engine: any OpenAI-compatible ``/v1/completions`` endpoint, one or several copies of it.

Made for ``vllm serve MODEL``, which returns the sampled token ids and stops at token ids. Other servers do if they
take prompts as token ids and say what stopped a completion: by leaving the stop string in the text
(``include_stop_str_in_output``, ``no_stop_trim``) or in ``stop_reason`` or ``matched_stop``; where they return no
ids, the text is encoded anew. Not covered: chat endpoints, streaming, starting servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import httpx
from pydantic import BaseModel, ValidationError
from transformers import AutoConfig

from scdpo.sampling.engines.base import Completion, EngineError, Request, RequestRefused
from scdpo.sampling.engines.replicas import ReplicaBusy, ReplicaLost, Replicas
from scdpo.sampling.engines.vocabulary import Vocabulary

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 900.0
"""A completion may wait long in a busy server's queue; a server that is silent for longer is lost."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=CONNECT_SECONDS)
BUSY: Final = {429, 503}
LOST: Final = {408, 500, 502, 504}
REFUSED: Final = {400, 413, 422}
"""This request is not taken: its prompt is too long for the server, say. Others may be."""
REFUSALS: Final = 16
"""A server that has refused so many requests and taken none does not understand them."""


class _Choice(BaseModel):
    text: str
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    matched_stop: int | str | None = None
    token_ids: list[int] | None = None


class _ServerAnswer(BaseModel):
    choices: list[_Choice]


class _Card(BaseModel):
    id: str
    root: str | None = None
    max_model_len: int | None = None


class _Cards(BaseModel):
    data: list[_Card]


class ServerEngine:
    """A model behind one or more servers.

    Args:
        urls: of the servers, as ``http://host:8000`` or ``http://host:8000/v1``; all serve the same model.
        model: the name under which the servers know the model; None takes the first they offer.
        tokenizer: folder or hub name of the model's tokenizer; None takes what the server says it loaded.
        context: tokens that prompt and completion may have together; None takes what the server or the
            model's configuration says.
        key: sent as bearer token.
        trust_remote_code: whether code from the tokenizer's folder may run.
        patience: seconds that requests wait for servers that are busy or gone, restarts included.

    Raises:
        EngineError: if no server answers, the model is not there, or there is no tokenizer.
    """

    name = "server"

    def __init__(
        self,
        urls: Sequence[str],
        *,
        model: str | None = None,
        tokenizer: str | None = None,
        context: int | None = None,
        key: str | None = None,
        patience: float = 300.0,
        trust_remote_code: bool = False,
    ) -> None:
        if not urls:
            raise EngineError("the server engine needs the URL of at least one server")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        bases = [url.rstrip("/").removesuffix("/v1") + "/v1" for url in urls]
        with httpx.Client(headers=headers, timeout=CONNECT_SECONDS) as client:
            card = _find_model(client, bases, model)
        self.model = card.id
        source = tokenizer or card.root or card.id
        self._vocabulary = Vocabulary(source, trust_remote_code)
        self.context = context or card.max_model_len or _configured_context(source)
        self._line = _Line(headers)
        replicas = [_Server(self._line, base, card.id, self._vocabulary, self.context) for base in bases]
        self._replicas = Replicas(replicas, patience=patience)

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
        if len(request.prompt) >= self.context:
            return Completion("", (), "context")
        return await self._replicas.ask(request, request.prompt)

    async def close(self) -> None:
        """Close the connections; the servers go on."""
        await self._replicas.close()
        await self._line.close()


class _Line:
    """The connections to all servers; opened when first asked for, since that needs a running event loop.

    aiohttp, not httpx: with hundreds of requests under way, httpx's pool takes several milliseconds for each.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No bound of its own: the sampler bounds what is in flight, and the server what it takes.
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                connector=aiohttp.TCPConnector(limit=0),
                timeout=TIMEOUT,
                trust_env=True,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Server:
    """One server, as ``Replicas`` sees it."""

    def __init__(self, line: _Line, base: str, model: str, vocabulary: Vocabulary, context: int) -> None:
        self.name = base
        self._line = line
        self._model = model
        self._vocabulary = vocabulary
        self._context = context
        self._taken = self._refused = 0

    async def ask(self, request: Request) -> Completion:
        room = self._context - len(request.prompt)
        try:
            async with self._line.open().post(
                f"{self.name}/completions", json=self._body(request, room)
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ReplicaLost(_said(error)) from error
        if response.status in BUSY:
            raise ReplicaBusy(f"answered {response.status}", _retry_after(response))
        if response.status in LOST:
            raise ReplicaLost(f"answered {response.status}: {_start(content, 200)}")
        if response.status in REFUSED and (self._taken or self._refused < REFUSALS):
            self._refused += 1
            raise RequestRefused(f"{self.name} refused a request ({response.status}): {_start(content, 500)}")
        if response.status != HTTPStatus.OK:
            raise EngineError(f"{self.name} takes no requests ({response.status}): {_start(content, 500)}")
        self._taken += 1
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
        try:
            choice = _ServerAnswer.model_validate_json(content).choices[0]
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":
                raise ReplicaLost("sent an answer that is cut off") from error
            raise EngineError(f"{self.name} is no completions endpoint: {error}") from error
        except IndexError as error:
            raise EngineError(f"{self.name} answered without a choice") from error
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

    async def alive(self) -> bool:
        limit = aiohttp.ClientTimeout(total=CONNECT_SECONDS)
        try:
            async with self._line.open().get(f"{self.name}/models", timeout=limit) as response:
                return bool(response.status == HTTPStatus.OK)
        except (aiohttp.ClientError, TimeoutError):
            return False


def _start(content: bytes, characters: int) -> str:
    return content[: 4 * characters].decode("utf-8", "replace")[:characters]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Return the seconds of a ``Retry-After``; dates, which no model server sends, count as none."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _find_model(client: httpx.Client, bases: Sequence[str], model: str | None) -> _Card:
    """Ask the servers for the model; those that do not answer yet may come later, as long as one does."""
    failures = []
    for base in bases:
        try:
            response = client.get(f"{base}/models")
            response.raise_for_status()
            cards = _Cards.model_validate_json(response.content).data
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            failures.append(f"{base} ({_said(error).splitlines()[0]})")
            continue
        for card in cards:
            if model in (None, card.id, card.root):
                return card
        offered = ", ".join(card.id for card in cards) or "no model"
        raise EngineError(f"{base} offers {offered}, not {model!r}")
    raise EngineError(f"no model server answers: {'; '.join(failures)}. Start one with `vllm serve MODEL`")


def _configured_context(model: str) -> int:
    try:
        return int(AutoConfig.from_pretrained(model).max_position_embeddings)
    except (OSError, ValueError, AttributeError) as error:
        raise EngineError(
            f"the server does not say how long its context is, nor does {model!r}: {error}"
        ) from error
