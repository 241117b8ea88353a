"""A solution under way as the messages of a chat endpoint, and what such an endpoint answers.

For model servers that take messages and write their prompts themselves. What is asked is the conversation that the
format's own prompt writes out; what is answered is written as the template would have the model write it. Not
covered: tools other than ``python``, and several calls in one answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sandbox.blocks import Block
from sandbox.formats import Format

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a chat endpoint is asked.

    Attributes:
        messages: as OpenAI's interface has them. Where the last one is the assistant's, the answer goes on from it.
        tools: schemas of the tools that the model may call.
        stop: strings that end an answer. It need not be told which one did, or whether one did: an answer that
            ends right before one of them means the same.
        exact: more of them, for servers that return what was sampled, so that it can be told where an answer ended.
    """

    messages: tuple[Message, ...]
    tools: tuple[Message, ...] = ()
    stop: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()

    @property
    def continued(self) -> bool:
        """Whether the answer goes on from a message that the assistant has begun."""
        return bool(self.messages[-1]["role"] == "assistant")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chat endpoint answered.

    Attributes:
        content: the message's text.
        thought: what a reasoning model wrote before it, where the server took that apart.
        calls: name and arguments, as JSON, of each tool call.
        ended: whether the model ended it, or called; else it was cut.
    """

    content: str
    thought: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    ended: bool = True


@runtime_checkable
class MessageFormat(Format, Protocol):
    """A format whose solutions are conversations under a chat template."""

    def conversation(self, question: str, system: str, text: str) -> Conversation:
        """Return the messages that stand for a prompt, and for what of the solution is written.

        Args:
            question: the problem.
            system: the system message.
            text: the solution so far, as the format writes it; it ends where the model is to go on.
        """

    def answered(self, answer: Answer, before: Sequence[Block]) -> str:
        """Return an answer as the template would have the model write it behind these blocks.

        Raises:
            ValueError: if the template cannot express it, or it calls what is no tool here.
        """


def asked(question: str, system: str) -> list[dict[str, Any]]:
    """Return the messages that ask a question."""
    messages = [{"role": "user", "content": question}]
    return [{"role": "system", "content": system}, *messages] if system else messages


def called_code(answer: Answer) -> str | None:
    """Return the code that an answer asks to run; None where it calls nothing.

    Raises:
        ValueError: if it calls something else, or more than once.
    """
    if not answer.calls:
        return None
    if len(answer.calls) > 1:
        raise ValueError(f"the model made {len(answer.calls)} tool calls at once; one is run at a time")
    [(name, arguments)] = answer.calls
    try:
        code = json.loads(arguments)["code"]
    except (ValueError, TypeError, KeyError):
        code = None
    if name != "python" or not isinstance(code, str):
        raise ValueError(f"the model called {name[:50]!r} with {arguments[:200]!r}, not python with code")
    return code
