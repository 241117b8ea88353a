"""Exact polynomials: equations as polynomials in several variables, and the points where an inequality can change.

An expression becomes a quotient of two polynomials with rational coefficients. What is no rational function of its
letters (a root, a sine, ``2^x``, a constant such as pi) becomes a letter of its own, the same for what has the same
fingerprint; such polynomials are ``opaque``: if they are proportional they vanish together, else nothing follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Any

from flint import Ordering, acb, acb_poly, arb, fmpq, fmpq_mpoly_ctx, fmpq_poly

from verifier.tree import (
    Add,
    Apply,
    LimitError,
    Mul,
    Node,
    NotRationalError,
    Num,
    Percent,
    Pow,
    Sym,
    UndefinedError,
    free_symbols,
    negate,
    walk,
)
from verifier.values.balls import Evaluator, precision
from verifier.values.exact import Fingerprint, exact_value

MAX_TERMS = 3_000  # of a polynomial
MAX_EXPONENT = 10_000
MAX_LETTERS = 12
MAX_FACTORED = 24  # degree up to which a polynomial is factored
MAX_ROOTS = 60  # degree up to which roots are isolated
MAX_ABSOLUTES = 3
ROOT_BITS = 200

Poly = Any  # fmpq_mpoly


@dataclass(frozen=True, slots=True)
class Quotient:
    """A rational function: numerator and denominator without a common factor, and whether a letter is opaque."""

    top: Poly
    bottom: Poly
    opaque: bool


def quotients(nodes: tuple[Node, ...]) -> list[Quotient]:
    """Return expressions as quotients of polynomials in the same letters.

    Raises:
        LimitError: if one would have too many terms or letters.
        NotRationalError: if one is no expression.
        UndefinedError: if one divides by zero everywhere.
    """
    letters = _Letters(nodes)
    found = []
    for node in nodes:
        letters.opaque = False
        top, bottom = letters.quotient(node)
        if bottom.is_zero():
            raise UndefinedError("a division by zero")
        common = top.gcd(bottom)
        found.append(Quotient(top / common, bottom / common, letters.opaque))
    return found


class _Letters:
    """The letters of some expressions: their variables, and one for each part that is not rational."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.opaque = False
        self.keys: dict[object, int] = {}
        for node in nodes:
            self._collect(node)
        if len(self.keys) > MAX_LETTERS:
            raise LimitError(f"more than {MAX_LETTERS} letters")
        self.context: Any = fmpq_mpoly_ctx.get([f"v{k}" for k in range(len(self.keys))], Ordering.lex)
        self.generators = self.context.gens()

    def _collect(self, node: Node) -> None:
        match node:
            case Num():
                return
            case Add(nodes) | Mul(nodes):
                for child in nodes:
                    self._collect(child)
            case Percent(value):
                self._collect(value)
            case Pow(base, exponent) if _integer(exponent) is not None:
                self._collect(base)
            case _:
                self.keys.setdefault(_key(node), len(self.keys))

    def constant(self, value: int | Any) -> Poly:
        return self.context.constant(value)

    def quotient(self, node: Node) -> tuple[Poly, Poly]:
        one = self.constant(1)
        match node:
            case Num(value):
                return self.constant(fmpq(value.numerator, value.denominator)), one
            case Add(terms):
                top, bottom = self.quotient(terms[0])
                for term in terms[1:]:
                    t, b = self.quotient(term)
                    if b == bottom:
                        top = top + t
                    else:
                        top, bottom = _times(top, b) + _times(t, bottom), _times(bottom, b)
                return top, bottom
            case Mul(factors):
                top, bottom = one, one
                for factor in factors:
                    t, b = self.quotient(factor)
                    top, bottom = _times(top, t), _times(bottom, b)
                return top, bottom
            case Percent(value):
                top, bottom = self.quotient(value)
                return top, bottom * 100
            case Pow(base, exponent) if (power := _integer(exponent)) is not None:
                top, bottom = self.quotient(base)
                if power < 0:
                    top, bottom, power = bottom, top, -power
                return _raised(top, power), _raised(bottom, power)
        self.opaque = self.opaque or not isinstance(node, Sym)
        return self.generators[self.keys[_key(node)]], one


def _key(node: Node) -> object:
    """Return what tells a part that is no rational function from others: a name, or a fingerprint."""
    return node.name if isinstance(node, Sym) else Fingerprint(11).of(node)


def _integer(node: Node) -> int | None:
    if free_symbols(node):
        return None
    try:
        value = exact_value(node)
    except (NotRationalError, UndefinedError, LimitError):
        return None
    return value.numerator if value.denominator == 1 and abs(value) <= MAX_EXPONENT else None


def _times(a: Poly, b: Poly) -> Poly:
    if len(a) * len(b) > 20 * MAX_TERMS:
        raise LimitError(f"a polynomial of more than {MAX_TERMS} terms")
    return _checked(a * b)


def _raised(base: Poly, power: int) -> Poly:
    terms = len(base)
    if terms > 1 and (power > 200 or comb(terms + power - 1, terms - 1) > MAX_TERMS):
        raise LimitError(f"a polynomial of more than {MAX_TERMS} terms")
    return base**power


def _checked(poly: Poly) -> Poly:
    if len(poly) > MAX_TERMS:
        raise LimitError(f"a polynomial of more than {MAX_TERMS} terms")
    return poly


# --- factors


def monic(poly: Poly) -> Poly:
    """Return a polynomial with the leading coefficient 1; zero stays zero."""
    return poly if poly.is_zero() else poly / poly.leading_coefficient()


def factors(poly: Poly) -> dict[str, tuple[Poly, int]]:
    """Return the irreducible factors of a polynomial with their multiplicities, each under its text.

    Raises:
        LimitError: if its degree is more than ``MAX_FACTORED``.
    """
    if poly.total_degree() > MAX_FACTORED or len(poly) > 200:
        raise LimitError("a polynomial too large to be factored")
    return {str(monic(factor)): (factor, count) for factor, count in poly.factor()[1]}


def changes_sign(factor: Poly) -> bool:
    """Whether a polynomial was found positive at one rational point and negative at another: a proof that it has
    real zeros, and that these lie in no set of lower dimension.
    """
    signs = set()
    letters = factor.context().nvars()
    for seed in range(40):
        point = [fmpq((seed * 37 + 11 * k * k + 5) % 61 - 30, 1 + (seed + k) % 7) for k in range(letters)]
        value = factor(*point)
        signs.add((value > 0) - (value < 0))
        if {1, -1} <= signs:
            return True
    used = [k for k, degree in enumerate(factor.degrees()) if degree]
    # A factor of one letter is irreducible, so that all its zeros are simple, and its sign changes at a real one.
    return len(used) == 1 and bool(_roots_of_one(factor, used[0]))


def has_no_real_zero(factor: Poly) -> bool:
    """Whether a factor in one letter has no real zero; False where that is not known."""
    used = [k for k, degree in enumerate(factor.degrees()) if degree]
    return len(used) == 1 and not _roots_of_one(factor, used[0])


def _roots_of_one(factor: Poly, letter: int) -> list[arb]:
    coefficients: dict[int, Any] = {monomial[letter]: c for monomial, c in factor.to_dict().items()}
    return real_roots(fmpq_poly([coefficients.get(k, fmpq(0)) for k in range(max(coefficients) + 1)]))


# --- over the reals: where a sign can change


def real_roots(poly: fmpq_poly) -> list[arb]:
    """Return the real zeros of a polynomial with rational coefficients, each once, isolated.

    Raises:
        LimitError: if its degree is more than ``MAX_ROOTS``.
    """
    coefficients = poly.coeffs()
    lowest = next((k for k, c in enumerate(coefficients) if c != 0), 0)
    found = [arb(0)] if lowest else []  # x^6001 = x^6000: most of the degree is the zero at nought
    rest = fmpq_poly(coefficients[lowest:])
    if rest.degree() > MAX_ROOTS:
        raise LimitError(f"a polynomial of a degree above {MAX_ROOTS}")
    if rest.degree() < 1:
        return found
    with precision(ROOT_BITS):
        return found + [acb(root).real for root, _ in rest.complex_roots() if acb(root).imag.is_zero()]


def critical_points(node: Node, name: str) -> list[arb]:
    """Return the real zeros and poles of ``node`` in ``name``; absolute values are taken apart.

    Raises:
        NotRationalError: if it is not a rational function of ``name`` and of absolute values.
        LimitError: if the degree or the number of absolute values is too large.
    """
    found: list[arb] = []
    for variant in _without_absolutes(node):
        for poly in _in_one_letter(variant, name):
            found.extend(_real_zeros(poly))
    return found


Coefficients = list[Node]


def _in_one_letter(node: Node, name: str) -> tuple[list[Any], list[Any]]:
    """Return the coefficients of numerator and denominator in ``name``, as balls or rational numbers."""
    parts = {n for n in walk(node) if not isinstance(n, Num) and not free_symbols(n)}
    (quotient,) = quotients((node,))
    letters = _Letters((node,))
    values: list[Any] = []
    for key in letters.keys:
        constant = next((p for p in parts if key != name and not isinstance(p, Sym) and _key(p) == key), None)
        if key != name and constant is None:
            raise NotRationalError
        values.append(None if key == name else Evaluator(ROOT_BITS, {}).of(constant))  # type: ignore[arg-type]
    place = list(letters.keys).index(name) if name in letters.keys else -1
    return _collected(quotient.top, place, values), _collected(quotient.bottom, place, values)


def _collected(poly: Poly, place: int, values: list[Any]) -> list[Any]:
    degree = poly.degrees()[place] if place >= 0 and not poly.is_zero() else 0
    if degree > 200:
        raise LimitError("a degree above 200")
    found: list[Any] = [fmpq(0)] * (degree + 1)
    with precision(ROOT_BITS):
        for monomial, coefficient in poly.to_dict().items():
            term: Any = coefficient
            for k, power in enumerate(monomial):
                if k != place and power:
                    term = values[k] ** int(power) * term
            power = monomial[place] if place >= 0 else 0
            found[power] = term + found[power]
    return found


def _real_zeros(coefficients: list[Any]) -> list[arb]:
    if all(isinstance(c, fmpq) for c in coefficients):
        return real_roots(fmpq_poly(coefficients))
    if any(isinstance(c, acb) for c in coefficients):
        raise NotRationalError
    if len(coefficients) == 2:
        with precision(ROOT_BITS):
            return [-arb(coefficients[0]) / coefficients[1]]
    if len(coefficients) > MAX_ROOTS:
        raise LimitError(f"a polynomial of a degree above {MAX_ROOTS}")
    with precision(ROOT_BITS):
        try:
            roots = acb_poly([acb(c) for c in coefficients]).roots(tol=arb(2) ** -120)
        except ValueError as error:
            raise NotRationalError from error
    return [root.real for root in roots if root.imag.contains(0)]


def _without_absolutes(node: Node) -> list[Node]:
    absolutes = [
        n for n in dict.fromkeys(walk(node)) if isinstance(n, Apply) and n.name == "abs" and free_symbols(n)
    ]
    if len(absolutes) > MAX_ABSOLUTES:
        raise LimitError("too many absolute values")
    variants = []
    for signs in product((1, -1), repeat=len(absolutes)):
        variant = node
        for absolute, sign in zip(absolutes, signs, strict=True):
            inner = absolute.args[0]
            variant = _replaced(variant, absolute, inner if sign == 1 else negate(inner))
        variants.append(variant)
    variants.extend(a.args[0] for a in absolutes)
    return variants


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    match node:
        case Add(terms):
            return Add(tuple(_replaced(t, old, new) for t in terms))
        case Mul(nodes):
            return Mul(tuple(_replaced(f, old, new) for f in nodes))
        case Pow(base, exponent, root):
            return Pow(_replaced(base, old, new), exponent, root)
        case Apply(name, arguments):
            return Apply(name, tuple(_replaced(a, old, new) for a in arguments))
    return node
