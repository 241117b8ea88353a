"""The format ``chat``: a model's own template, and in one answer of the assistant text with fenced code and outputs.

Qwen2.5-Math's prompts for tool-integrated reasoning are written so. A thought may stand at the beginning. Not
covered: answers in several messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sandbox.blocks import Block, BlockType
from sandbox.formats import CotFormat, Format, Located, MarkdownFormat, Piece
from sandbox.formats.base import normalise_newlines, written
from scdpo.data.formats.messages import Answer, Conversation, asked
from scdpo.data.formats.template import ChatTemplate, Escapes, Mark, plain
from scdpo.data.formats.turns import ChatTurn, chat_turn

_OUTPUT_FENCE: Final = "```output"
"""Where a model hands over to the kernel; an answer that ends in code does as well."""
_FENCE_END: Final = "```\n"
"""Where code ends; many models go on in words behind it. A fence around no code looks the same where it opens."""


class ChatFormat:
    """A solution in one answer under a chat template (see ``sandbox.formats.base.Format``).

    Args:
        template: of the tokenizer.
        inner: how the answer itself is written: fences, or chain of thought.
        name: of the format.

    Raises:
        SettingsError: if the template is missing, or does not show what the assistant says.
    """

    special_tokens: tuple[str, ...] = ()
    most_blocks: int | None = None
    most_characters: int | None = None

    def __init__(self, template: ChatTemplate, inner: MarkdownFormat | CotFormat, name: str) -> None:
        self.name = name
        self._template = template
        self._inner: Format = inner
        self._turn: ChatTurn = chat_turn(template)
        self.end = plain(self._turn.end)
        self.stop = (*inner.stop, self._turn.stop)
        self.block_tokens = inner.block_tokens
        fenced = isinstance(inner, MarkdownFormat)
        self._handing_over = (_OUTPUT_FENCE,) if fenced else ()
        self._exact = (_FENCE_END,) if fenced else ()
        before, behind = self._turn.think or ((), ())
        self._before, self._behind, self._plain = (
            Mark(plain(runs)) for runs in (before, behind, self._turn.plain)
        )
        cores = [mark.core for mark in (self._before, self._behind) if mark.core]
        self._escapes = Escapes([*template.marks, *cores])

    def prompt(self, question: str, system: str = "") -> str:
        """Return the conversation up to where the assistant answers."""
        return self._template.prompt(self._asked(question, system))

    def _asked(self, question: str, system: str) -> list[dict[str, Any]]:
        put = self._escapes.put
        return asked(put(normalise_newlines(question)), put(normalise_newlines(system)))

    def conversation(self, question: str, system: str, text: str) -> Conversation:
        """Return the question, and the answer so far as a message to go on from (see ``MessageFormat``)."""
        messages = self._asked(question, system)
        opening = self._opening(text)
        if text:
            answer = {"role": "assistant", "content": text[opening.end :] if opening else text}
            thought = opening.block.content.strip() if opening else ""
            messages.append({**answer, **({"reasoning_content": thought} if thought else {})})
        return Conversation(tuple(messages), stop=self._handing_over, exact=self._exact)

    def answered(self, answer: Answer, before: Sequence[Block]) -> str:
        """Return an answer with what the template puts before a thought and behind the end (see ``MessageFormat``)."""
        if answer.calls:
            raise ValueError(f"the model called a tool, which the {self.name} format has not")
        text = answer.content
        if answer.thought:
            if before or self._turn.think is None:
                raise ValueError(f"the {self.name} format of this tokenizer holds no thought here")
            opened, closed = self._turn.think
            text = plain(opened) + answer.thought + (plain(closed) + text if text or answer.ended else "")
        elif not before and not ((read := self._opening(text)) and read.closed):
            text = plain(self._turn.plain) + text
        return text + (self._turn.stop if answer.ended else "")

    def write(
        self, blocks: Sequence[Block], before: Sequence[Block] = (), ended: bool = False
    ) -> list[Piece]:
        """Write an answer, or what follows a part of one (see ``Format.write``)."""
        pieces: list[Piece] = []
        start = next((i for i, block in enumerate(blocks) if block.type != "thought"), len(blocks))
        for block in blocks[:start]:
            if self._turn.think is None or before or pieces:
                raise ValueError(
                    f"the {self.name} format of this model holds a thought only where the answer begins"
                )
            opened, closed = self._turn.think
            pieces.append(
                Piece((*opened, (self._escapes.put(normalise_newlines(block.content)), True), *closed))
            )
        rest = [Block(block.type, self._escapes.put(block.content)) for block in blocks[start:]]
        for piece in written(self._inner, rest, ended=False):
            opening = () if before or pieces else self._turn.plain
            pieces.append(Piece((*opening, *piece.runs)))
        if ended:
            if rest and self._ends_line(rest[-1]):
                text, own = pieces[-1].runs[-1]
                pieces[-1] = Piece((*pieces[-1].runs[:-1], (text[:-1], own)))
            opening = () if pieces or before else self._turn.plain
            pieces.append(Piece((*opening, *self._turn.end)))
        return pieces

    def _ends_line(self, last: Block) -> bool:
        """Whether the line end behind an answer's last block can be left out: a model does not write it."""
        if isinstance(self._inner, CotFormat):
            return False
        return last.type != "text" or (bool(last.content) and not last.content.endswith(("\n", "\r")))

    def render(self, blocks: Iterable[Block], previous: BlockType | None = None) -> str:
        """Write the beginning of an answer, or what follows a block of it."""
        before = [Block(previous, "")] if previous else []
        return "".join(piece.text for piece in self.write(list(blocks), before))

    def whole(self, turn: str) -> bool:
        """Whether a turn holds no marks of the template but those of a thought and the end."""
        turn = turn.removesuffix(self._turn.stop)
        opening = self._opening(turn)
        return not self._escapes.mark.search(turn, opening.end if opening else 0)

    def ended(self, turn: str) -> bool:
        """Whether the turn ends in the token that ends the answer."""
        return turn.endswith(self._turn.stop)

    def before_output(self, text: str) -> str:
        """Return the text without the end that a model may write right behind its code."""
        return self._inner.before_output(text.removesuffix(self._turn.stop))

    def parse(self, text: str) -> tuple[Block, ...]:
        """Read an answer (see ``locate``)."""
        return tuple(located.block for located in self.locate(text))

    def locate(self, text: str, continued: bool = False) -> list[Located]:
        """Read an answer, or what follows a part of one."""
        end = text.find(self._turn.stop)
        end = len(text) if end < 0 else end
        opening = None if continued else self._opening(text[:end])
        start = opening.end if opening else 0
        found = [opening] if opening and opening.block.content.strip() else []
        for read in self._inner.locate(text[start:end]):
            block = Block(read.block.type, self._escapes.take(read.block.content))
            found.append(Located(block, read.start + start if found else 0, read.end + start, read.closed))
        return found

    def _opening(self, text: str) -> Located | None:
        """Return the thought that an answer begins with, blank where it is an empty one; None where there is none."""
        begins = self._before.match(text) if self._before.core else 0
        if self._behind.core and begins is not None:
            behind = self._behind.search(text, begins)
            start, end = behind or (len(text), len(text))
            content = self._escapes.take(text[begins:start])
            return Located(Block("thought", content), 0, end, behind is not None)
        instead = self._plain.match(text) if self._plain.core else None
        return None if instead is None else Located(Block("thought", ""), 0, instead)
