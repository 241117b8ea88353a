"""Notations as models and answer keys write them, each with the verdict that mathematics gives."""

import pytest

from verifier import verify
from verifier.comparison.equal import compare_answers

SAME = [
    # several equations, conditions, Chinese notation
    (r"x=1 \vee x=-1", "x^2=1"), (r"y=\pm\sqrt{4-x^2}", "x^2+y^2=4"), (r"\{x \mid x>2\}", r"(2,\infty)"), (r"\{x : |x|<1\}", "(-1,1)"), ("C_5^2", "10"),
    (r"(-\infty,\infty)", r"\text{all real numbers}"), (r"-\frac{\pi}{6}+k\pi, k\in \mathbb{Z}", r"k\pi-\frac{\pi}{6} (k\in Z)"), ("8点30分", "8:30"),
    # numbers
    ("42", "42.0"), ("1,234,567", "1234567"), ("1 000", "1000"), (r"11,\! 111,\! 111,\! 100", "11111111100"), (r"23{,}000", "23000"),
    (".5", r"\frac12"), ("-0", "0"), ("3.0e-7", r"3\times 10^{-7}"), ("1e3", "1000"), ("004", "4"), (r"\$342", "342"), ("€77", "77"),
    ("2.50", r"\$2.5"), (r"7\frac{1}{2}", "7.5"), ("1 1/2", "1.5"), ("1(5/6)", r"\frac{11}{6}"), (r"2\frac58", "2.625"),
    (r"0.\overline{3}", r"\frac13"), (r"0.1\overline{6}", "1/6"), ("25%", "0.25"), ("25%", "25"), (r"28\%", "28 percent"), ("1,22", "1.22"),
    (r"\frac{6}{8}", "3/4"), (r"\tfrac{1}{3}", "1/3"), (r"\frac{-1}{2}", r"-\frac{1}{2}"), (r"\dfrac{270}7", "270/7"), ("5!", "120"),
    (r"\binom{5}{2}", "10"), (r"\left\lfloor 3.7 \right\rfloor", "3"), ("2^{10}", "1024"), (r"\sqrt{16}", "4"), (r"\sqrt[3]{27}", "3"),
    (r"8^{2/3}", "4"), ("0.0833333333333333", r"\frac{1}{12}"), ("0.30000000000000004", "0.3"), ("−5", "-5"), ("1２3", "123"),
    # Chinese
    ("五分之三", "3/5"), ("百分之20", "20%"), ("３／４", "0.75"), ("根号3", r"\sqrt3"), ("2√5", r"\sqrt{20}"),
    ("5 千米", "5000 米"), ("十二", "12"), ("3个", "3"), ("1 和 3", "3, 1"), ("无解", "no solution"), ("x＝2", "2"),
    # units, words, times
    ("10 cm", "10"), (r"10\text{ cm}^2", "10"), ("10weeks", "10"), (r"65 \text{ km/h}", "65"), ("1 km", r"1000\text{ m}"), ("90^\\circ", "90"),
    (r"\frac{\pi}{2}", r"90^\circ"), ("20:34", "8:34 p.m."), ("9:05", "9:05:00"), ("White", "white"), ("true", "yes"), (r"\text{(C)}", "C"),
    ("(D) 12", "D"), ("B.", r"\textbf{B}"), ("four", "4"), (r"\text{Sunday}", "Sunday"), ("15 square feet", "15 ft^2"),
    # roots, constants
    (r"2\sqrt{3}", r"\sqrt{12}"), (r"\frac{1}{\sqrt6}", r"\frac{\sqrt6}{6}"), (r"\sqrt{11+6\sqrt2}", r"3+\sqrt2"), (r"\frac94\pi", r"\frac{9\pi}{4}"),
    (r"\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5}", "1"), (r"e^{i\pi}", "-1"), (r"\sin 30^\circ", "1/2"), (r"\tan^{-1} 1", r"\frac\pi4"), (r"\ln e^2", "2"),
    (r"\log_2 8", "3"), (r"(2+3i)(2-3i)", "13"), (r"\frac{1}{i}", "-i"), (r"\cos\frac{\pi}{3}", "0.5"), (r"\sin(500\pi)", "0"),
    # expressions
    ("(x+1)^2", "x^2+2x+1"), ("x(x-1)", "x^2-x"), (r"\frac{x^2-1}{x-1}", "x+1"), ("(r+5)(r+5)", "(r+5)^2"), (r"\sec^2 y", r"\tan^2(y)+1"),
    (r"2\sin b\cos a", r"\sin(a+b)-\sin(a-b)"), (r"\ln(ab)", r"\ln a+\ln b"), (r"\sqrt{x^2}", "|x|"), (r"x^{1/2}", r"\sqrt{x}"), (r"(x+1)^{1000}", "(1+x)^{1000}"),
    (r"\frac{1}{\sqrt n}", r"\sqrt{1/n}"), ("-312*u", "-312u"), (r"\frac{n!}{(n-1)!}", "n"), (r"\cotx", r"\frac{1}{\tan x}"), ("2*x**2", "2x^2"),
    (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}"), (r"\sum_{i=1}^{3} i^2", "14"), (r"\prod_{k=1}^4 k", "24"), (r"\lim_{n\to\infty}(1+\frac1n)^n", "e"),
    (r"\int_0^1 x^2 dx", "1/3"), (r"\sum_{n=0}^{\infty} \frac{1}{2^n}", "2"), (r"F_{n}+F_{n-1}", r"F_{n-1}+F_n"), (r"f(x)+1", r"1+f(x)"),
    # equations and names
    ("x=5", "5"), ("5=x", "5"), ("y=2x+1", "2x+1"), ("f(x)=2x+3", "y=2x+3"), ("y(t)=6t-5", "6t-5"), ("x+y=1", "y=1-x"), ("2x-4y=6", "x=2y+3"),
    ("3x+4y-5=0", "5-3x-4y=0"), (r"\frac{x^2}{16}+\frac{y^2}{12}=\frac14", r"\frac{x^2}{4}+\frac{y^2}{3}=1"), (r"\frac{NO}{BO}=\frac1{\sqrt6}", r"\frac{1}{\sqrt6}"),
    ("|AB|=3", "3"), (r"S_1:S_2 = 7:32", "7:32"), (r"x\approx 11", "11"), (r"\frac59\approx 0.556", "5/9"), ("1+1=2", "2"), (r"n \equiv 5 \pmod{17}", "5"),
    (r"\text{Area} = 12", "12"), ("x = 5+5+1 = 11", "11"), (r"2w+\frac{50}{w}=25", "w(12.5-w)=25"), ("|x|=|y|", "(x-y)(x+y)=0"),
    # lists, tuples, sets
    ("1, 2, 3", "3,1,2"), (r"7, -2, \text{ and } -5", "-5,-2,7"), (r"\pm 3", "3, -3"), (r"1\pm\sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}"), (r"\{1,2\}", "2, 1"),
    (r"x=2 \text{ or } x=3", "2, 3"), ("(12,34)", "12,34"), (r"(p,q)=(3,2)", "(3,2)"), ("[3]", "3"), (r"\{7\}", "7"), ("(1,4.5)", r"(1,\frac92)"),
    ("12 3 0", "12, 3, 0"), ("(1, 200)", "(1,200)"), (r"(b) -\frac12", "-0.5"), (r"(1,2),(2,1)", r"(2,1),(1,2)"), (r"k=1, n=2", r"n=2, k=1"), (r"\frac34 \text{ or } 0.75", "0.75"), (r"\emptyset", r"\{\}"),
    # intervals and inequalities
    ("(0, 12.5)", "0 < x < 12.5"), (r"m\ge\sqrt2", r"m\in[\sqrt2,+\infty)"), ("x<3", r"(-\infty,3)"), (r"x \geq 5", r"5 \leq x"), (r"-x>-1", "x<1"),
    (r"1\le|z|\le\frac32", r"[-\frac32,-1]\cup[1,\frac32]"), (r"(-\infty,2)\cup(3,\infty)", r"x<2 \text{ or } x>3"), ("2x>4", "x>2"), (r"x^2<9", "-3<x<3"),
    (r"\mathbb{R}", r"(-\infty,\infty)"), (r"a+b<c", "c>a+b"), (r"x \ne 2", r"(-\infty,2)\cup(2,\infty)"), (r"\mathbb{R}\setminus\{2\}", r"x\neq2"),
    # matrices, vectors, ratios, bases
    (r"\begin{pmatrix}1&0.5\\1/3&4\end{pmatrix}", r"\begin{bmatrix}1&\frac12\\\frac13&4\end{bmatrix}"), (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}\begin{pmatrix}3&4\\5&6\end{pmatrix}", r"\begin{pmatrix}3&4\\5&6\end{pmatrix}"), (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
    (r"\langle 1,2\rangle", "(1,2)"), (r"\begin{pmatrix}-6\6\end{pmatrix}", r"\begin{pmatrix}-6\\6\end{pmatrix}"), (r"\frac{12}{5,525}", "12/5525"), ("2:4", "1:2"), ("1:2:3", "2:4:6"), ("11:21", r"\frac{11}{21}"), ("4210_{7}", "4210_7"), ("204_5", "204"),
]  # fmt: skip

DIFFERENT = [
    (r"x=1 \vee x=2", "x^2=1"), (r"\{x \mid x>2\}", r"[2,\infty)"), ("C_5^2", "20"),
    ("42", "43"), ("123456789012345678901", "123456789012345678902"), ("0.33", r"\frac13"), ("0.7", "70"), ("1", "100"), ("99999999", "99999998"),
    (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}"), (r"\frac{1}{2006!}", r"\frac{1}{2004!}"), ("10^{-30}", r"2\times10^{-30}"), ("10^{-20}", "0"), ("1.41421356", r"\sqrt2"),
    (r"1+\frac1e", r"1-\frac1e"), (r"4\sqrt2", "4"), ("1", r"1\sqrt{19}"), ("-5", "5"), ("2.5", "25"), ("1/16", "1/6"), ("0.34", "34"), ("5.001", "5"),
    ("(+5)(b+2)", "(a+5)(b+2)"), ("x+1", "x+2n+1"), ("|x|", "x"), (r"\sqrt{x^2}", "x"), ("(t-1)^2", "(x-1)^2"), (r"\sin x", r"x-\frac{x^3}{6}+\frac{x^5}{120}"),
    (r"(a^b)^c", "a^{bc}"), (r"|x+100|-100", r"|x+101|-101"), ("e^{x}", "e^{x}+1"), ("1-|x|", "1+|x|"), (r"\sqrt{x-3}\sqrt{x-5}", r"\sqrt{(x-3)(x-5)}"),
    ("2^n", "2^{n+1}"), ("f(x)", "g(x)"), (r"\sin(\pi x)", "0"), ("x", r"\frac{x(y^2+1)}{y^2+2}"),
    ("x=2", "x=1"), ("x^2=4", "x=2"), ("y=x", "y=-x"), ("x+y-z+2=0", "5x-7y+11z+4=0"), (r"x=\sqrt a", "x^2=a"), ("1=1", "x=1"),
    ("1,2,4", "1,2,3"), (r"\{1,3\}", "(3,1)"), ("(1,2)", "(2,1)"), ("2021", r"\pm2021"), ("3, 4", "3"), ("3, 0, 12", "12 3 0"), ("(1,2,3)", "(1,2)"), ("n=1,2,3", "n=2,3,4"),
    ("(0,1)", "[0,1]"), ("(1,2]", "[1,2)"), ("x<1", "x>1"), (r"x\ge 2", "x>2"), (r"x^2\le9", "|x|<3"), ("5q<9z", r"5q\le9z"), (r"-\infty", r"\infty"), ("x>1", "t>1"),
    ("[0,1)", "1"), (r"x\in\mathbb{R}", "x=2"), (r"\frac{0}{0}", r"\infty"), (r"\frac10", "1"), ("A", "B"), ("E", r"\mathrm{E}*2"), ("odd", "oddd"), ("no solution", "0"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\\3\end{pmatrix}"), ("2:3", "3:2"), ("4210_7", "4211_7"), ("5 cm", "5 m"), ("9:05", "9:50"),
    ("1, 3, 5, \\ldots, 2n-1", "1, 2, \\ldots, n"), ("", "0"), ("五分之三", "5/3"), ("0 \\text{ or } 1", "1"), ("1 2", "12"), ("366, 388", "366"), (r"\text{the gold answer}", "42"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_same(a: str, b: str) -> None:
    outcome = compare_answers(a, b)
    assert outcome.status == "correct", outcome.reason


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different(a: str, b: str) -> None:
    outcome = compare_answers(a, b)
    assert outcome.status == "incorrect", outcome.reason


@pytest.mark.parametrize(("a", "b"), SAME + DIFFERENT)
def test_symmetric_and_reflexive(a: str, b: str) -> None:
    assert compare_answers(a, b).status == compare_answers(b, a).status
    for answer in (a, b):
        if answer:
            assert compare_answers(answer, answer).correct


@pytest.mark.parametrize(("a", "b"), SAME)
def test_same_in_a_box_and_in_dollars(a: str, b: str) -> None:
    assert verify(f"So it is \\boxed{{{a}}}.", f"${b}$" if "$" not in b else b).correct


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\boxed{5^{5^{5^{5^5}}}}", "7"),
        ("2^{2^{2^{2^{2^{2}}}}}", "3"),
        (r"((1000!)!)!", "6"),
        ("x=5", "y=5"),
        (r"5 \text{ km}", r"5 \text{ kg}"),
        ("(" * 200 + "1" + ")" * 200, "2"),
        ("7=11a+c", "11a+c"),  # an equation, or a value that it states?
        ("2x+z=1", "1"),
    ],
)
def test_undecided_is_said(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"


def test_rounding_is_a_choice() -> None:
    assert verify(r"\boxed{0.343}", r"\frac{12}{35}").status == "incorrect"
    assert verify(r"\boxed{0.343}", r"\frac{12}{35}", rounding="sigfigs").status == "correct"
    assert verify(r"\boxed{3.464}", r"2\sqrt3", rounding="sigfigs").correct
    assert not verify(r"\boxed{0.34}", r"\frac{12}{35}", rounding="sigfigs").correct
    assert not verify(r"\boxed{0.344}", r"\frac{12}{35}", rounding="sigfigs").correct
    with pytest.raises(ValueError, match="rounding"):
        verify("1", "1", rounding="loose")  # type: ignore[arg-type]


def test_the_reason_can_be_checked() -> None:
    assert "1/2 is not 1/3" in verify(r"\boxed{\frac12}", "1/3").reason
    reason = verify(r"\boxed{x^2+1}", "x^2-1").reason
    assert "x = " in reason
    assert " and " in reason
