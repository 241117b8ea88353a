"""What a chat template writes around thoughts, texts, calls and outputs, found by letting it write a few conversations.

Words that no template changes stand for the contents; what comes out between them is the template's own. So contents
can be written exactly as they are where templates trim them, and read back by what stands around them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trl.chat_template_utils import supports_tool_calling

from scdpo.data.formats.template import ChatTemplate, Message, Runs, behind, cut_runs, plain, upto
from scdpo.errors import SettingsError

TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Run Python code. State is kept between calls. Returns what is printed, and the value of a "
        "last line that is an expression.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The code to run."}},
            "required": ["code"],
        },
    },
}
"""The tool that a code step calls."""
_QUESTION: Final[Message] = {"role": "user", "content": "Question"}
_THOUGHT, _TEXT, _CODE, _OUTPUT = "Thoughtword", "Textword", "Codeword", "Outputword"
_TAG: Final = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{2,40}\]")
"""A mark of a template: ``<|im_end|>``, ``</tool_call>``, ``[/INST]``. Not one: ``a < b``, ``[1, 2]``."""
_QUOTES: Final = "\"'\nend"
"""Follows the words for code and output: shows whether they are written as they are, as JSON, or in another way."""
_CLOSED_THOUGHT: Final = "\n</think>\n\n"
_NO_CALLS: Final = (
    "the chat template has no tool calls and outputs that can be read back: use the chat format, which writes code "
    "in fences"
)
_CALL_ID: Final = "000000000"  # Mistral's templates want nine letters or digits


def call(code: str) -> list[dict[str, Any]]:
    """Return the ``tool_calls`` of a message that runs code."""
    return [
        {"id": _CALL_ID, "type": "function", "function": {"name": "python", "arguments": {"code": code}}},
    ]


def result(output: str) -> dict[str, Any]:
    """Return the message with what a call came to."""
    return {"role": "tool", "name": "python", "tool_call_id": _CALL_ID, "content": output}


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """What stands around one answer of the assistant.

    Attributes:
        plain: what the answer begins with where there is no thought.
        think: what stands before and behind a thought at its beginning; None where the template shows none.
        end: what ends it.
        stop: the token in ``end`` at which the model stops.
        opened: whether the prompt opens a thought that the template never shows in an answer (DeepSeek's).
    """

    plain: Runs
    think: tuple[Runs, Runs] | None
    end: Runs
    stop: str
    opened: bool = False


@dataclass(frozen=True, slots=True)
class ToolTurns:
    """What stands around thoughts, texts, calls and outputs where code is run by tool calls.

    Attributes:
        plain: what a turn without a thought begins with, as the first and behind an output.
        think: what stands before and behind a thought; None where the template shows none.
        text: what stands before a text that a call follows.
        call: what stands before a call at the beginning of a turn.
        text_call: what stands between a text and a call.
        call_end: what ends a call and its turn.
        new_turn: what stands between two calls, where the first has no output.
        output: what stands before an output.
        output_end: what stands behind it, up to where the model goes on.
        final: what stands before a text that ends the solution.
        final_end: what ends it.
        stops: the tokens at which the model stops.
        code_json: whether code is written as a JSON string.
        output_json: whether outputs are.
    """

    plain: tuple[Runs, Runs]
    think: tuple[Runs, Runs] | None
    text: Runs
    call: Runs
    text_call: Runs
    call_end: Runs
    new_turn: Runs
    output: Runs
    output_end: Runs
    final: Runs
    final_end: Runs
    stops: tuple[str, ...]
    code_json: bool
    output_json: bool


class _TurnProbe:
    """Lets a template write conversations, and cuts what it writes at known words."""

    def __init__(self, template: ChatTemplate, tools: Sequence[Any] | None) -> None:
        self._template = template
        self._tools = tools
        self._asked, _ = template.conversation([_QUESTION], tools, generation=True)

    def between(
        self, messages: Sequence[Message], words: Sequence[str], generation: bool = False
    ) -> list[Runs] | None:
        """Return what the template writes before, between and behind the words; None where it leaves one out."""
        text, spans = self._template.conversation([_QUESTION, *messages], self._tools, generation)
        start = len(self._shared(text))
        if spans is None:
            spans = [(start, len(text))]
        gaps, at = [], start
        for word in words:
            place = text.find(word, at)
            if place < 0:
                return None
            gaps.append(cut_runs(text, spans, at, place))
            at = place + len(word)
        return [*gaps, cut_runs(text, spans, at, len(text))]

    def opened(self, messages: Sequence[Message]) -> bool:
        """Whether the prompt opens a thought that a written answer does not have."""
        text, _ = self._template.conversation([_QUESTION, *messages], self._tools)
        return not text.startswith(self._asked) and self._asked.rstrip().endswith("<think>")

    @property
    def marked(self) -> bool:
        """Whether the template says what the assistant writes."""
        return self._template.conversation([_QUESTION], self._tools)[1] is not None

    def _shared(self, text: str) -> str:
        """Return what a conversation begins with as the prompt does, without the beginning of a mark."""
        shared = shared_start(text, self._asked)
        return shared if shared == self._asked else re.sub(r"<[^<>\s]*$", "", shared)


def shared_start(*texts: str) -> str:
    """Return what all texts begin with."""
    same = itertools.takewhile(lambda characters: len(set(characters)) == 1, zip(*texts, strict=False))
    return "".join(characters[0] for characters in same)


def _answer(thought: str = "", text: str = "", code: str = "") -> dict[str, Any]:
    # Templates call a thought by either name.
    named = {"reasoning_content": thought, "thinking": thought} if thought else {}
    calls = {"tool_calls": call(code)} if code else {}
    return {"role": "assistant", "content": text, **named, **calls}


def chat_turn(template: ChatTemplate) -> ChatTurn:
    """Find what stands around an answer.

    Raises:
        SettingsError: if the template does not show what the assistant says.
    """
    probe = _TurnProbe(template, None)
    answered = probe.between([_answer(text=_TEXT)], [_TEXT])
    if answered is None:
        raise SettingsError("the chat template does not show what the assistant says")
    first, end = answered
    end, stop = _end(end, last=False)
    thought = probe.between([_answer(_THOUGHT, _TEXT)], [_THOUGHT, _TEXT])
    opened = probe.opened([_answer(text=_TEXT)])
    if opened:
        first = ((_CLOSED_THOUGHT, False),)
    if opened and (thought is None or probe.opened([_answer(_THOUGHT, _TEXT)])):
        return ChatTurn(first, ((), ((_CLOSED_THOUGHT, True),)), end, stop, opened)
    return ChatTurn(first, (thought[0], thought[1]) if thought else None, end, stop, opened)


def tool_turns(template: ChatTemplate) -> ToolTurns:
    """Find what stands around the parts of a solution whose code is run by tool calls.

    Raises:
        SettingsError: if the template has no tool calls.
    """
    if not supports_tool_calling(template.tokenizer):
        raise SettingsError(_NO_CALLS)
    probe = _TurnProbe(template, [TOOL])
    chat = chat_turn(template)
    calling = _answer(code=_CODE + _QUOTES)
    code, code_json = _word(probe, [calling], _CODE)
    output, output_json = _word(probe, [calling, result(_OUTPUT + _QUOTES)], _OUTPUT)
    came = result(_OUTPUT + _QUOTES)
    bare, following = (probe.between([calling], [code], generation) for generation in (False, True))
    shown = probe.between([calling, came], [code, output], generation=True)
    if not (code and output and bare and following and shown):
        raise SettingsError(_NO_CALLS)
    both = probe.between([_answer(text=_TEXT, code=_CODE + _QUOTES)], [_TEXT, code])
    answered = probe.between([calling, came, _answer(text=_TEXT)], [code, output, _TEXT])
    call_end, call_stop = _end(bare[1], last=True)
    final = () if chat.opened else chat.plain
    if chat.opened:
        bare[0], both = _unthought(bare[0]), [_unthought(both[0]), *both[1:]] if both else None
    shared = shared_start(plain(bare[0]), plain(final), *([plain(both[0])] if both else []))
    begins = chat.plain if chat.opened else upto(final, len(shared))
    final = behind(final, len(shared))
    output_end, again = shown[2], begins
    if answered is not None and plain(answered[2]).startswith(plain(output_end)):
        # Which of the next turn's head counts is told only where that turn is written.
        again = behind(answered[2], len(plain(output_end)))
        again = upto(again, len(plain(again)) - len(plain(final)))
        output_end = upto(answered[2], len(plain(output_end)))
    new_turn = behind(following[1], len(plain(call_end)))
    opening, before_output = behind(bare[0], len(shared)), behind(shown[1], len(plain(call_end)))
    host = (lambda runs: runs) if probe.marked else _not_own
    return ToolTurns(
        plain=(begins, again),
        think=_think(probe, code, chat),
        text=behind(both[0], len(shared)) if both else final,
        call=opening,
        text_call=both[1]
        if both
        else _not_own((*chat.end, *behind(following[1], len(plain(bare[1]))))) + opening,
        call_end=call_end,
        new_turn=host(new_turn),
        output=host(before_output),
        output_end=host(output_end),
        final=final,
        final_end=chat.end,
        stops=tuple(dict.fromkeys((call_stop, chat.stop))),
        code_json=code_json,
        output_json=output_json,
    )


def _word(probe: _TurnProbe, messages: Sequence[Message], word: str) -> tuple[str, bool]:
    """Return a word and what follows it as the template writes them, and whether as JSON; "" if in neither way."""
    for written, as_json in ((word + json.dumps(_QUOTES)[1:-1], True), (word + _QUOTES, False)):
        if probe.between(messages, [written]) is not None:
            return written, as_json
    return "", False


def _unthought(runs: Runs) -> Runs:
    """Return what a turn begins with without the empty thought that a template may put there."""
    empty = re.match(r"(?:<think>)?\s*</think>\s*", plain(runs))
    return behind(runs, empty.end()) if empty else runs


def _not_own(runs: Runs) -> Runs:
    """Return the runs as the host's."""
    return tuple((text, False) for text, _ in runs)


def _end(runs: Runs, last: bool) -> tuple[Runs, str]:
    """Return what ends a message, and the token at which the model stops.

    Of a call, it is up to and with that token, its last mark; of a text the whole, and the token is its first mark.
    """
    text = plain(runs)
    marks = list(_TAG.finditer(text))
    if not marks:
        return runs, text.strip()
    mark = marks[-1] if last else marks[0]
    return (upto(runs, mark.end()) if last else runs), mark[0]


def _think(probe: _TurnProbe, code: str, chat: ChatTurn) -> tuple[Runs, Runs] | None:
    """Return what stands before and behind a thought, whatever follows it."""
    if chat.think is None:
        return None
    before, after = chat.think
    called = probe.between([_answer(_THOUGHT, code=_CODE + _QUOTES)], [_THOUGHT, code])
    if called is not None:
        after = upto(after, len(shared_start(plain(after), plain(called[1]))))
    return before, after
