"""The parser reads mathematics, refuses the rest, and stays within its limits."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import verify
from verifier.comparison.equal import compare_answers
from verifier.parsing.parser import parse
from verifier.parsing.readings import readings
from verifier.tree import Const, LimitError, Num, ParseError, Rel, Seq, SetOf, Sym, Words, free_symbols

PIECES = [
    "1", "2.5", "x", "y", "\\frac", "\\sqrt", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "|", "+", "-", "*", "/", "^", "_", "=", "<", "\\le", ",",
    "\\sin", "\\ln", "\\pi", "i", "e", "!", "%", "^\\circ", "\\sum_{k=1}^{n}", "\\int_0^1", "dx", "\\text{ cm}", "\\cup", "\\infty", "\\pm", ":", ";",
    "\\begin{pmatrix}", "&", "\\\\", "\\end{pmatrix}", "\\left", "\\right", "\\lim_{x\\to 0}", " ", "\\overline{3}", "和", "五分之三", "\\boxed", "'", "\\",
]  # fmt: skip


def test_shapes() -> None:
    assert parse("2") == Num(2)
    assert parse(r"\pi") == Const("pi")
    assert isinstance(parse("(1,2)"), Seq)
    assert isinstance(parse(r"\{1,2\}"), SetOf)
    assert isinstance(parse("x<2"), Rel)
    assert free_symbols(parse(r"\sum_{k=1}^{n} k x_1")) == {"n", "x_1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1+",
        "(1",
        r"\frac{1}",
        "x^",
        "1)",
        r"\begin{pmatrix}1",
        "]",
        r"\sum k",
        "hello",
        "@",
        "__import__('os')",
    ],
)
def test_what_is_not_mathematics_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "1" + ")" * 500,
        "{" * 500 + "1" + "}" * 500,
        "1+" * 9000 + "1",
        "9" * 5000 + "+x",
        "2^" * 400 + "2",
    ],
)
def test_limits(text: str) -> None:
    with pytest.raises(LimitError):
        parse(text)


def test_signs_nest_without_limit() -> None:
    assert compare_answers("-" * 1001 + "1", "-1").correct


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {path}')",
        "open('{path}','w').write('x')",
        "exec(\"import os; os.system('touch {path}')\")",
        "(lambda: __import__('os').system('touch {path}'))()",
        "().__class__.__bases__[0].__subclasses__()",
    ],
)
def test_code_is_never_run(text: str, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "made")
    for answer in (text.replace("{path}", path), "(1," + text.replace("{path}", path) + ")"):
        assert not compare_answers(answer, "(1,2)").correct
    assert not os.path.exists(path)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_no_pieces_raise_or_hang_and_all_equal_themselves(text: str) -> None:
    start = time.perf_counter()
    assert compare_answers(text, text).correct
    outcome = compare_answers(text, "x+1")
    assert outcome.status == compare_answers("x+1", text).status
    assert time.perf_counter() - start < 6


@given(st.text(max_size=120))
def test_no_text_raises(text: str) -> None:
    compare_answers(text, "3")
    readings(text)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_fractions_are_exact(a: int, b: int) -> None:
    assert compare_answers(f"\\frac{{{a}}}{{{b}}}", f"{a * 7}/{b * 7}").correct
    assert compare_answers(f"\\frac{{{a}}}{{{b}}}", f"\\frac{{{a + 1}}}{{{b}}}").status == "incorrect"


@given(st.integers(-999, 999), st.integers(-999, 999), st.integers(-999, 999))
def test_expansion_is_recognised(a: int, b: int, c: int) -> None:
    assert compare_answers(f"(x{a:+})(x{b:+})", f"x^2{a + b:+}x{a * b:+}").correct
    assert compare_answers(f"(x{a:+})(x{b:+})", f"x^2{a + b:+}x{a * b + 1:+}").status == "incorrect"
    assert compare_answers(f"{a}x{b:+}y{c:+}=0", f"{c}={-a}x{-b:+}y").correct


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("shape", ["{}", "1/{}", "{}/7", "\\frac{{{}}}{{2}}", "{}.5", "0.{}", "{}\\%"])
def test_thousands_of_digits_do_not_raise(sign: str, shape: str) -> None:
    long = sign + shape.format("3" * 5000)
    assert not verify(f"\\boxed{{{long}}}", "1").correct
    assert not verify("1", long).correct
    assert verify(long, f" {long}").correct


def test_words_are_text() -> None:
    assert readings("the gold answer") == (Words("the gold answer"),)
    assert readings("x") == (Sym("x"),)
