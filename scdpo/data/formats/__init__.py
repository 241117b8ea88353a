"""Every way of writing solutions, bound to a model's tokenizer: the text formats, and those of its chat template."""

from __future__ import annotations

from typing import Any, Final

from sandbox.formats import FORMAT_NAMES as TEXT_FORMATS
from sandbox.formats import PARAGRAPHS, Format, MarkdownFormat, get_format
from scdpo.data.formats.chat import ChatFormat
from scdpo.data.formats.template import ChatTemplate
from scdpo.data.formats.tools import ToolsFormat

CHAT_FORMATS: Final = ("chat", "tools", "chat-cot")
"""``chat``: fences in one answer; ``tools``: a code step is a tool call; ``chat-cot``: text alone, in paragraphs."""
FORMAT_NAMES: Final = (*TEXT_FORMATS, *CHAT_FORMATS)


def bound_format(name: str, tokenizer: Any) -> Format:
    """Return the format of this name for a model's tokenizer.

    Raises:
        ValueError: if there is none, or the tokenizer's chat template is missing or cannot write it.
    """
    if name not in CHAT_FORMATS:
        if name not in TEXT_FORMATS:
            raise ValueError(f"format {name!r} is not one of {', '.join(FORMAT_NAMES)}")
        return get_format(name)
    template = ChatTemplate(tokenizer)
    if name == "tools":
        return ToolsFormat(template)
    return ChatFormat(template, PARAGRAPHS if name == "chat-cot" else MarkdownFormat(), name)
