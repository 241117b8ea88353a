"""The chat engine: any OpenAI-compatible ``/v1/chat/completions`` endpoint, one or several copies of it.

For models that are served in no other way. The server writes the prompt, and what it answers is written as the
tokenizer's template has it; where it returns the sampled ids (vLLM's ``return_token_ids``) and they are this
tokenizer's, these are kept. Answers are asked for up to the end of a turn, so the steps in one turn have one
temperature. Not covered: streaming, and servers that want an answer to go on from marked in the message itself.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, Field

from scdpo.data.formats.messages import Answer, Conversation
from scdpo.data.tokens import Tokens
from scdpo.sampling.engines.base import Completion, EngineError, Request, RequestRefused
from scdpo.sampling.engines.endpoint import Endpoint, ServedEngine
from scdpo.sampling.engines.replicas import ReplicaLost

PATH: Final = "chat/completions"
SLACK: Final = 256
"""Tokens by which a server's prompt may be longer than ours: its words for a tool, a date, a system message."""
_BEYOND: Final[dict[str, Any]] = {
    "return_token_ids": True,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}
"""Fields beyond OpenAI's: servers may take other defaults from the model's folder; what is sampled is ours to say."""
_GO_ON: Final[dict[str, Any]] = {"continue_final_message": True, "add_generation_prompt": False}


class _Function(BaseModel):
    name: str = ""
    arguments: str | dict[str, Any] = ""


class _Call(BaseModel):
    function: _Function


class _Said(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _ChatChoice(BaseModel):
    message: _Said
    finish_reason: str | None = None
    token_ids: list[int] | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None


class _ChatAnswer(BaseModel):
    choices: list[_ChatChoice] = Field(min_length=1)
    usage: _Usage = _Usage()


class ChatEngine(ServedEngine):
    """A model behind one or more chat endpoints (see ``ServedEngine``).

    The tokenizer is that of the model that will be trained; it need not be the server's.
    """

    name = "chat"

    def _replica(self, endpoint: Endpoint) -> _ChatServer:
        return _ChatServer(endpoint, self.model, Tokens(self.tokenizer), self.context)


class _ChatServer:
    """One server, as ``Replicas`` sees it."""

    def __init__(self, endpoint: Endpoint, model: str, tokens: Tokens, context: int) -> None:
        self.name = endpoint.name
        self.alive = endpoint.alive
        self._endpoint = endpoint
        self._model = model
        self._tokens = tokens
        self._context = context
        self._beyond: dict[str, Any] = _BEYOND
        self._alone: int | None = None
        self._exact = False
        self._known = False
        self._goes_on: bool | None = None
        self._trying = asyncio.Lock()

    async def ask(self, request: Request) -> Completion:
        conversation = request.conversation
        if conversation is None:
            raise EngineError("a chat endpoint takes no text formats: give --format chat, tools or chat-cot")
        await self._get_to_know()
        if conversation.continued and not await self._can_go_on():
            raise self._refusal(conversation)
        stop = (*conversation.stop, *(conversation.exact if self._exact else ()))
        body = {
            **self._asked(conversation),
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            **({"stop": list(stop)} if stop else {}),
        }
        # What the context leaves is the server's to say, who knows how long its prompt is.
        if request.max_tokens + SLACK <= self._context - len(request.prompt):
            body["max_tokens"] = request.max_tokens
        return self._read(request, stop, (await self._post(body)).choices[0])

    def _asked(self, conversation: Conversation) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self._model, "messages": list(conversation.messages)}
        if conversation.tools:
            asked |= {"tools": list(conversation.tools), "parallel_tool_calls": False}
        return asked | (_GO_ON if conversation.continued and self._beyond else {})

    async def _post(self, body: dict[str, Any]) -> _ChatAnswer:
        return self._endpoint.read(_ChatAnswer, await self._endpoint.post(PATH, {**body, **self._beyond}))

    async def _get_to_know(self) -> None:
        """Find out, once, whether the server takes fields beyond OpenAI's, and says which ids it sampled."""
        async with self._trying:
            if self._known:
                return
            try:
                answer = await self._begun(0)
            except RequestRefused:
                self._beyond = {}
                answer = await self._begun(0)
            [choice, *_] = answer.choices
            self._alone = answer.usage.prompt_tokens
            self._exact = bool(choice.token_ids and self._spelt(choice.token_ids, _answer(choice)))
            self._known = True

    async def _can_go_on(self) -> bool:
        """Whether the server goes on from a message of the assistant; tried once.

        Its prompt then grows by the message's words alone, and not by the end of it and the beginning of another.
        """
        async with self._trying:
            if self._goes_on is None:
                try:
                    some, more = [(await self._begun(words)).usage.prompt_tokens for words in (8, 16)]
                except RequestRefused:
                    some = more = None
                known = None not in (self._alone, some, more)
                # A first word may be a token more than a later one; an end and a beginning are two at least.
                self._goes_on = known and 2 * (some or 0) - (self._alone or 0) - (more or 0) <= 1
            return self._goes_on

    async def _begun(self, words: int) -> _ChatAnswer:
        """Return what is answered where the assistant has begun with so many words."""
        begun = [{"role": "assistant", "content": " one" * words}] if words else []
        conversation = Conversation(({"role": "user", "content": "Count."}, *begun))
        return await self._post({**self._asked(conversation), "max_tokens": 8})

    def _refusal(self, conversation: Conversation) -> EngineError:
        why = f"{self.name} begins a new message where an answer is to go on"
        if conversation.tools:
            return RequestRefused(f"{why}, so no branch can begin inside a message")
        return EngineError(f"{why}: take --format tools, whose outputs are messages of their own")

    def _read(self, request: Request, stop: tuple[str, ...], choice: _ChatChoice) -> Completion:
        reason = choice.finish_reason
        if reason == "content_filter":
            raise RequestRefused(f"{self.name} filtered an answer")
        if reason not in ("stop", "length", "tool_calls"):
            raise ReplicaLost(f"ended an answer with {reason!r}")
        answer = _answer(choice)
        ended = answer.ended
        if choice.token_ids and (text := self._spelt(choice.token_ids, answer, request.prompt[-1])):
            completion = Completion(text, tuple(choice.token_ids), "end" if ended else "length")
            places = [text.index(mark) + len(mark) for mark in stop if mark in text]
            return replace(completion, text=text[: min(places)], finish="stop") if places else completion
        return Completion("", (), "stop" if ended else "length", answer)

    def _spelt(self, ids: list[int], answer: Answer, before: int | None = None) -> str:
        """Return the text of the sampled ids; empty if they are not of this tokenizer."""
        if max(ids) >= len(self._tokens.tokenizer):
            return ""
        text = self._tokens.spell(ids, before)
        parts = (answer.content, answer.thought, *(name for name, _ in answer.calls))
        return text if all(part.strip() in text for part in parts) else ""


def _answer(choice: _ChatChoice) -> Answer:
    said = choice.message
    thought = said.reasoning_content or said.reasoning or ""
    return Answer(said.content or "", thought, _calls(said), choice.finish_reason != "length")


def _calls(said: _Said) -> tuple[tuple[str, str], ...]:
    functions = [call.function for call in said.tool_calls or ()]
    as_text = partial(json.dumps, ensure_ascii=False)
    return tuple(
        (f.name, f.arguments if isinstance(f.arguments, str) else as_text(f.arguments)) for f in functions
    )
