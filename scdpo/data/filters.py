r"""Which sampled or corrupted continuations are thrown away, and why: garbled or repeated.

``drop_reason`` looks at one continuation, ``near_duplicates`` at the texts of one problem. Each reason is one
word, so that the counts of a run make a table.

The limits on the number and length of blocks are the format's: ``mathcoder`` has those of the SCDPO reference (see
``docs/corruptors.md``), the others have none.
Not covered: text that is fluent and wrong, which is what preference pairs are made of, languages mixed within one
script, and caps on the pairs of a problem (``pairs_per_problem`` of ``SCDPOConfig``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

from sandbox.blocks import Block
from sandbox.formats import FORMAT_NAMES, get_format

MAX_SCRIPTS: Final = 2  # Latin with one other (a Chinese solution with its formulas); Greek is free
SHINGLE_TOKENS: Final = 4
NEAR_DUPLICATE_JACCARD: Final = 0.9

_MARKS: Final = re.compile(
    "|".join(re.escape(token) for token in get_format("mathcoder").special_tokens)
    + r"|<\|\w{1,40}\|>|</?s>|\[/?INST\]|<(?:unk|pad|bos|eos)>"
)
# A fence of code left in a text, where a block should have been read. Not one: a plain fence around a table.
_CODE_FENCE: Final = re.compile(r"^ {0,3}`{3,}[ \t]*(?:python3?|py|output)\b", re.MULTILINE)

_MOJIBAKE: Final = re.compile(r"\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]|[\ue000-\uf8ff]")
# A unit of 1-80 characters, eight times in a row or more.
_LOOP: Final = re.compile(r"(\S.{0,79}?)\1{7,}", re.DOTALL)
_LOOP_CHARACTERS: Final = 60
_LINE_REPEATS: Final = 6
_CODE_LINE_REPEATS: Final = 24
"""Code repeats lines by its nature: six branches may all say ``return False``."""
_BLOCK_REPEATS: Final = 3
"""Where there is code; in a chain of thought a block is a line or a paragraph, and counts as one."""
# First words of Unicode character names.
_FREE_SCRIPTS: Final = frozenset(
    ["GREEK", "MATHEMATICAL", "SUPERSCRIPT", "SUBSCRIPT", "MODIFIER", "DOUBLE-STRUCK", "SCRIPT"]
)
_WRITTEN_WITH_CJK: Final = frozenset(["HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC"])
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)?|\w+|[^\w\s]")


def drop_reason(blocks: Sequence[Block], format: str | None = "mathcoder") -> str | None:
    """Return why a continuation is garbled, or None if it may stay.

    Args:
        blocks: what the model wrote after the prompt (or after the prefix), with the executions.
        format: the name of the format they were written in, whose limits hold; None where they were looked at before.

    Returns:
        ``too_many_blocks`` and ``long_block`` (over the format's limits), ``marker`` (a special token or a code fence
        inside a block), ``mojibake`` (replacement, control or private-use characters), ``repetition`` (a loop
        within a block, or the same block again and again), ``mixed_scripts``, or None.
    """
    limits = get_format(format) if format in FORMAT_NAMES else None
    most_blocks, most_characters = (limits.most_blocks, limits.most_characters) if limits else (None, None)
    if most_blocks is not None and len(blocks) > most_blocks:
        return "too_many_blocks"
    if most_characters is not None and any(len(block.content) > most_characters for block in blocks):
        return "long_block"
    if any(_MARKS.search(block.content) or _misplaced_fence(block, format) for block in blocks):
        return "marker"
    # The kernel wrote the executions: its colour codes and long lists of equal values are not noise.
    written = [block for block in blocks if block.type != "execution"]
    if any(_MOJIBAKE.search(block.content) for block in written):
        return "mojibake"
    if _repeats_itself(written) or any(_loops(block) for block in written):
        return "repetition"
    if any(_too_many_scripts(block.content) for block in written):
        return "mixed_scripts"
    return None


def _misplaced_fence(block: Block, format: str | None) -> bool:
    """Whether a block holds a fence that does not belong there; in markdown a text may have plain ones."""
    if format == "mathcoder":
        return "```" in block.content
    return block.type == "text" and _CODE_FENCE.search(block.content) is not None


def near_duplicates(texts: Sequence[str], threshold: float = NEAR_DUPLICATE_JACCARD) -> list[int]:
    """Return the indices of the texts that nearly repeat an earlier one, ascending.

    Two texts are near duplicates if the Jaccard similarity of their sets of 4-token shingles reaches
    ``threshold`` (0 to 1). The first of a group stays. Numbers are tokens, so that two solutions that
    differ in every value are not taken for one. Meant for one problem's texts: quadratic in their number.
    """
    kept: list[frozenset[tuple[str, ...]]] = []
    repeated: list[int] = []
    for index, text in enumerate(texts):
        shingles = _shingles(text)
        if any(_jaccard_reaches(shingles, other, threshold) for other in kept):
            repeated.append(index)
        else:
            kept.append(shingles)
    return repeated


def _loops(block: Block) -> bool:
    """Whether a unit is repeated without end, or one line again and again."""
    for match in _LOOP.finditer(block.content):
        if len(match.group()) >= _LOOP_CHARACTERS and any(c.isalnum() for c in match.group(1)):
            return True
    lines = Counter(line.strip() for line in block.content.splitlines() if len(line.strip()) > 8)
    most = _CODE_LINE_REPEATS if block.type == "code" else _LINE_REPEATS
    return any(count >= most for count in lines.values())


def _repeats_itself(blocks: Sequence[Block]) -> bool:
    """Whether one block stands again and again."""
    counts = Counter(block.content.strip() for block in blocks)
    most = _BLOCK_REPEATS if any(block.type == "code" for block in blocks) else _LINE_REPEATS
    return any(count >= most for content, count in counts.items() if content)


def _too_many_scripts(content: str) -> bool:
    """Whether the letters come from more scripts than one solution needs (Greek and symbols not counted)."""
    scripts: set[str] = set()
    for character in set(content):
        if character.isascii() or not character.isalpha():
            continue
        script = unicodedata.name(character, "UNKNOWN").split()[0]
        if script not in _FREE_SCRIPTS:
            scripts.add("CJK" if script in _WRITTEN_WITH_CJK else script)
    scripts.discard("LATIN")
    return len(scripts) > MAX_SCRIPTS - 1


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    tokens = _TOKEN.findall(text)
    if len(tokens) < SHINGLE_TOKENS:
        return frozenset([tuple(tokens)])
    return frozenset(tuple(tokens[i : i + SHINGLE_TOKENS]) for i in range(len(tokens) - SHINGLE_TOKENS + 1))


def _jaccard_reaches(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]], threshold: float) -> bool:
    if min(len(a), len(b)) < threshold * max(len(a), len(b)):
        return False  # the sizes alone rule it out
    common = len(a & b)
    return common >= threshold * (len(a) + len(b) - common)
