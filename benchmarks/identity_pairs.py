r"""A second source of answer pairs whose label is known exactly, from other identities and other slips.

``benchmarks.answer_pairs`` writes one object in several forms and changes a part of it. Here a pair comes from a law
(sums of roots, telescoping, Vieta, periods, bases, congruences, geometry, counting) that gives the right value by a way
of its own, and the wrong answers are the slips that people make on that way: a sign lost, an index off by one, a factor
not squared, degrees for radians, an end included, a root forgotten. Labels are computed with integers and fractions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

Case = tuple[str, list[str], list[str]]  # the gold, right answers, wrong answers


@dataclass(frozen=True, slots=True)
class IdentityPair:
    """A prediction and a gold answer; ``correct`` is exact."""

    prediction: str
    gold: str
    correct: bool
    law: str


def identity_pairs(count: int, seed: int = 0) -> Iterator[IdentityPair]:
    """Yield ``count`` pairs, about half of them wrong; the same for the same seed."""
    return islice(_endless(random.Random(f"identities {seed}")), count)


def _endless(rng: random.Random) -> Iterator[IdentityPair]:
    while True:
        name = rng.choice(list(LAWS))
        gold, right, wrong = LAWS[name](rng)
        for answers, label in ((right, True), (wrong, False)):
            if not answers:
                continue
            prediction, target = rng.choice(answers), gold
            if rng.random() < 0.25:
                prediction, target = target, prediction
            yield IdentityPair(_said(prediction, rng), target, label, name)


def _said(answer: str, rng: random.Random) -> str:
    frames = (
        "\\boxed{%s}",
        "Hence we obtain $\\boxed{%s}$.",
        "**Answer:** \\boxed{%s}",
        "\\[\\boxed{ %s }\\]",
    )
    return rng.choice(frames) % answer


def _ratio(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\dfrac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _term(coefficient: int, letters: str) -> str:
    """Write ``+3x``, ``-x`` or nothing."""
    if coefficient == 0:
        return ""
    size = "" if abs(coefficient) == 1 and letters else str(abs(coefficient))
    return f"{'-' if coefficient < 0 else '+'}{size}{letters}"


def _joined(*terms: str) -> str:
    return "".join(terms).removeprefix("+") or "0"


# --- arithmetic


def _percent_change(rng: random.Random) -> Case:
    start, rate = 20 * rng.randint(1, 60), 5 * rng.randint(1, 15)
    value = Fraction(start * (100 + rate), 100)
    right = [
        _ratio(value),
        f"{start}\\cdot 1.{rate:02}",
        f"{start}+{start}\\cdot{rate}\\%",
        f"{float(value)}",
    ]
    slips = {Fraction(start * (100 - rate), 100), Fraction(start * rate, 100), Fraction(start + rate)} - {
        value
    }
    return f"{float(value):g}", right, [f"{float(s):g}" for s in slips]


def _mixed_numbers(rng: random.Random) -> Case:
    whole, bottom = rng.randint(1, 20), rng.randint(3, 15)
    top = rng.randint(1, bottom - 1)
    value = whole + Fraction(top, bottom)
    right = [
        f"{whole}\\tfrac{{{top}}}{{{bottom}}}",
        f"{whole}\\ {top}/{bottom}",
        f"\\frac{{{whole * bottom + top}}}{{{bottom}}}",
        f"{whole}+\\frac{{{top}}}{{{bottom}}}",
    ]
    wrong = [f"\\frac{{{whole * top}}}{{{bottom}}}", f"{whole}\\tfrac{{{bottom - top}}}{{{bottom}}}"]
    wrong = [
        w
        for w, v in zip(
            wrong, (Fraction(whole * top, bottom), whole + 1 - Fraction(top, bottom)), strict=True
        )
        if v != value
    ]
    return _ratio(value), right, [*wrong, f"-{whole}\\tfrac{{{top}}}{{{bottom}}}"]


def _repeating(rng: random.Random) -> Case:
    lead, cycle = rng.randint(0, 9), rng.randint(1, 98)
    value = Fraction(lead, 10) + Fraction(cycle, 990)
    right = [f"0.{lead}\\overline{{{cycle:02}}}", f"0.{lead}({cycle:02})", _ratio(value)]
    wrong = [f"0.{lead}{cycle:02}", f"0.\\overline{{{lead}{cycle:02}}}" if 10 * cycle // 99 != lead else "0"]
    exact = Fraction(lead * 100 + cycle, 999)
    return _ratio(value), right, wrong[:1] if exact == value else wrong


def _bases(rng: random.Random) -> Case:
    base, value = rng.randint(2, 9), rng.randint(10, 4000)
    digits, rest = "", value
    while rest:
        digits, rest = str(rest % base) + digits, rest // base
    right = [f"{digits}_{{{base}}}", f"({digits})_{{{base}}}", f"{digits}_{base}"]
    swapped = digits[-1] + digits[1:-1] + digits[0]
    wrong = [f"{digits}0_{{{base}}}", f"{digits}_{{{base + 1}}}"] + (
        [f"{swapped}_{{{base}}}"] if swapped != digits else []
    )
    return f"{digits}_{base}", right, wrong


def _remainders(rng: random.Random) -> Case:
    base, power, modulus = rng.randint(2, 30), rng.randint(2, 60), rng.randint(3, 97)
    value = pow(base, power, modulus)
    right = [f"{base}^{{{power}}} \\bmod {modulus}", str(value), f"{value + modulus} \\bmod {modulus}"]
    slip = (value * base) % modulus
    return (
        str(value),
        right,
        [
            str(value + modulus),
            *([str(slip)] if slip != value else []),
            f"{base}^{{{power}}}" if base**power != value else str(value - 1),
        ],
    )


def _congruences(rng: random.Random) -> Case:
    modulus = rng.randint(3, 40)
    value, k = rng.randint(0, modulus - 1), rng.randint(1, 5)
    gold = f"x \\equiv {value} \\pmod{{{modulus}}}"
    right = [
        f"x\\equiv {value + k * modulus}\\pmod {{{modulus}}}",
        f"x \\equiv {value - modulus} \\pmod{{{modulus}}}",
    ]
    wrong = [f"x\\equiv {value + 1}\\pmod{{{modulus}}}", f"x \\equiv {value} \\pmod{{{modulus + 1}}}"]
    return gold, right, wrong


# --- counting


def _choices(rng: random.Random) -> Case:
    n = rng.randint(4, 30)
    k = rng.randint(2, n - 2)
    value = math.comb(n, k)
    right = [
        f"\\binom{{{n}}}{{{n - k}}}",
        f"\\frac{{{n}!}}{{{k}!\\,{n - k}!}}",
        f"{{}}_{{{n}}}C_{{{k}}}",
        f"{{{n} \\choose {k}}}",
        f"\\binom{{{n - 1}}}{{{k}}}+\\binom{{{n - 1}}}{{{k - 1}}}",
        f"C({n},{k})",
        f"C_{{{n}}}^{{{k}}}",
    ]
    slips = {
        f"\\binom{{{n}}}{{{k - 1}}}": math.comb(n, k - 1),
        f"\\frac{{{n}!}}{{{n - k}!}}": math.perm(n, k),
        f"\\binom{{{n + 1}}}{{{k}}}": math.comb(n + 1, k),
    }
    return str(value), right, [text for text, other in slips.items() if other != value]


def _falling(rng: random.Random) -> Case:
    k, m = rng.randint(2, 4), rng.randint(1, 6)
    product = "".join(f"(n-{j})" if j else "n" for j in range(k))
    right = [
        f"\\frac{{{m}\\cdot n!}}{{{math.factorial(k)}(n-{k})!}}",
        f"\\frac{{{m}{product}}}{{{math.factorial(k)}}}",
    ]
    wrong = [
        f"{m}\\binom{{n}}{{{k + 1}}}",
        f"{m}\\binom{{n+1}}{{{k}}}",
        f"\\frac{{{m}{product}}}{{{math.factorial(k) + 1}}}",
    ]
    return f"{m}\\binom{{n}}{{{k}}}", right, wrong


def _sums(rng: random.Random) -> Case:
    a, d = rng.randint(1, 9), rng.randint(1, 9)
    gold = f"\\frac{{n({2 * a - d}+{d}n)}}{{2}}".replace("+-", "-")
    terms = f"\\sum_{{k=1}}^{{n}} ({a}+{d}(k-1))"
    right = [
        f"\\frac{{n}}{{2}}\\left({2 * a}+(n-1)\\cdot{d}\\right)",
        f"{a}n+{d}\\cdot\\frac{{n(n-1)}}{{2}}",
        terms,
    ]
    wrong = [
        f"\\frac{{n}}{{2}}\\left({2 * a}+n\\cdot{d}\\right)",
        f"{a}n+{d}\\cdot\\frac{{n(n+1)}}{{2}}",
        f"n({2 * a}+(n-1)\\cdot{d})",
    ]
    return gold, right, wrong


def _telescoping(rng: random.Random) -> Case:
    n = rng.randint(3, 60)
    value = 1 - Fraction(1, n + 1)
    right = [f"\\sum_{{k=1}}^{{{n}}} \\frac{{1}}{{k(k+1)}}", f"1-\\frac{{1}}{{{n + 1}}}"]
    return (
        _ratio(value),
        right,
        [f"\\sum_{{k=1}}^{{{n - 1}}} \\frac{{1}}{{k(k+1)}}", f"1-\\frac{{1}}{{{n}}}", "1"],
    )


def _geometric(rng: random.Random) -> Case:
    r, n, a = rng.randint(2, 6), rng.randint(3, 12), rng.randint(1, 9)
    value = a * (r**n - 1) // (r - 1)
    right = [f"\\frac{{{a}({r}^{{{n}}}-1)}}{{{r - 1}}}", f"\\sum_{{j=0}}^{{{n - 1}}} {a}\\cdot {r}^j"]
    wrong = [
        f"\\frac{{{a}({r}^{{{n + 1}}}-1)}}{{{r - 1}}}",
        f"\\sum_{{j=1}}^{{{n}}} {a}\\cdot {r}^j",
        f"{a}\\cdot {r}^{{{n}}}",
    ]
    return str(value), right, wrong


# --- roots, logarithms, angles


def _nested_roots(rng: random.Random) -> Case:
    a, b = rng.sample((2, 3, 5, 6, 7, 10, 11, 13), 2)
    gold = f"\\sqrt{{{a}}}+\\sqrt{{{b}}}"
    right = [
        f"\\sqrt{{{a + b}+2\\sqrt{{{a * b}}}}}",
        f"\\frac{{{abs(a - b)}}}{{|\\sqrt{{{a}}}-\\sqrt{{{b}}}|}}",
    ]
    wrong = [
        f"\\sqrt{{{a + b}}}",
        f"\\sqrt{{{a + b}+\\sqrt{{{a * b}}}}}",
        f"\\sqrt{{{a + b}-2\\sqrt{{{a * b}}}}}",
    ]
    return gold, right, wrong


def _conjugates(rng: random.Random) -> Case:
    a, b, c = rng.randint(2, 12), rng.randint(1, 9), rng.choice((2, 3, 5, 7, 11))
    norm = a * a - b * b * c
    if norm == 0:
        a, norm = a + 1, (a + 1) ** 2 - b * b * c
    gold = f"\\frac{{1}}{{{a}+{b}\\sqrt{{{c}}}}}"
    right = [f"\\frac{{{a}-{b}\\sqrt{{{c}}}}}{{{norm}}}", f"({a}+{b}\\sqrt{{{c}}})^{{-1}}"]
    wrong = [
        f"\\frac{{{a}+{b}\\sqrt{{{c}}}}}{{{norm}}}" if norm != 1 or b else "0",
        f"\\frac{{{a}-{b}\\sqrt{{{c}}}}}{{{norm + 1 or 2}}}",
        f"\\frac1{{{a}}}+\\frac1{{{b}\\sqrt{{{c}}}}}",
    ]
    return gold, right, wrong


def _logarithms(rng: random.Random) -> Case:
    base, p, q = rng.choice((2, 3, 5, 7)), rng.randint(1, 6), rng.randint(2, 7)
    value = Fraction(p, q)
    right = [
        f"\\log_{{{base**q}}} {base**p}",
        f"\\frac{{\\ln {base**p}}}{{{q}\\ln {base}}}",
        f"\\log_{{{base}}} \\sqrt[{q}]{{{base**p}}}",
    ]
    wrong = [
        f"\\log_{{{base**p}}} {base ** (q + 1)}" if Fraction(q + 1, p) != value else "2",
        f"\\frac{{\\ln {base**p}}}{{\\ln {q}\\ln {base}}}",
        _ratio(value + 1),
    ]
    return _ratio(value), right, wrong


def _angles(rng: random.Random) -> Case:
    degrees = rng.choice((15, 18, 22, 36, 40, 50, 70, 72, 75))
    gold = f"\\sin {degrees}^\\circ"
    right = [
        f"\\cos {90 - degrees}^\\circ",
        f"\\sin {180 - degrees}^\\circ",
        f"\\sin\\frac{{{degrees}\\pi}}{{180}}",
        f"-\\sin({degrees + 180}^\\circ)",
    ]
    wrong = [
        f"\\cos {degrees}^\\circ",
        f"\\sin {degrees}",
        f"\\sin {degrees + 180}^\\circ",
        f"\\sin {2 * degrees}^\\circ",
    ]
    return gold, right, wrong


def _addition(rng: random.Random) -> Case:
    k, m = rng.sample(range(1, 8), 2)
    gold = f"\\cos({k}x)\\cos({m}x)"
    right = [
        f"\\frac{{\\cos({k + m}x)+\\cos({abs(k - m)}x)}}{{2}}",
        f"\\cos({k + m}x)+\\sin({k}x)\\sin({m}x)",
    ]
    wrong = [
        f"\\frac{{\\cos({k + m}x)-\\cos({abs(k - m)}x)}}{{2}}",
        f"\\cos({k + m}x)-\\sin({k}x)\\sin({m}x)",
        f"\\cos({k * m}x^2)",
    ]
    return gold, right, wrong


# --- equations, sets, functions


def _circles(rng: random.Random) -> Case:
    h, k, r = rng.randint(-9, 9), rng.randint(-9, 9), rng.randint(1, 12)
    gold = f"(x{-h:+})^2+(y{-k:+})^2={r * r}"
    constant = h * h + k * k - r * r
    expanded = _joined("x^2", "+y^2", _term(-2 * h, "x"), _term(-2 * k, "y"), _term(constant, ""))
    right = [f"{expanded}=0", f"{r * r}-(x{-h:+})^2=(y{-k:+})^2", f"2(x{-h:+})^2+2(y{-k:+})^2={2 * r * r}"]
    wrong = [f"(x{-h:+})^2+(y{-k:+})^2={r * r + 1}", f"(x{-h:+})^2-(y{-k:+})^2={r * r}", f"{expanded}=1"]
    if h:
        wrong.append(f"(x{h:+})^2+(y{-k:+})^2={r * r}")
    return gold, right, wrong


def _factored_equations(rng: random.Random) -> Case:
    p, q = rng.sample(range(-9, 10), 2)
    gold = f"x^2{_term(-(p + q), 'x')}{_term(p * q, '')}=0"
    right = [f"(x{-p:+})(x{-q:+})=0", f"x={p}\\text{{ or }}x={q}", f"{p}, {q}", f"x\\in\\{{{q},{p}\\}}"][:1]
    roots = [f"x={p}\\text{{ or }}x={q}", f"x = {q}, x = {p}", f"{p} \\text{{ and }} {q}"]
    if rng.random() < 0.5:
        return (
            f"{p}, {q}",
            roots,
            [f"{p}", f"{-p}, {-q}" if {p, q} != {-p, -q} else "77", f"{p}, {q}, {q + 20}"],
        )
    return (
        gold,
        right,
        [f"(x{p:+})(x{q:+})=0" if {p, q} != {-p, -q} else "x=77", f"x{-p:+}=0", f"(x{-p:+})(x{-q:+})=1"],
    )


def _intervals(rng: random.Random) -> Case:
    a = rng.randint(-15, 15)
    b = a + rng.randint(1, 12)
    middle, half = Fraction(a + b, 2), Fraction(b - a, 2)
    gold = f"({a},{b})"
    right = [
        f"|x-({_ratio(middle)})|<{_ratio(half)}",
        f"(x{-a:+})(x{-b:+})<0",
        f"]{a},{b}[",
        f"\\{{x : {a} < x < {b}\\}}",
        f"({a};{b})",
    ]
    wrong = [
        f"[{a},{b}]",
        f"(x{-a:+})(x{-b:+})>0",
        f"|x-({_ratio(middle)})|\\le{_ratio(half)}",
        f"[{a},{b}[",
        f"({a},{b + 1})",
    ]
    return gold, right, wrong


def _excluded(rng: random.Random) -> Case:
    a = rng.randint(-9, 9)
    gold = f"\\mathbb{{R}}\\setminus\\{{{a}\\}}"
    right = [f"(-\\infty,{a})\\cup({a},\\infty)", f"x\\ne {a}", f"x<{a}\\text{{ or }}x>{a}"]
    return gold, right, ["\\mathbb{R}", f"(-\\infty,{a}]\\cup({a},\\infty)", f"x>{a}", f"x\\ne {a + 1}"]


def _pieces(rng: random.Random) -> Case:
    a = rng.randint(-6, 6)
    gold = f"|x{-a:+}|" if a else "|x|"
    up, down = (f"x{-a:+}", f"{a}-x") if a else ("x", "-x")
    right = [
        f"\\begin{{cases}} {up} & x\\ge {a}\\\\ {down} & x<{a}\\end{{cases}}",
        f"\\max({up},{down})",
        f"\\sqrt{{({up})^2}}",
    ]
    wrong = [
        f"\\begin{{cases}} {up} & x\\ge {a + 1}\\\\ {down} & x<{a + 1}\\end{{cases}}",
        up,
        f"\\min({up},{down})",
    ]
    return gold, right, wrong


def _antiderivatives(rng: random.Random) -> Case:
    n, c = rng.randint(1, 6), rng.randint(1, 9)
    gold = f"\\frac{{{c}x^{{{n + 1}}}}}{{{n + 1}}}+C"
    right = [f"{c}\\cdot\\frac{{x^{{{n + 1}}}}}{{{n + 1}}}+c", f"C+\\frac{{{c}}}{{{n + 1}}}x^{{{n + 1}}}"]
    wrong = [
        f"\\frac{{{c}x^{{{n + 1}}}}}{{{n}}}+C" if n > 0 else "0",
        f"{c * n}x^{{{n - 1}}}+C" if n > 1 else "C",
        f"{c}x^{{{n + 1}}}+C",
    ]
    return gold, right, wrong


def _integrals(rng: random.Random) -> Case:
    n, b, c = rng.randint(1, 5), rng.randint(1, 6), rng.randint(1, 9)
    value = Fraction(c * b ** (n + 1), n + 1)
    right = [f"\\int_0^{{{b}}} {c}x^{{{n}}}\\,dx", _ratio(value)]
    return (
        _ratio(value),
        right,
        [
            f"\\int_0^{{{b}}} {c}x^{{{n + 1}}}\\,dx" if Fraction(c * b ** (n + 2), n + 2) != value else "0",
            _ratio(value + 1),
        ],
    )


def _vectors(rng: random.Random) -> Case:
    a, b = rng.randint(2, 9), -rng.randint(2, 9)
    gold = f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}"
    right = [
        f"\\langle {a},{b}\\rangle",
        f"{a}\\mathbf{{i}}{b}\\mathbf{{j}}",
        f"({a},{b})",
        f"\\begin{{bmatrix}}{a}\\\\{b}\\end{{bmatrix}}",
    ]
    return gold, right, [f"\\langle {b},{a}\\rangle", f"{a}\\mathbf{{i}}+{-b}\\mathbf{{j}}", f"({a},{b},0)"]


def _units(rng: random.Random) -> Case:
    hours, minutes = rng.randint(1, 9), rng.choice((10, 15, 20, 30, 40, 45))
    total = hours * 60 + minutes
    right = [
        f"{hours}\\text{{ hours and }}{minutes}\\text{{ minutes}}",
        f"{total} minutes",
        f"{hours} hours {minutes} minutes",
    ]
    wrong = [
        f"{hours}.{minutes}\\text{{ hours}}" if Fraction(f"{hours}.{minutes}") * 60 != total else "0 hours",
        f"{total + 60} minutes",
        f"{hours * 100 + minutes} minutes",
    ]
    return f"{total}\\text{{ minutes}}", right, wrong


def _words(rng: random.Random) -> Case:
    ones = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    hundreds, ten, one = rng.randint(1, 9), rng.randint(2, 9), rng.randint(1, 9)
    value = 100 * hundreds + 10 * ten + one
    words = f"{ones[hundreds]} hundred and {tens[ten - 2]}-{ones[one]}"
    swapped = 100 * hundreds + 10 * one + ten
    wrong = [str(value + 1), str(10 * value)] + ([str(swapped)] if swapped != value else [])
    return str(value), [f"\\text{{{words}}}", words.replace("-", " "), words.replace(" and ", " ")], wrong


LAWS: dict[str, Callable[[random.Random], Case]] = {
    "percent change": _percent_change,
    "mixed numbers": _mixed_numbers,
    "repeating decimals": _repeating,
    "bases": _bases,
    "remainders": _remainders,
    "congruences": _congruences,
    "choices": _choices,
    "falling factorials": _falling,
    "arithmetic sums": _sums,
    "telescoping sums": _telescoping,
    "geometric sums": _geometric,
    "nested roots": _nested_roots,
    "conjugates": _conjugates,
    "logarithms": _logarithms,
    "angles": _angles,
    "addition theorems": _addition,
    "circles": _circles,
    "factored equations": _factored_equations,
    "intervals": _intervals,
    "excluded points": _excluded,
    "pieces": _pieces,
    "antiderivatives": _antiderivatives,
    "integrals": _integrals,
    "vectors": _vectors,
    "units": _units,
    "number words": _words,
}
