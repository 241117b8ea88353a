"""One alphabet for what models write: full-width, Unicode and invisible characters become plain LaTeX.

Works character by character in one pass, so its time grows with the length only. It changes how symbols are
written, never what they mean; it does not parse.
"""

from __future__ import annotations

import re

from verifier.patterns import pattern

# --- commands that set words

TEXT_COMMANDS = (
    "operatorname", "textnormal", "boldsymbol", "underline", "mathfrak", "mathcal", "textbf", "textit", "textrm",
    "textsf", "texttt", "mathrm", "mathbf", "mathit", "mathsf", "mbox", "hbox", "text", "emph", "bold",
)  # fmt: skip
TEXT_COMMAND = rf"\\(?:{'|'.join(TEXT_COMMANDS)})(?![A-Za-z])\*?\s*"

# The sign stands first, so that the search goes from one to the next; the name of a command goes with its backslash.
_WORD_NOISE = pattern(rf"[{{}}$\\~](?:(?<=\\){TEXT_COMMAND[2:]})?")


def words_of(text: str) -> str:
    """Return the words of an answer in lower case with single spaces, without LaTeX and end punctuation."""
    return " ".join(_WORD_NOISE.sub(" ", text).lower().split()).strip(" .,;:!?\"'")


# --- characters

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u2061\u2062\u2063"
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

_SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "‐": "-", "‑": "-",
    "×": r"\times ", "✕": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "•": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "∕": "/", "⁄": "/", "∶": ":", "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]",
    "±": r"\pm ", "∓": r"\mp ", "≤": r"\le ", "≦": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "≧": r"\ge ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≒": r"\approx ", "≃": r"\approx ", "∞": r"\infty ",
    "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "∖": r"\setminus ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "°": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F", "′": "'", "″": "''", "’": "'", "‘": "'",
    "“": '"', "”": '"', "π": r"\pi ", "∠": r"\angle ", "△": r"\triangle ", "⊥": r"\perp ", "∥": r"\parallel ",
    "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∂": r"\partial ", "∝": r"\propto ", "⟂": r"\perp ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ",
    "λ": r"\lambda ", "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ",
    "ϕ": r"\phi ", "ω": r"\omega ", "Δ": r"\Delta ", "Σ": r"\Sigma ", "Ω": r"\Omega ", "ℓ": r"\ell ",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}",
    "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}",
    "。": ".", "、": ",", "【": "[", "】": "]", "《": "<", "》": ">", "「": '"', "」": '"', "…": r"\ldots ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "\x0c": "\\f", "→": r"\to ",
    "⇒": r"\Rightarrow ", "∣": "|", "∗": "*", "﹪": "%",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n", strict=True))

_TABLE: dict[int, str | None] = {ord(c): None for c in _INVISIBLE}
_TABLE |= {ord(c): " " for c in _SPACES}
_TABLE |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_TABLE |= {ord(c): text for c, text in _SYMBOLS.items()}

_SUPERSCRIPT_RUN = pattern("[" + "".join(map(re.escape, _SUPERSCRIPTS)) + "]+")
_SUBSCRIPT_RUN = pattern("[" + "".join(map(re.escape, _SUBSCRIPTS)) + "]+")


def plain(text: str) -> str:
    """Return ``text`` with Unicode mathematics, full-width and invisible characters as plain LaTeX."""
    if text.isascii():
        return text.replace("\x0c", "\\f") if "\x0c" in text else text
    text = _SUPERSCRIPT_RUN.sub(lambda m: "^{" + "".join(_SUPERSCRIPTS[c] for c in m[0]) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda m: "_{" + "".join(_SUBSCRIPTS[c] for c in m[0]) + "}", text)
    return text.translate(_TABLE)


_CJK = pattern("[\u3400-\u9fff]")


def has_chinese(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return not text.isascii() and _CJK.search(text) is not None


_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "零〇一二两三四五六七八九十百千万亿"
# 五分之三, 五分之3; 五分钟 is left alone.
_FRACTION_WORDS = pattern(f"([{_NUMERAL}]{{1,12}})分之([{_NUMERAL}]{{1,12}}|\\d{{1,12}})")
# 二又五分之三, 2又\frac35; 又是 is left alone.
_MIXED = pattern(f"([{_NUMERAL}]{{1,12}}|(?<=[0-9]))又(?=[0-9]|\\\\frac)")
# 3点20分, 15时05分; 3小时20分, a duration, is left alone.
_TIME = pattern(r"(\d+)\s*[点时]\s*(\d{2})\s*分")
# 3小时20分; 3小时 is left alone.
_HOUR_MINUTES = pattern(r"(\d+)\s*小时\s*(\d+)\s*分钟?")
# 百分之5; 百分之五, which is a fraction in words, is left alone.
_PERCENT = pattern(r"百分之\s*(-?\d+(?:\.\d+)?)")
# 根号3, 根号下3; 根 is left alone.
_ROOT = pattern(r"根号下?\s*")
# 一百二十三; 一个 is left alone.
_INTEGER_WORDS = pattern(f"[{_NUMERAL}]{{1,16}}")


def chinese_integer(word: str) -> int:
    """Return the value of a Chinese numeral up to 10^12, such as ``一百二十三``."""
    total = section = digit = 0
    for c in word:
        if c in _DIGITS:
            digit = _DIGITS[c]
        elif c in _UNITS:
            section += (digit or 1) * _UNITS[c]
            digit = 0
        else:
            total = (total + section + digit) * (10_000 if c == "万" else 100_000_000)
            section = digit = 0
    return total + section + digit


def chinese_words(text: str) -> str:
    """Write ``五分之三``, ``百分之五``, ``根号3`` and numerals that stand alone in digits and LaTeX."""
    if text.isascii():
        return text
    text = _TIME.sub(r"\1:\2", text)
    text = _PERCENT.sub(r"\1%", text)
    text = _HOUR_MINUTES.sub(r"\1小时\2分钟", text)

    def fraction(match: re.Match[str]) -> str:
        top = int(match[2]) if match[2].isdigit() else chinese_integer(match[2])
        return rf"\frac{{{top}}}{{{chinese_integer(match[1])}}}"

    text = _MIXED.sub(
        lambda m: f"{chinese_integer(m[1]) if m[1] else ''} ", _FRACTION_WORDS.sub(fraction, text)
    )
    text = _ROOT.sub(r"\\sqrt ", text)
    text = re.sub(r"派(?![a-z])", r"\\pi ", text) if re.fullmatch(r"[\d./]*派", text) else text
    if _INTEGER_WORDS.fullmatch(text.removeprefix("负")):
        return ("-" if text[0] == "负" else "") + str(chinese_integer(text.removeprefix("负")))
    return text
