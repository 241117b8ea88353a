"""Model servers with OpenAI's interface: finding the model there, asking, and telling what befell a request.

Not covered: what is asked and what an answer means (``server``, ``chat``), and starting servers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
import httpx
from pydantic import BaseModel, ValidationError
from transformers import AutoConfig

from scdpo.sampling.engines.base import Completion, EngineError, Request, RequestRefused
from scdpo.sampling.engines.replicas import Replica, ReplicaBusy, ReplicaLost, Replicas
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
Answers = TypeVar("Answers", bound=BaseModel)


class _Card(BaseModel):
    id: str
    root: str | None = None
    max_model_len: int | None = None


class _Cards(BaseModel):
    data: list[_Card]


class ServedEngine(ABC):
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

    name: str

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
        replicas = [self._replica(Endpoint(self._line, base)) for base in bases]
        self._replicas = Replicas(replicas, patience=patience)

    @abstractmethod
    def _replica(self, endpoint: Endpoint) -> Replica[Request, Completion]:
        """Return a server as ``Replicas`` sees it."""

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


class Endpoint:
    """One server."""

    def __init__(self, line: _Line, base: str) -> None:
        self.name = base
        self._line = line
        self._taken = self._refused = 0

    async def post(self, path: str, body: dict[str, Any]) -> bytes:
        """Return what the server answers.

        Raises:
            ReplicaBusy, ReplicaLost: it may answer later, and others may now.
            RequestRefused: it does not take this request, and may take others.
            EngineError: it takes no requests of this kind.
        """
        try:
            async with self._line.open().post(f"{self.name}/{path}", json=body) as response:
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
        return bytes(content)

    def read(self, kind: type[Answers], content: bytes) -> Answers:
        """Return an answer of a kind.

        Raises:
            ReplicaLost: if it is cut off.
            EngineError: if it is something else.
        """
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":
                raise ReplicaLost("sent an answer that is cut off") from error
            raise EngineError(f"{self.name} is no endpoint of OpenAI's interface: {error}") from error

    async def alive(self) -> bool:
        """Whether the server answers."""
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
            f"neither the server nor {model!r} says how long its context is ({error}): say it with --max-model-len"
        ) from error
