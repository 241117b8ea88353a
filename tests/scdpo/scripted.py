"""An engine that says what a script tells it to, for tests of everything around the model."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from scdpo.sampling.engines import Completion, Request

Script = Callable[[str, random.Random], str]
"""Takes the prompt's text and a random stream of the request's own; returns what the model writes next."""


class ScriptedEngine:
    """Answers with the script's text, cut at the first stop string, as real engines do."""

    name = "scripted"
    model = "script"

    def __init__(
        self, tokenizer_folder: Path, script: Script, seconds: float = 0.0, context: int = 100_000
    ) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(tokenizer_folder)
        self._script = script
        self._seconds = seconds
        self.context = context
        self.requests: list[Request] = []

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_prompt(self, text: str) -> list[int]:
        return self.encode(text)

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(self._seconds)
        room = self.context - len(request.prompt)
        if room <= 0:
            return Completion("", (), "context")
        text = self._script(self.tokenizer.decode(request.prompt), random.Random(request.seed))
        ends = [text.index(stop) + len(stop) for stop in request.stop if stop in text]
        if ends:
            text = text[: min(ends)]
        ids = tuple(self.encode(text))
        if len(ids) > min(request.max_tokens, room):
            ids = ids[: min(request.max_tokens, room)]
            return Completion(
                self.tokenizer.decode(ids), ids, "length" if request.max_tokens <= room else "context"
            )
        return Completion(text, ids, "stop" if ends else "end")

    async def close(self) -> None:
        pass


def adder(prompt: str, stream: random.Random) -> str:
    """Solve "What is A + B?" in two code steps; the greedier the stream, the more often wrong."""
    question, _, written = prompt.partition("<|assistant|>")
    a, b = (int(word) for word in question.split("What is ")[1].split("?")[0].split(" + "))
    blocks = written.count("<|endofblock|>")
    wrong = stream.random() < 0.4
    if blocks == 0:
        return f"<|text|>We add {a} and {b}.<|endofblock|>"
    if blocks == 1:
        return f"<|code|>a = {a}\na<|endofblock|>"
    if blocks == 3:
        return f"<|code|>a + {b + 1 if wrong else b}<|endofblock|>"
    if blocks == 5:
        result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
        return f"<|text|>The answer is \\boxed{{{result}}}.<|endofblock|>"
    return "<|endofmessage|>"
