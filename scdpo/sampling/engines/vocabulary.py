"""A model's tokenizer, for engines that hold the model elsewhere: text to ids, and what a back end answered.

Not covered: how a prompt is written (``scdpo.data.formats``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from scdpo.data.tokens import Tokens
from scdpo.sampling.engines.base import Completion, EngineError, FinishReason, Request


class Vocabulary:
    """The tokenizer of a model.

    Args:
        model: a folder or a hub name that ``from_pretrained`` takes.
        trust_remote_code: whether code of the model's folder may run.

    Raises:
        EngineError: if there is no tokenizer to be had.
    """

    def __init__(self, model: str | Path, trust_remote_code: bool = False) -> None:
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                str(model), trust_remote_code=trust_remote_code
            )
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot load the tokenizer of {str(model)!r}: {error}") from error
        self._tokens = Tokens(self.tokenizer)
        self._stop_ids = lru_cache(maxsize=64)(self._single)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens recognised, none added."""
        return self._tokens.encode(text)

    def encode_prompt(self, text: str) -> list[int]:
        """Return the token ids of a text that a prompt begins with (see ``Engine.encode_prompt``)."""
        return self._tokens.encode_prompt(text)

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
        if ids is None:
            text = self._tokens.without_spaces(text)
        tokens = tuple(self._tokens.encode_after(text, request.prompt[-1]) if ids is None else ids)
        if finish == "end" and ids:
            text = text.removesuffix(self._tokens.spell(tokens[-1:]))
        elif finish == "end" and self.tokenizer.eos_token_id is not None:
            text = text.removesuffix(self.tokenizer.eos_token)
            tokens = (*self._tokens.encode_after(text, request.prompt[-1]), self.tokenizer.eos_token_id)
        elif finish == "length" and len(tokens) >= room:
            # Where both bounds were met at once, the request's own comes first.
            finish = "length" if len(tokens) >= request.max_tokens else "context"
        return Completion(text, tokens, finish)
