"""A model's tokenizer, for engines that hold the model elsewhere: text to ids, and what a back end answered.

Not covered: chat templates; a prompt is text that ``sandbox.formats`` wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from scdpo.data.encoding import begin_ids
from scdpo.sampling.engines.base import Completion, EngineError, FinishReason, Request


class Vocabulary:
    """The tokenizer of a model.

    Args:
        model: a folder or a hub name that ``from_pretrained`` takes.

    Raises:
        EngineError: if there is no tokenizer to be had.
    """

    def __init__(self, model: str | Path) -> None:
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(model))
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot load the tokenizer of {str(model)!r}: {error}") from error
        self._start = begin_ids(self._tokenizer)
        self._stop_ids = lru_cache(maxsize=64)(self._single)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_prompt(self, text: str) -> list[int]:
        """Return the token ids of a text that a prompt begins with (see ``Engine.encode_prompt``)."""
        return self._start + self.encode(text)

    def stop_ids(self, stop: tuple[str, ...]) -> list[int]:
        """Return the stops that are one token: a back end that is told their ids samples nothing behind them."""
        return list(self._stop_ids(stop))

    def _single(self, stop: tuple[str, ...]) -> tuple[int, ...]:
        encoded = [self.encode(text) for text in stop]
        return tuple(ids[0] for ids in encoded if len(ids) == 1)

    def completion(
        self, request: Request, text: str, ids: Sequence[int] | None, reason: str, room: int
    ) -> Completion:
        """Turn a back end's answer into a completion.

        Args:
            request: what was asked.
            text: the new text with the stop string or the end-of-text token's own text, if it ended there.
            ids: the sampled ids; None where the back end does not tell, then the text is encoded anew.
            reason: ``stop`` or ``length``, as the completions interface of OpenAI names them.
            room: how many tokens the context had left after the prompt.
        """
        finish: FinishReason = "length"
        if reason == "stop":
            finish = "stop" if text.endswith(request.stop) else "end"
        tokens = tuple(self.encode(text) if ids is None else ids)
        if finish == "end" and ids:
            text = text.removesuffix(self._tokenizer.decode(tokens[-1:], skip_special_tokens=False))
        elif finish == "end" and self._tokenizer.eos_token_id is not None:
            text = text.removesuffix(self._tokenizer.eos_token)
            tokens = (*self.encode(text), self._tokenizer.eos_token_id)
        elif finish == "length" and len(tokens) >= room:
            # Where both bounds were met at once, the request's own comes first.
            finish = "length" if len(tokens) >= request.max_tokens else "context"
        return Completion(text, tokens, finish)
