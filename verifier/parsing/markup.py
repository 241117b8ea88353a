"""Formula marks and emphasis around an answer, and how they come off."""

from __future__ import annotations

import re

from verifier.patterns import pattern

# "$x$", "$$x$$", "\(x\)", "\[x\]"; "\$5" is left alone.
MATH = pattern(
    r"\$(?<!\\\$)(?:\$(?P<a>[^$]+)\$\$|(?P<b>(?:[^$\\]|\\.)+)\$)|\\(?:\((?P<c>(?:[^\\]|\\[^()])+)\\\)|\[(?P<d>(?:[^\\]|\\[^\[\]])+)\\\])",
    re.DOTALL,
)
_WRAPS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__"), ("`", "`"))


def unwrap(text: str) -> str:
    """Take the formula marks off."""
    match = MATH.fullmatch(text.strip())
    return next(g for g in match.groups() if g is not None).strip() if match else text.strip()


def strip_markup(text: str) -> str:
    """Take off the emphasis, formula marks and full stop around an answer."""
    while True:
        before = text
        text = text.strip().strip("\u200b")
        for opening, closing in _WRAPS:
            if text.startswith(opening) and text.endswith(closing):
                inner = text[len(opening) : -len(closing)]
                if inner and opening not in inner:
                    text = inner
        text = text.removesuffix("。").removesuffix("**").removeprefix("**")
        if text.endswith(".") and not text.endswith(("..", "\\.")):
            text = text[:-1]
        if text == before:
            return text
