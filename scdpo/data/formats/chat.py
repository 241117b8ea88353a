"""The format ``chat``: a model's own template, and in one answer of the assistant text with fenced code and outputs.

Qwen2.5-Math's prompts for tool-integrated reasoning are written so. A thought may stand at the beginning. Not
covered: answers in several messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.blocks import Block, BlockType
from sandbox.formats import CotFormat, Format, Located, MarkdownFormat, Piece
from sandbox.formats.base import normalise_newlines, written
from scdpo.data.formats.template import ChatTemplate, Escapes, Mark, plain
from scdpo.data.formats.turns import ChatTurn, chat_turn


def conversation(question: str, system: str) -> list[dict[str, str]]:
    """Return the messages that ask a question."""
    asked = [{"role": "user", "content": question}]
    return [{"role": "system", "content": system}, *asked] if system else asked


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
        before, behind = self._turn.think or ((), ())
        self._before, self._behind, self._plain = (
            Mark(plain(runs)) for runs in (before, behind, self._turn.plain)
        )
        cores = [mark.core for mark in (self._before, self._behind) if mark.core]
        self._escapes = Escapes([*template.marks, *cores])

    def prompt(self, question: str, system: str = "") -> str:
        """Return the conversation up to where the assistant answers."""
        put = self._escapes.put
        return self._template.prompt(
            conversation(put(normalise_newlines(question)), put(normalise_newlines(system)))
        )

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
