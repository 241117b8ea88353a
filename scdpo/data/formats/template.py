"""A model's own chat template: prompts, conversations with the assistant's characters marked, and what it puts between.

The template is the tokenizer's; where TRL has a training version of it (which keeps every earlier turn as it was and
marks what the assistant writes), conversations are written with that one. Not covered: images and other media.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from scdpo.errors import SettingsError

Message = Mapping[str, Any]
Run = tuple[str, bool]
Runs = tuple[Run, ...]
"""Text in parts, each with whether it is the assistant's."""


class ChatTemplate:
    """The chat template of a tokenizer.

    Args:
        tokenizer: of transformers, with a chat template.

    Raises:
        SettingsError: if it has none.
    """

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.chat_template is None:
            raise SettingsError(
                f"the tokenizer of {tokenizer.name_or_path!r} has no chat template, which the chat formats need: take "
                "the instruct model's tokenizer, or a format without a template, such as markdown"
            )
        self.tokenizer = tokenizer

    @cached_property
    def _training(self) -> str:
        """The template that conversations are written with."""
        template = self.tokenizer.chat_template
        template = template["default"] if isinstance(template, dict) else template
        try:
            return get_training_chat_template(self.tokenizer) or str(template)
        except (ValueError, TemplateError, TypeError):  # TRL knows no training version of it
            return str(template)

    @property
    def source(self) -> str:
        """The text of the template that conversations are written with."""
        return self._training

    def prompt(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> str:
        """Return a conversation up to where the assistant begins to write.

        Raises:
            SettingsError: if the template refuses the messages.
        """
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    list(messages), tools=tools, tokenize=False, add_generation_prompt=True
                )
            )
        except TemplateError as error:
            raise SettingsError(f"the chat template refuses these messages: {error}") from error

    def conversation(
        self, messages: Sequence[Message], tools: Sequence[Any] | None = None, generation: bool = False
    ) -> tuple[str, list[tuple[int, int]] | None]:
        """Return a conversation, and where in it stands what the assistant writes.

        Args:
            messages: as ``apply_chat_template`` takes them.
            tools: schemas of the tools the model may call.
            generation: also write what the assistant's next message begins with.

        Returns:
            The text, and spans of characters; None for the spans where the template does not mark them.

        Raises:
            SettingsError: if the template refuses the messages.
        """
        marked = has_generation_markers(self._training)
        try:
            (text,), spans = render_jinja_template(
                conversations=[list(messages)],
                tools=list(tools) if tools else None,
                chat_template=self._training,
                return_assistant_tokens_mask=marked,
                add_generation_prompt=generation,
                **self.tokenizer.special_tokens_map,
            )
        except (TemplateError, TypeError) as error:
            raise SettingsError(f"the chat template refuses these messages: {error}") from error
        return str(text), [(int(start), int(end)) for start, end in spans[0]] if marked else None

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """The special tokens, and others of the vocabulary that the template writes, longest first."""
        added = self.tokenizer.added_tokens_decoder.values()
        marks = {str(t) for t in added if (t.special or str(t) in self._training) and len(str(t)) > 2}
        return tuple(sorted((mark for mark in marks if mark.strip()), key=len, reverse=True))


def cut_runs(text: str, spans: Sequence[tuple[int, int]], start: int, end: int) -> Runs:
    """Return ``text[start:end]`` in runs, those that lie in a span marked as the assistant's."""
    runs: list[Run] = []
    at = start
    for first, last in spans:
        first, last = max(first, at), min(last, end)
        if first < last:
            runs += [(text[at:first], False), (text[first:last], True)]
            at = last
    runs.append((text[at:end], False))
    return tuple(run for run in runs if run[0])


def plain(runs: Runs) -> str:
    """Return the text of runs."""
    return "".join(text for text, _ in runs)


def behind(runs: Runs, characters: int) -> Runs:
    """Return runs without their first characters."""
    left = []
    for text, own in runs:
        if len(text) > characters:
            left.append((text[characters:], own))
        characters = max(0, characters - len(text))
    return tuple(left)


def upto(runs: Runs, characters: int) -> Runs:
    """Return the first characters of runs."""
    kept = []
    for text, own in runs:
        if characters > 0:
            kept.append((text[:characters], own))
        characters -= len(text)
    return tuple(kept)


class Mark:
    """Mark-up of a template that a model may write with other white space in it or beside it.

    Args:
        text: as the template writes it, white space included; it may be nothing but white space, or empty.
    """

    def __init__(self, text: str) -> None:
        core = text.strip()
        self.core = core
        self._lead, self._trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        self._loose = re.compile(r"\s*".join(re.escape(part) for part in core.split()) or Escapes.NEVER)

    def search(self, text: str, at: int = 0) -> tuple[int, int] | None:
        """Return where the mark begins and ends, at or after a place; None where it is not, or only white space."""
        found = self._loose.search(text, at)
        return self._span(text, found) if found else None

    def match(self, text: str, at: int = 0) -> int | None:
        """Return where the mark ends if the text goes on with it at a place, white space aside; else None."""
        found = self._loose.match(text, at + len(text[at:]) - len(text[at:].lstrip()))
        return self._span(text, found)[1] if found else None

    def _span(self, text: str, found: re.Match[str]) -> tuple[int, int]:
        start, end = found.span()
        start -= len(self._lead) if text.endswith(self._lead, 0, start) else 0
        if text.startswith(self._trail, end):
            return start, end + len(self._trail)
        return start, end + len(text[end:]) - len(text[end:].lstrip())


class Escapes:
    r"""Keeps contents from reading as mark-up: one backslash is put behind a mark's first character, and taken out.

    Args:
        marks: what must not stand in a content as it is, such as ``<|im_end|>``.
    """

    NEVER: Final = r"(?!)"

    def __init__(self, marks: Sequence[str]) -> None:
        names = [(re.escape(mark[0]), re.escape(mark[1:])) for mark in marks]
        self.mark = re.compile("|".join(re.escape(mark) for mark in marks) or self.NEVER)
        self._escapable = re.compile("|".join(rf"{a}\\*{b}" for a, b in names) or self.NEVER)
        self._escaped = re.compile("|".join(rf"{a}\\+{b}" for a, b in names) or self.NEVER)

    def put(self, content: str) -> str:
        """Return a content with its marks escaped."""
        return self._escapable.sub(lambda match: f"{match[0][0]}\\{match[0][1:]}", content)

    def take(self, content: str) -> str:
        """Return the content that was escaped."""
        return self._escaped.sub(lambda match: f"{match[0][0]}{match[0][2:]}", content)
