"""What every engine offers: complete a prompt of token ids, asynchronously, many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scdpo.data.formats.messages import Answer, Conversation
from scdpo.errors import ScdpoError

FinishReason = Literal["stop", "end", "length", "context"]


class EngineError(ScdpoError, RuntimeError):
    """The engine cannot serve: the model is missing, the server is gone, the device has no memory left."""


class RequestRefused(EngineError):
    """The engine takes no such request, and would not take it later: a prompt that the server finds too long, say."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to sample.

    Attributes:
        prompt: token ids, at least one.
        max_tokens: at most so many new tokens, at least 1.
        temperature: 0 is greedy.
        seed: the same request gives the same completion as far as the back end's arithmetic allows.
        stop: strings that end the completion; they stay in its text, and may be split across tokens, or inside one.
        top_p: tokens are drawn from the likeliest ones that make up this share, above 0 and up to 1.
        conversation: what the prompt says, in messages, where it is written by a chat template; for engines that
            take no token ids.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float
    seed: int
    stop: tuple[str, ...] = ()
    top_p: float = 1.0
    conversation: Conversation | None = None

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("a request needs at least one prompt token")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is at least 1, not {self.max_tokens}")
        if self.temperature < 0:
            raise ValueError(f"a temperature is at least 0, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is above 0 and at most 1, not {self.top_p}")


@dataclass(frozen=True, slots=True)
class Completion:
    """What was sampled.

    Attributes:
        text: the new text, up to and with the stop string.
        token_ids: the sampled ids, the end-of-text token included; they may reach past the stop string
            where a token holds more than its end.
        finish: ``stop`` (a stop string), ``end`` (the model's end-of-text token), ``length``
            (``max_tokens``) or ``context`` (the model's context is full).
        answer: what a chat endpoint answered, where it returned no ids: then text and ids are empty, and the
            format has to write it.
    """

    text: str
    token_ids: tuple[int, ...]
    finish: FinishReason
    answer: Answer | None = None


class Engine(Protocol):
    """A language model that completes prompts."""

    @property
    def name(self) -> str:
        """The back end, as records name it."""

    @property
    def model(self) -> str:
        """The model, as records name it."""

    @property
    def context(self) -> int:
        """How many tokens prompt and completion may have together."""

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, as transformers loads it."""

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""

    def encode_prompt(self, text: str) -> list[int]:
        """Return the token ids of a text that a prompt begins with.

        They are those of ``encode``, behind the begin token if the tokenizer puts one before a text.
        """

    async def complete(self, request: Request) -> Completion:
        """Sample one completion; call it many times at once to fill a batch.

        Raises:
            RequestRefused: if the engine takes no such request; others may be taken.
            EngineError: if the engine cannot serve.
        """

    async def close(self) -> None:
        """Give back the model's memory; requests under way end in an ``EngineError``."""
