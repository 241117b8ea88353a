r"""Answers between marks made for them: ``<answer>5</answer>``, ``\answer{5}``, ``{"answer": 5}``, a GLM box."""

from __future__ import annotations

import json
import re

from verifier.extraction.boxes import closing_brace
from verifier.extraction.doubt import left_open_after
from verifier.patterns import pattern

MAX_FIELD = 20_000  # characters of a field that are read

_PAIRS = (
    ("<answer>", "</answer>"), ("<final_answer>", "</final_answer>"), ("<ANSWER>", "</ANSWER>"),
    ("<FINAL_ANSWER>", "</FINAL_ANSWER>"), ("<Answer>", "</Answer>"), ("<|begin_of_box|>", "<|end_of_box|>"),
)  # fmt: skip
_COMMAND = "\\answer{"
# {"answer": 5}, {'final_answer': '5'}; {"answers": 5} is left alone.
_JSON = pattern(
    r"""["'](?:final[_ ]?)?answer["']\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"|'[^'\n]*'|\[[^\]\n]*\]|[^,}\]\n"']+)\s*[,}]""",
    re.IGNORECASE,
)

# "<answer>3</answer> or <answer>7</answer>" offers two; "<answer>3</answer> is wrong, <answer>7</answer>" one.
_OFFERED = pattern(r"</\w+>\W*(?:or|或者?)\W*\Z")


def tagged(text: str) -> str | None:
    """Return what the last filled pair of tags, or command, for an answer holds; None where there is none.

    It is "" where another answer is offered after it.
    """
    for opening, closing in _PAIRS if "</" in text or "<|end_of_box" in text else ():
        end = text.rfind(closing)
        start = text.rfind(opening, 0, end) if end >= 0 else -1
        content = text[start + len(opening) : end].strip()[:MAX_FIELD] if start >= 0 else ""
        if content:
            offered = left_open_after(text, end + len(closing)) or _OFFERED.search(
                text, max(0, start - 40), start
            )
            return "" if offered else content
    start = text.rfind(_COMMAND)
    stop = closing_brace(text, start + len(_COMMAND)) if start >= 0 else None
    return text[start + len(_COMMAND) : stop].strip() or None if stop is not None else None


# The closing tag is often a stop string, which an engine leaves out.
_UNCLOSED = pattern(r"<answer>\s*([^<\n]{1,200})\Z")


def in_open_tag(text: str) -> str | None:
    """Return what follows an answer tag that the text ends in; None where there is none."""
    start = text.rfind("<answer>")
    match = _UNCLOSED.match(text.rstrip(), start) if start >= 0 else None
    return match[1].strip() if match else None


_FIELD_ENDS = ('nswer"', "nswer'", 'NSWER"', "NSWER'")


def in_json(text: str) -> str | None:
    """Return the value of the last field ``answer`` of an object in JSON; None where there is none."""
    if not any(map(text.__contains__, _FIELD_ENDS)):
        return None
    found = list(_JSON.finditer(text))
    if not found:
        return None
    value = found[-1]["value"].strip()
    if value.startswith('"'):
        try:
            return str(json.loads(value, strict=False)).strip() or None
        except ValueError:  # LaTeX with single backslashes is no JSON
            return value.strip('"').strip() or None
    return value.strip("'").strip() or None
