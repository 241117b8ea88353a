"""The format ``tools``: a model's own template, where a code step is a call of the tool ``python``.

What is written around the contents is the template's (``scdpo.data.formats.turns``). Calls that a model writes in
another way than its template are read by TRL's response parsing where it knows the model's family. Not covered:
other tools, and several calls in one message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]  # a JSON string from a place on
from typing import Any, Final

from trl.chat_template_utils import add_response_schema, parse_response

from sandbox.blocks import Block, BlockType
from sandbox.formats import Located, Piece
from sandbox.formats.base import normalise_newlines
from sandbox.formats.markdown import BETWEEN_TEXTS, LONG_BLOCK_TOKENS
from scdpo.data.formats.messages import Answer, Conversation, asked, called_code
from scdpo.data.formats.template import ChatTemplate, Escapes, Mark, Runs, plain
from scdpo.data.formats.turns import TOOL, ToolTurns, tool_turns

_BLANK: Final = "<!-- blank block -->"
"""Stands before a text of nothing but white space, which would not be seen."""
_COMMENT: Final = r"<!-- (?:next|blank) block -->"


class ToolsFormat:
    """A solution whose code is run by tool calls (see ``sandbox.formats.base.Format``).

    Args:
        template: of the tokenizer.

    Raises:
        SettingsError: if the template is missing, or has no tool calls.
    """

    name = "tools"
    special_tokens: tuple[str, ...] = ()
    most_blocks: int | None = None
    most_characters: int | None = None
    block_tokens = LONG_BLOCK_TOKENS

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._turns: ToolTurns = tool_turns(template)
        turns = self._turns
        self.end = plain(turns.final_end)
        self.stop = turns.stops
        before, behind = turns.think or ((), ())
        self._before, self._behind = Mark(plain(before)), Mark(plain(behind))
        self._plain = [Mark(plain(runs)) for runs in dict.fromkeys(turns.plain)]
        self._text, self._final = Mark(plain(turns.text)), Mark(plain(turns.final))
        self._call, self._text_call = Mark(plain(turns.call)), Mark(plain(turns.text_call))
        self._call_end, self._output_end = Mark(plain(turns.call_end)), Mark(plain(turns.output_end))
        self._output, self._new_turn = Mark(plain(turns.output)), Mark(plain(turns.new_turn))
        marks = (self._before, self._behind, self._text, self._final, self._call, self._text_call)
        own = [
            mark.core
            for mark in (*marks, self._call_end, self._output_end, self._output)
            if len(mark.core) > 2
        ]
        self._escapes = Escapes([*template.marks, *own])

    def prompt(self, question: str, system: str = "") -> str:
        """Return the conversation up to where the assistant begins to write."""
        return self._template.prompt(self._asked(question, system), [TOOL])

    def _asked(self, question: str, system: str) -> list[dict[str, Any]]:
        put = self._escapes.put
        return asked(put(normalise_newlines(question)), put(normalise_newlines(system)))

    def conversation(self, question: str, system: str, text: str) -> Conversation:
        """Return the question and the messages of the solution so far (see ``MessageFormat``)."""
        messages = self._asked(question, system)
        put, turn = self._escapes.put, dict[str, Any]()
        for number, block in enumerate(self.parse(text)):
            content = put(block.content)
            if block.type == "execution":
                messages.append({"role": "tool", "tool_call_id": _call_id(number - 1), "content": content})
                continue
            if messages[-1] is not turn or "tool_calls" in turn:
                turn = {"role": "assistant", "content": ""}
                messages.append(turn)
            if block.type == "code":
                function = {"name": "python", "arguments": json.dumps({"code": content}, ensure_ascii=False)}
                turn["tool_calls"] = [{"id": _call_id(number), "type": "function", "function": function}]
            elif block.type == "thought":
                turn["reasoning_content"] = content
            else:
                turn["content"] += f"\n{BETWEEN_TEXTS}{content}" if turn["content"] else content
        return Conversation(tuple(messages), (TOOL,))

    def answered(self, answer: Answer, before: Sequence[Block]) -> str:
        """Return an answer with a call written as the template writes it (see ``MessageFormat``)."""
        code = called_code(answer)
        # A server's parser leaves the line ends that stood around the parts.
        content = answer.content if before and before[-1].type == "text" else answer.content.lstrip()
        content = content.rstrip() if code is not None else content
        parts = (Block("thought", answer.thought.strip()), Block("text", content))
        blocks = [block for block in parts if block.content.strip()]
        if code is not None:
            return "".join(piece.text for piece in self.write([*blocks, Block("code", code)], before))
        pieces = self.write(blocks, before, ended=answer.ended)
        text = "".join(piece.text for piece in pieces[: len(blocks)])
        end = pieces[-1].text if answer.ended else ""
        return text + end[: end.find(self.stop[-1]) + len(self.stop[-1])] if end else text

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write blocks, each with what the template puts around it (see ``Format.write``)."""
        previous: BlockType | None = before[-1].type if before else None
        pieces = []
        for number, block in enumerate(blocks):
            final = ended and all(later.type == "text" for later in blocks[number + 1 :])
            content = (self._content(block), True)
            if block.type == "text":
                again = number > 0 and previous == "text"
                opening = self._opening(previous, self._turns.final if final else self._turns.text)
                pieces.append(Piece((*opening, *(((f"\n{BETWEEN_TEXTS}", True),) if again else ()), content)))
            elif block.type == "thought":
                pieces.append(Piece(self._thought(previous, content)))
            elif block.type == "code":
                opening = (
                    self._turns.text_call if previous == "text" else self._opening(previous, self._turns.call)
                )
                pieces.append(Piece((*opening, content, *self._turns.call_end)))
            elif previous == "code":
                pieces.append(Piece((*self._turns.output, (content[0], False), *self._turns.output_end)))
            else:
                raise ValueError("the tools format holds an output only behind the code that it is of")
            previous = block.type
        if ended:
            pieces.append(Piece(self._end(previous)))
        return pieces

    def _opening(self, previous: BlockType | None, opening: Runs) -> Runs:
        """Return what stands before a text or a call that begins a turn, or follows a thought."""
        if previous == "text":
            return ()
        first, again = self._turns.plain
        heads: dict[BlockType | None, Runs] = {
            None: first,
            "execution": again,
            "thought": (),
            "code": (*self._turns.new_turn, *again),
        }
        return (*heads[previous], *opening)

    def _thought(self, previous: BlockType | None, content: tuple[str, bool]) -> Runs:
        if self._turns.think is None or previous in ("text", "thought"):
            raise ValueError("the tools format of this model holds a thought only where a turn begins")
        opened, closed = self._turns.think
        return (*(self._turns.new_turn if previous == "code" else ()), *opened, content, *closed)

    def _end(self, previous: BlockType | None) -> Runs:
        if previous == "code":
            return ()  # the call has ended its turn
        return (
            *(() if previous == "text" else self._opening(previous, self._turns.final)),
            *self._turns.final_end,
        )

    def _content(self, block: Block) -> str:
        content = normalise_newlines(block.content)
        if block.type == "text":
            content = re.sub(rf"^(\\*)(?={_COMMENT}$)", r"\\\1", content, flags=re.MULTILINE)
            content = content if content.strip() else _BLANK + content
        content = self._escapes.put(content)
        as_json = {"code": self._turns.code_json, "execution": self._turns.output_json}
        return json.dumps(content, ensure_ascii=False)[1:-1] if as_json.get(block.type) else content

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write the beginning of a solution, or what follows a block of it."""
        before = [Block(previous, "")] if previous else []
        return "".join(piece.text for piece in self.write(list(blocks), before))

    def whole(self, turn: str) -> bool:
        """Whether a turn is thoughts, texts and one call at most, without other marks of the template."""
        found = self.locate(turn)
        written = "".join(self._escapes.put(read.block.content) for read in found)
        read = "".join(read.block.content for read in found)
        return written == read or not any(self._escapes.mark.search(read.block.content) for read in found)

    def ended(self, turn: str) -> bool:
        """Whether the turn ends, and not in a call."""
        return turn.endswith(self.stop)

    def before_output(self, text: str) -> str:
        """Return the text with the call's turn ended, with which token the model may have done it."""
        return text if text.endswith(self.stop) else text + self.stop[0]

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read a solution (see ``locate``)."""
        return tuple(located.block for located in self.locate(text))

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Read a solution, or what follows a part of one, turn by turn."""
        return _Reading(self, text).all(continued)

    @cached_property
    def _parser(self) -> Any:
        """A tokenizer that reads the family's calls; None where TRL does not know the family."""
        try:
            return add_response_schema(deepcopy(self._template.tokenizer))
        except ValueError:
            return None

    def _parsed(self, turn: str) -> dict[str, Any] | None:
        """Return a message as TRL reads it if it calls the tool once, with code."""
        if self._parser is None or not turn.strip():
            return None
        ids = self._parser(turn, add_special_tokens=False)["input_ids"]
        message = parse_response(self._parser, ids, prefix=[], tools=[TOOL])
        calls = message.get("tool_calls") or []
        functions = [made.get("function", made) for made in calls]
        right = len(functions) == 1 and isinstance(functions[0].get("arguments"), dict)
        return message if right and isinstance(functions[0]["arguments"].get("code"), str) else None


class _Reading:
    """A solution that is being read."""

    def __init__(self, format: ToolsFormat, text: str) -> None:
        self._format = format
        self._text = text
        self._at = 0
        self._found: list[Located] = []

    def all(self, continued: bool) -> list[Located]:
        """Read turn by turn, with what the host wrote between them."""
        if not continued or not self._output():
            self._turn()
        while self._at < len(self._text) and (self._output() or self._next_turn()):
            self._turn()
        return self._found

    def _take(self, type: BlockType, content: str, end: int, closed: bool = True) -> None:
        start = self._found[-1].end if self._found else 0
        self._found.append(Located(Block(type, content), start, end, closed))
        self._at = end

    def _next_turn(self) -> bool:
        end = self._format._new_turn.match(self._text, self._at)
        self._at = self._at if end is None else end
        return end is not None

    def _output(self) -> bool:
        """Read what the host showed of a call, if it stands here."""
        start = self._format._output.match(self._text, self._at)
        if start is None:
            return False
        behind = self._format._output_end.search(self._text, start)
        stop, end = behind or (len(self._text), len(self._text))
        content = self._text[start:stop]
        if self._format._turns.output_json:
            content = _json_string(content + '"')[0]
        self._take("execution", self._format._escapes.take(content), end, behind is not None)
        return True

    def _turn(self) -> None:
        """Read what the model wrote up to the end of its turn."""
        text, format = self._text, self._format
        ends = [place for stop in format.stop if (place := text.find(stop, self._at)) >= 0]
        end = min(ends, default=len(text))
        self._opening(end)
        called = self._place_of_call(end)
        head = text[self._at : called[0] if called else end]
        if called is None and (parsed := format._parsed(text[self._at : end])):
            self._texts(parsed["content"], self._at)
            calls = parsed["tool_calls"][0]
            self._take("code", calls.get("function", calls)["arguments"]["code"], self._behind_stop(end))
            return
        self._texts(self._without_opening(head), called[0] if called else end)
        if called is not None:
            self._code(called[1])
        self._at = max(self._at, self._behind_stop(end))

    def _behind_stop(self, end: int) -> int:
        return next((end + len(s) for s in self._format.stop if self._text.startswith(s, end)), end)

    def _opening(self, end: int) -> None:
        """Read the thought that a turn begins with, or what stands there in its place."""
        format = self._format
        begins = format._before.match(self._text, self._at) if format._before.core else self._at
        if format._behind.core and begins is not None and begins <= end:
            behind = format._behind.search(self._text[:end], begins)
            # A template without a mark before a thought has it in the prompt; but a text may come without a thought.
            if behind is not None and self._is_thought(begins, *behind):
                content = format._escapes.take(self._text[begins : behind[0]])
                self._take("thought", content, behind[1])
                return
            if behind is None and format._before.core and not format._text.core:
                self._take("thought", format._escapes.take(self._text[begins:end]), end, closed=False)
                return
        for mark in format._plain:
            if mark.core and (after := mark.match(self._text, self._at)) is not None and after <= end:
                self._at = after
                return

    def _is_thought(self, start: int, stop: int, end: int) -> bool:
        """Whether what stands between the marks of a thought is one.

        gpt-oss writes a text before a call as it writes a thought: there it is the text.
        """
        text = self._format._text.core == self._format._before.core != ""
        final = self._format._final.match(self._text, end) is not None
        return bool(self._text[start:stop].strip()) and (final or not text)

    def _place_of_call(self, end: int) -> tuple[int, int] | None:
        """Return where a call begins, with what stands between it and a text, and where its code does."""
        format, text = self._format, self._text
        spans = [span for mark in (format._text_call, format._call) if (span := mark.search(text, self._at))]
        # Where a text and a call are two messages, the first one's end is part of what stands between them.
        reach = self._behind_stop(end) + len(plain(format._turns.text_call))
        spans = [span for span in spans if span[0] <= end and span[1] <= reach]
        return min(spans, default=None)

    def _without_opening(self, head: str) -> str:
        for mark in (self._format._final, self._format._text):
            if mark.core and (after := mark.match(head)) is not None:
                return head[after:]
        return head

    def _texts(self, content: str, end: int) -> None:
        """Take the texts of one message."""
        if not content.strip():
            return
        for part in re.split(rf"\n{re.escape(BETWEEN_TEXTS)}", content):
            part = part.removeprefix(_BLANK) if not part.removeprefix(_BLANK).strip() else part
            part = self._format._escapes.take(part)
            part = re.sub(rf"^\\(?=\\*{_COMMENT}$)", "", part, flags=re.MULTILINE)
            self._take("text", normalise_newlines(part), end)

    def _code(self, start: int) -> None:
        text = self._text
        if self._format._turns.code_json:
            content, stop, closed = _json_string(text, start)
        else:
            behind = self._format._call_end.search(text, start)
            stop, closed = (behind[0], True) if behind else (len(text), False)
            content = text[start:stop]
        ends = [place for mark in self._format.stop if (place := text.find(mark, stop)) >= 0]
        over = self._behind_stop(min(ends, default=len(text)))
        self._take("code", self._format._escapes.take(content), over, closed)


def _call_id(number: int) -> str:
    """Return the id of the call that a block is; Mistral's servers want nine letters or digits."""
    return f"{number:09d}"


def _json_string(text: str, start: int = 0) -> tuple[str, int, bool]:
    """Return the JSON string whose content begins at a place, where its quotation mark stands, whether it has one."""
    try:
        content, behind = scanstring(text, start, False)
    except ValueError:
        return text[start:], len(text), False
    return content, behind - 1, True
