"""Solutions and conversations as other people's files hold them: texts in several notations, lists of messages.

Not covered: which field of a row holds one (``verifier.files.layouts``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sandbox.blocks import BLOCK_TYPES, Block, BlockType
from sandbox.formats import FORMAT_NAMES, normalise_newlines
from sandbox.solution import Solution

# OpenMathInstruct-1 writes <llm-code>…</llm-code> and <llm-code-output>…</llm-code-output>.
_LLM_CODE: Final = re.compile(r"<llm-code(|-output)>\n?(.*?)\n?(?:</llm-code\1>\n?|\Z)", re.DOTALL)
# A fence that is code or its output; one without a word, or ```text, may stand in any prose.
_FENCE: Final = re.compile(r"^`{3,}(?:python|output)\s*$", re.MULTILINE)
_UNDER_A_TEMPLATE: Final = {"chat-cot": "paragraphs", "chat": "markdown", "tools": "markdown"}
"""The formats that are bound to a model's chat template, and how a text without one is read for them."""
_MARK: Final = re.compile(r"<\|(?:text|code|execution)\|>")


def read_solution(text: str, format: str) -> Solution:
    """Read a solution in the notation that it is in: by its marks, else as the format reads it.

    Args:
        text: of the solution alone.
        format: of ``sandbox.formats``; how a text without marks is cut into blocks.
    """
    text = normalise_newlines(text)
    if "<llm-code>" in text:
        return _llm_code(text)
    if _MARK.search(text):
        return Solution.parse(text, "mathcoder")
    if _FENCE.search(text):
        return Solution.parse(text, "markdown")
    format = _UNDER_A_TEMPLATE.get(format, format)
    return Solution.parse(text, format if format in FORMAT_NAMES else "markdown")


def _llm_code(text: str) -> Solution:
    blocks: list[Block] = []
    end = 0
    for match in _LLM_CODE.finditer(text):
        _add(blocks, "text", text[end : match.start()].strip("\n"))
        _add(blocks, "execution" if match[1] else "code", match[2])
        end = match.end()
    _add(blocks, "text", text[end:].strip("\n"))
    return Solution(tuple(blocks))


def _add(blocks: list[Block], type: BlockType, content: str) -> None:
    if content or type == "execution":
        blocks.append(Block(type, content))


class Turn(NamedTuple):
    """A message.

    Attributes:
        role: who speaks.
        content: what, as text or as parts with a type and a content.
        calls: the code of its tool calls.
        thought: what a reasoning model wrote for itself, where the message keeps it apart.
    """

    role: str
    content: str | list[Mapping[str, Any]]
    calls: tuple[str, ...] = ()
    thought: str = ""

    def text(self) -> str:
        """Return the text of the message, its parts one under the other."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(_part_text(part) for part in self.content)

    def solution(self, format: str) -> Solution:
        """Return the solution that the message is; see ``read_solution``.

        Raises:
            ValueError: if a part is of no type that a block has.
        """
        if isinstance(self.content, str):
            return read_solution(self.content, format)
        return Solution(tuple(_block(part) for part in self.content))


_ROLES: Final = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
"""Who speaks, in the words of ShareGPT."""


def read_turns(value: Any) -> list[Turn] | None:
    """Return a conversation; None if the value is none. Raises ValueError for a tool call that holds no code.

    Known are lists of ``{"role", "content"}`` and ``{"from", "value"}``, one such message, the same as a table of
    columns or as JSON text, and messages that are a block (``{"type", "content"}``) of the assistant's.
    """
    value = from_json(value)
    if isinstance(value, Mapping):
        columns = [list(column) for column in value.values() if isinstance(column, list)]
        if columns and len(columns) == len(value):  # how old versions of ``datasets`` keep a list of objects
            value = [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
        else:
            value = [value]
    if not isinstance(value, list) or not value or not all(_is_turn(item) for item in value):
        return None
    return [_turn(item) for item in value]


def _is_turn(item: Any) -> bool:
    return isinstance(item, Mapping) and any({role, content} <= set(item) for role, content in _KEYS)


_KEYS: Final = (("role", "content"), ("from", "value"), ("type", "content"), ("role", "tool_calls"))
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
_TOOL_ROLES: Final = ("tool", "function", "ipython", "observation")
_CODE_ARGUMENTS: Final = ("code", "source", "python_code", "script", "input")


def _turn(item: Mapping[str, Any]) -> Turn:
    role, content = next(keys for keys in _KEYS if set(keys) <= set(item))
    said = item[content] if content != "tool_calls" else ""
    parts = isinstance(said, list) and all(isinstance(part, Mapping) for part in said)
    thought = next((item[name] for name in _THOUGHTS if isinstance(item.get(name), str)), "")
    calls = item.get("tool_calls") or ()
    return Turn(
        _ROLES.get(item[role], str(item[role])),
        said if parts else "" if said is None else str(said),
        tuple(_code_of(call) for call in calls) if isinstance(calls, list | tuple) else (),
        thought,
    )


def _code_of(call: Any) -> str:
    """Return the code of a tool call: OpenAI's, whose arguments are JSON text, or a template's, whose are an object.

    Raises:
        ValueError: if its arguments hold no code.
    """
    function = call.get("function", call) if isinstance(call, Mapping) else {}
    arguments = from_json(function.get("arguments"))
    if isinstance(arguments, Mapping):
        texts = [arguments[name] for name in (*_CODE_ARGUMENTS, *arguments) if name in arguments]
        code = next((text for text in texts if isinstance(text, str)), None)
        if code is not None:
            return code
    raise ValueError(f"a tool call without code in its arguments: {call!r:.80}")


def uses_tools(turns: Sequence[Turn]) -> bool:
    """Whether a conversation holds more than texts: tool calls, what tools answered, or thoughts kept apart."""
    return any(turn.calls or turn.thought or turn.role in _TOOL_ROLES for turn in turns)


def answer_blocks(turns: Sequence[Turn], format: str) -> tuple[Block, ...]:
    """Return what follows the last question of a conversation: tool calls as code, and their answers as executions."""
    asked = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=-1)
    blocks: list[Block] = []
    for turn in turns[asked + 1 :]:
        if turn.role in _TOOL_ROLES:
            blocks.append(Block("execution", normalise_newlines(turn.text())))
        elif turn.role == "assistant":
            _add(blocks, "thought", normalise_newlines(turn.thought))
            if turn.text().strip():
                blocks += turn.solution(format).blocks
            blocks += [Block("code", normalise_newlines(code)) for code in turn.calls]
    return tuple(blocks)


def _part_text(part: Mapping[str, Any]) -> str:
    return str(part.get("content", part.get("text", "")))


def _block(part: Mapping[str, Any]) -> Block:
    """Return a part as a block; OpenAI's own ``{"type": "text", "text": …}`` is one too."""
    return Block.from_dict({"type": part.get("type"), "content": normalise_newlines(_part_text(part))})


def spoken_blocks(turns: Sequence[Turn]) -> tuple[tuple[Block, ...], bool]:
    """Return the blocks of a recorded solution whose messages are blocks, and whether it came to its end.

    A message of any other role says why generation was given up; system message and question are left out.
    """
    spoken = [turn for turn in turns if turn.role not in ("system", "user")]
    blocks = tuple(
        Block(turn.role, normalise_newlines(turn.text())) for turn in spoken if turn.role in BLOCK_TYPES
    )
    return blocks, len(blocks) == len(spoken)


def from_json(value: Any) -> Any:
    """Return what a text that is a JSON object or a list of objects or texts holds; anything else as it is.

    So tables keep nested values. ``["18"]`` is a list; ``[1, 2]`` is an answer, an interval or a list of its own.
    """
    if isinstance(value, str) and _NESTED.match(value):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


_NESTED: Final = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\"{])")
