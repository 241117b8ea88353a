r"""Make pairs of answers whose label is known exactly, without limit: identities stay right, changes turn wrong.

Each family draws a random object (a fraction, a surd, a polynomial, an interval, …), writes it in forms that are
equal by an identity, and in forms in which one part was changed so that they are certainly not equal. Measured on
100,000 pairs this gives error rates of the size 1e-4, which a labelled set of some thousand answers cannot show.
It covers notation and algebra, not the words of real solutions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

Forms = tuple[str, list[str], list[str]]  # the gold, right forms, wrong forms


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A prediction and a gold answer; ``correct`` is exact."""

    prediction: str
    gold: str
    correct: bool
    family: str


def labelled_pairs(count: int, seed: int = 0) -> Iterator[LabelledPair]:
    """Yield ``count`` pairs, about half of them wrong; the same for the same seed."""
    return islice(_endless(random.Random(seed)), count)


def _endless(rng: random.Random) -> Iterator[LabelledPair]:
    while True:
        for name, family in FAMILIES.items():
            gold, right, wrong = family(rng)
            for forms, label in ((right, True), (wrong, False)):
                prediction, target = rng.choice(forms), gold
                if rng.random() < 0.3:
                    prediction, target = target, prediction
                yield LabelledPair(_stated(prediction, rng), target, label, name)


def _stated(answer: str, rng: random.Random) -> str:
    sentence = rng.choice(("{}", "{}", "Thus, the answer is {}.", "Therefore we find\n\\[\n{}\n\\]"))
    return sentence.format(f"\\boxed{{{answer}}}")


def _signed(rng: random.Random, top: int) -> int:
    return rng.choice((-1, 1)) * rng.randint(1, top)


def _frac(value: Fraction, command: str = "frac") -> str:
    sign = "-" if value < 0 else ""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{sign}\\{command}{{{abs(value.numerator)}}}{{{value.denominator}}}"


# --- numbers


def _integers(rng: random.Random) -> Forms:
    n, k = _signed(rng, 10 ** rng.randint(1, 9)), rng.randint(1, 999)
    right = [
        f"{n:,}",
        f"{n}.0",
        f"{n - k}+{k}",
        f"\\frac{{{n * k}}}{{{k}}}",
        f"x = {n}",
        f"{n}\\text{{ units}}",
        f"\\text{{{n}}}",
    ]
    changed = n + rng.choice((-1, 1)) * rng.choice((1, 10, 100))
    wrong = [f"{changed:,}", f"{-n}", f"{n}.5", f"{n - k}+{k + 1}", f"{n * 10}", f"x = {changed}", f"{n},{k}"]
    return str(n), right, wrong


def _fractions(rng: random.Random) -> Forms:
    value = Fraction(_signed(rng, 400), rng.randint(2, 90))
    if value.denominator == 1:
        value += Fraction(1, 7)
    k = rng.randint(2, 9)
    a, b = value.numerator, value.denominator
    right = [
        f"\\frac{{{a * k}}}{{{b * k}}}",
        f"{a}/{b}",
        _frac(value, "dfrac"),
        f"({a}/{b})",
        f"\\frac{{{-a}}}{{{-b}}}",
        f"y={a}/{b}",
    ]
    whole, rest = divmod(abs(a), b)
    if whole and value > 0:
        right += [f"{whole}\\frac{{{rest}}}{{{b}}}", f"{whole} {rest}/{b}", f"{whole}({rest}/{b})"]
    if 10**6 % b == 0:
        right += [f"{a * (10**6 // b) / 10**6:.6f}", f"{float(value * 100):.6f}\\%"]
    wrong = [
        f"\\frac{{{a + rng.choice((-1, 1))}}}{{{b}}}",
        f"{a}/{b + 1}",
        _frac(-value),
        f"\\frac{{{a * k}}}{{{b * k + 1}}}",
    ]
    wrong += [f"{float(value):.3f}"] if value * 1000 % 1 else []
    return _frac(value), right, wrong


def _surds(rng: random.Random) -> Forms:
    a, b = _signed(rng, 30), rng.choice((2, 3, 5, 6, 7, 10, 11, 13, 15))
    sign = "-" if a < 0 else ""
    gold = f"{a}\\sqrt{{{b}}}" if abs(a) != 1 else f"{sign}\\sqrt{{{b}}}"
    right = [
        f"{sign}\\sqrt{{{a * a * b}}}",
        f"{a}*sqrt({b})",
        f"\\frac{{{a * b}}}{{\\sqrt{{{b}}}}}",
        f"{a}\\cdot {b}^{{1/2}}",
        f"{a}√{b}",
    ]
    wrong = [
        f"{sign}\\sqrt{{{a * a * b + 1}}}",
        f"{a + 31}\\sqrt{{{b}}}",
        f"{a}\\sqrt{{{b + 1}}}",
        f"{-a}\\sqrt{{{b}}}",
        f"{a * b**0.5:.3f}",
        f"{a}",
    ]
    return gold, right, wrong


def _powers(rng: random.Random) -> Forms:
    base, exponent, k = rng.randint(2, 12), rng.randint(20, 300), rng.randint(2, 9)
    gold = f"\\frac{{{k}}}{{{base}^{{{exponent}}}}}"
    right = [f"{k}\\cdot {base}^{{-{exponent}}}", f"\\frac{{{k * base}}}{{{base}^{{{exponent + 1}}}}}"]
    wrong = [
        f"\\frac{{{k}}}{{{base}^{{{exponent + 1}}}}}",
        f"{k + 1}\\cdot {base}^{{-{exponent}}}",
        "0",
        f"-{gold}",
    ]
    return gold, right, wrong


def _complex(rng: random.Random) -> Forms:
    a, b, c, d = (_signed(rng, 12) for _ in range(4))
    real, imaginary = a * c - b * d, a * d + b * c
    gold = f"({a}{b:+}i)({c}{d:+}i)"
    right = [f"{real}{imaginary:+}i", f"{imaginary}i{real:+}", f"({c}{d:+}i)({a}{b:+}i)"]
    wrong = [f"{real + 1}{imaginary:+}i", f"{real}{imaginary - 2:+}i", f"{real}{imaginary:+}+1"]
    return gold, right, wrong + ([f"{real}{-imaginary:+}i"] if imaginary else [])


# --- expressions


def _poly(coefficients: list[int], variable: str, order: list[int]) -> str:
    terms = []
    for power in order:
        c = coefficients[power]
        if c:
            name = "" if power == 0 else variable if power == 1 else f"{variable}^{{{power}}}"
            terms.append(f"{c:+}{name}")
    return "".join(terms).lstrip("+") or "0"


def _polynomials(rng: random.Random) -> Forms:
    x = rng.choice("xytnab")
    roots = [rng.randint(-9, 9) for _ in range(rng.randint(2, 4))]
    lead = _signed(rng, 5)
    coefficients = [lead]
    for r in roots:
        coefficients = [a - r * b for a, b in zip([0, *coefficients], [*coefficients, 0], strict=True)]
    order = list(range(len(coefficients)))
    down = order[::-1]
    gold = f"{lead}" + "".join(f"({x}{-r:+})" for r in roots)
    rng.shuffle(order)
    right = [
        _poly(coefficients, x, down),
        _poly(coefficients, x, order),
        f"{lead}" + "".join(f"({-r}+{x})" for r in roots[::-1]),
    ]
    right.append(f"y = {right[0]}" if x != "y" else right[0])
    changed = list(coefficients)
    changed[rng.randrange(len(changed))] += _signed(rng, 3)
    wrong = [
        _poly(changed, x, down),
        _poly([-c for c in coefficients], x, down),
        _poly(coefficients, "w", down),
    ]
    return gold, right, wrong


def _rationals(rng: random.Random) -> Forms:
    a, b = rng.sample(range(1, 12), 2)
    p, q = _signed(rng, 9), _signed(rng, 9)
    gold = f"\\frac{{{p}}}{{x+{a}}}+\\frac{{{q}}}{{x+{b}}}"
    top, constant = p + q, p * b + q * a
    right = [
        f"\\frac{{{top}x{constant:+}}}{{(x+{a})(x+{b})}}",
        f"\\frac{{{q}}}{{x+{b}}}+\\frac{{{p}}}{{x+{a}}}",
    ]
    right.append(f"\\frac{{{top}x{constant:+}}}{{x^2+{a + b}x+{a * b}}}")
    wrong = [
        f"\\frac{{{top}x{constant + 1:+}}}{{(x+{a})(x+{b})}}",
        f"\\frac{{{top}x{constant:+}}}{{x^2+{a + b}x+{a * b + 1}}}",
    ]
    return gold, right, [*wrong, f"\\frac{{{p}}}{{x+{a}}}-\\frac{{{q}}}{{x+{b}}}"]


def _trigonometry(rng: random.Random) -> Forms:
    k, m = rng.randint(2, 9), rng.randint(1, 9)
    choices: list[Forms] = [
        (
            f"\\sin({2 * k}x)",
            [f"2\\sin({k}x)\\cos({k}x)"],
            [f"2\\sin({k}x)\\cos({k + 1}x)", f"\\sin({k}x)\\cos({k}x)"],
        ),
        (
            f"\\cos({2 * k}x)+{m}",
            [f"{m + 1}-2\\sin^2({k}x)", f"2\\cos^2 {k}x+{m - 1}"],
            [f"{m}-2\\sin^2({k}x)", f"\\sin({2 * k}x)+{m}"],
        ),
        (f"\\tan^2({k}x)", [f"\\sec^2({k}x)-1"], [f"\\sec^2({k}x)+1", f"\\sec^2({k + 1}x)-1"]),
        (f"\\ln({k}x^{m + 1})", [f"\\ln {k}+{m + 1}\\ln x"], [f"\\ln {k}+{m}\\ln x", f"{m + 1}\\ln({k}x)"]),
        (
            f"{k}^{{x+{m}}}",
            [f"{k**m}\\cdot {k}^x", f"e^{{(x+{m})\\ln {k}}}"],
            [f"{k**m + 1}\\cdot {k}^x", f"{k}^{{x-{m}}}"],
        ),
    ]
    return rng.choice(choices)


# --- shapes


def _tuples(rng: random.Random) -> Forms:
    items = [rng.randint(-30, 30) for _ in range(3)]
    halves = [Fraction(i, rng.choice((1, 2, 4))) for i in items]
    gold = "(" + ",".join(_frac(h) for h in halves) + ")"
    right = [
        "(" + ", ".join(str(float(h)) for h in halves) + ")",
        f"(x,y,z)={gold}",
        gold.replace("(", "\\left(").replace(")", "\\right)"),
    ]
    changed = list(halves)
    changed[rng.randrange(3)] += 1
    wrong = [
        "(" + ",".join(_frac(h) for h in changed) + ")",
        "(" + ",".join(_frac(h) for h in halves[:2]) + ")",
    ]
    if halves[0] != halves[1]:
        wrong.append("(" + ",".join(_frac(h) for h in (halves[1], halves[0], halves[2])) + ")")
    return gold, right, wrong


def _sets(rng: random.Random) -> Forms:
    items = rng.sample(range(-40, 40), rng.randint(2, 5))
    shuffled = rng.sample(items, len(items))
    gold = "\\{" + ", ".join(map(str, items)) + "\\}"
    right = ["\\{" + ",".join(map(str, shuffled)) + "\\}", ", ".join(map(str, shuffled)), f"x \\in {gold}"]
    right.append(" \\text{ or } ".join(f"x = {i}" for i in shuffled))
    changed = [*shuffled[1:], 77]
    wrong = ["\\{" + ",".join(map(str, some)) + "\\}" for some in (changed, shuffled[1:])]
    return gold, right, [*wrong, ", ".join(map(str, [*shuffled, 77]))]


def _intervals(rng: random.Random) -> Forms:
    a = rng.randint(-20, 20)
    b = a + rng.randint(1, 20)
    left, right_end = rng.choice("(["), rng.choice(")]")
    below, above = ("<" if left == "(" else "\\le"), ("<" if right_end == ")" else "\\le")
    gold = f"{left}{a}, {b}{right_end}"
    right = [
        f"{a} {below} x {above} {b}",
        f"x \\in \\left{left}{a},{b}\\right{right_end}",
        f"{left}{a}.0,{b}{right_end}",
    ]
    swapped = "\\le" if below == "<" else "<"
    above_a = ">" if below == "<" else "\\ge"
    flipped = ">" if above == "<" else "\\ge"
    right.append(f"{b} {flipped} t {above_a} {a}")
    other = "[" if left == "(" else "("
    wrong = [f"{other}{a}, {b}{right_end}", f"{left}{a}, {b + 1}{right_end}", f"{a} {swapped} x {above} {b}"]
    return gold, right, [*wrong, f"{left}{a}, \\infty)", f"{a - 1} {below} x {above} {b}"]


def _inequalities(rng: random.Random) -> Forms:
    a, b, k = rng.randint(-20, 20), rng.randint(1, 9), rng.randint(2, 6)
    bound = Fraction(a, b)
    gold = f"x > {_frac(bound)}"
    right = [
        f"{b}x > {a}",
        f"{-k * b}x < {-k * a}",
        f"({_frac(bound)}, \\infty)",
        f"{_frac(bound)} < x",
        f"{k * b}x {-k * a:+} > 0",
    ]
    wrong = [
        f"{b}x < {a}",
        f"x \\ge {_frac(bound)}",
        f"[{_frac(bound)}, \\infty)",
        f"{b}x > {a + 1}",
        f"(-\\infty, {_frac(bound)})",
    ]
    return gold, right, wrong


def _equations(rng: random.Random) -> Forms:
    a, b, c, k = _signed(rng, 12), _signed(rng, 12), rng.randint(-30, 30), _signed(rng, 7)
    gold = f"{a}x{b:+}y{c:+}=0"
    right = [
        f"{a * k}x{b * k:+}y{c * k:+}=0",
        f"{a}x = {-b}y{-c:+}",
        f"y = \\frac{{{-a}x{-c:+}}}{{{b}}}",
        f"0 = {c}{b:+}y{a:+}x",
    ]
    wrong = [
        f"{a}x{b:+}y{c + 1:+}=0",
        f"{a}x{-b:+}y{c:+}=0",
        f"{a + 13}x{b:+}y{c:+}=0",
        f"{a * k}x{b * k:+}y{c * k + 1:+}=0",
    ]
    return gold, right, wrong


def _matrices(rng: random.Random) -> Forms:
    entries = [rng.randint(-9, 9) for _ in range(4)]

    def write(kind: str, e: list[int]) -> str:
        return f"\\begin{{{kind}}}{e[0]}&{e[1]}\\\\{e[2]}&{e[3]}\\end{{{kind}}}"

    changed = list(entries)
    changed[rng.randrange(4)] += 1
    twice = [2 * e for e in entries]
    right = [
        write("bmatrix", entries),
        f"2\\cdot {write('pmatrix', entries)} - {write('pmatrix', entries)}",
        f"\\frac12 {write('pmatrix', twice)}",
    ]
    wrong = (
        [write("pmatrix", changed), write("bmatrix", twice)] if any(entries) else [write("pmatrix", changed)]
    )
    return write("pmatrix", entries), right, wrong


def _quantities(rng: random.Random) -> Forms:
    n = rng.randint(2, 999)
    choices: list[Forms] = [
        (
            f"{n}\\text{{ km}}",
            [f"{n * 1000}\\text{{ m}}", str(n), f"{n} kilometers", f"{n}千米"],
            [f"{n}\\text{{ m}}", f"{n + 1}\\text{{ km}}"],
        ),
        (f"{n}\\%", [str(n), f"{n} percent", f"{n / 100}"], [f"{n + 1}\\%", f"{n * 10}", f"{n / 1000}"]),
        (f"{n}^\\circ", [f"{n}", f"{n}\\text{{ degrees}}", f"{n}°"], [f"{n + 1}^\\circ", f"{n}\\pi"]),
        (f"\\${n}.50", [f"{n}.50\\text{{ dollars}}", f"{n}.5", f"\\${n}.5"], [f"\\${n}.05", f"{n}50"]),
        (
            f"{n}:{n + 1}",
            [f"{3 * n}:{3 * n + 3}", f"\\frac{{{n}}}{{{n + 1}}}"],
            [f"{n + 1}:{n}", f"{n}:{n + 2}"],
        ),
    ]
    return rng.choice(choices)


def _chinese(rng: random.Random) -> Forms:
    bottom, k = rng.randint(2, 9), rng.randint(2, 5)
    top = rng.randint(1, bottom * 2)
    names = "零一二三四五六七八九"
    if top > 9:
        top = 9
    value = Fraction(top, bottom)
    right = [f"{names[bottom]}分之{names[top]}", f"{top * k}／{bottom * k}", f"{_frac(value)} 米"]
    wrong = [f"{names[bottom]}分之{names[top + 1] if top < 9 else names[8]}", f"{top}／{bottom + 1}"]
    return _frac(value), right, wrong


FAMILIES: dict[str, Callable[[random.Random], Forms]] = {
    "integers": _integers,
    "fractions": _fractions,
    "surds": _surds,
    "powers": _powers,
    "complex": _complex,
    "polynomials": _polynomials,
    "rational functions": _rationals,
    "trigonometry, logarithms, powers": _trigonometry,
    "tuples": _tuples,
    "sets": _sets,
    "intervals": _intervals,
    "inequalities": _inequalities,
    "equations": _equations,
    "matrices": _matrices,
    "quantities": _quantities,
    "Chinese": _chinese,
}
