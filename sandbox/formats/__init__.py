r"""How a solution is written for a model and read back: one module a way of writing.

Every format keeps two promises, tested on real and on random text:

* ``parse(render(blocks))`` gives the blocks back, whatever they contain. Where a content would read
  as the format's own mark-up (a kernel may print ``<|endofblock|>``), one backslash is put into it
  on writing and taken out on reading, so that output can never forge a block.
* ``parse`` takes any text at all, in linear time; what stands outside every block is read as text.

Line ends are normalised to ``\n`` on writing. Not covered: formats that need a model's own chat template
(``scdpo.data.formats``), and those of other projects that use neither of these marks.
"""

from __future__ import annotations

from sandbox.formats.base import Format, Located, Piece, normalise_newlines
from sandbox.formats.cot import METAMATH, PARAGRAPHS, CotFormat
from sandbox.formats.markdown import MarkdownFormat
from sandbox.formats.mathcoder import MathCoderFormat

_FORMATS: dict[str, Format] = {
    made.name: made for made in (MathCoderFormat(), MarkdownFormat(), CotFormat(), METAMATH, PARAGRAPHS)
}
FORMAT_NAMES: tuple[str, ...] = tuple(_FORMATS)

__all__ = [
    "FORMAT_NAMES",
    "METAMATH",
    "PARAGRAPHS",
    "CotFormat",
    "Format",
    "Located",
    "MarkdownFormat",
    "MathCoderFormat",
    "Piece",
    "get_format",
    "normalise_newlines",
]


def get_format(name: str) -> Format:
    """Return the format of this name.

    Raises:
        ValueError: if there is none.
    """
    if name not in _FORMATS:
        raise ValueError(f"format {name!r} is not one of {', '.join(FORMAT_NAMES)}")
    return _FORMATS[name]
