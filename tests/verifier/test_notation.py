r"""Notation that models write, each beside one that must be left alone: what it means, and what it does not."""

import pytest

from verifier.comparison.equal import compare_answers

SAME = [
    # remainders and residues
    (r"7 \bmod 3", "1"), (r"2^{10} \bmod 7", "2"), ("12 mod 7", "5"), (r"x\equiv 12 \pmod 7", r"x\equiv5\pmod{7}"), (r"x \equiv 1, 3 \pmod 4", r"x\equiv 3,1 \pmod 4"),
    # spaces, decoration, text
    (r"1\ 1/2", "3/2"), ("42\\ ", "42"), (r"1\,000", "1000"), (r"\color{red}{7}", "7"), (r"\textcolor{blue}7", "7"), (r"\mathbf{\frac12}", "1/2"), (r"\mbox{7 cm}", "7"), (r"7\hspace{2mm}", "7"),
    (r"7\tag{1}", "7"), (r"{\large 7}", "7"), (r"7 \checkmark", "7"), (r"7\phantom{0}", "7"), (r"\;7\;", "7"), (r"\text{10 cm}", "10"), (r"\text{2/3}", "2/3"), (r"\text{x = 5}", "5"), (r"\text{50\%}", "50"),
    (r"\text{(1,2)}", "(1,2)"), (r"\frac{\mathrm{1,000}}{2}", "500"), ("1'234'567", "1234567"),
    # names of values
    ("xy=12", "12"), ("E[X]=3", "3"), (r"\operatorname{Var}(X)=3", "3"), ("f'(x)=2x", "2x"), ("f^{-1}(3)=2", "2"), ("[ABC]=5", "5"), (r"x_{\max}=5", "5"), (r"\angle APC=74^\circ", "74"), (r"\frac{dy}{dx}=2x", "2x"),
    ("37", "m+n=37"), ("P(X=3)=1/4", "0.25"), (r"\frac{d^2y}{dx^2}=6x", "6x"), ("AB^2=5", "5"),
    # qualifiers
    (r"2^n-1 \text{ for } n\ge1", "2^n-1"), (r"12, \text{ where } n=3", "12"), (r"2x^3+c \text{ for any real constant } c", "2x^3+C"), (r"\frac{1}{x}, x\ne 0", "1/x"), (r"x = 5 \text{ (rejected), } x = 7", "7"),
    # angles
    (r"180^\circ-2\alpha", r"180-2\alpha"), (r"30^\circ15'", r"30.25^\circ"), (r"30^\circ 15' 36''", r"30.26^\circ"), (r"\angle DCA", r"\angle ACD"), ("DCA", "ACD"),
    # choices and arrangements
    (r"{5 \choose 2}", "10"), ("{}_5C_2", "10"), ("C(5,2)", "10"), ("5C2", "10"), ("A_5^2", "20"), ("C_n^2", "n(n-1)/2"), ("A_n^2", "n(n-1)"), (r"\binom{n}{k}", r"\frac{n!}{k!(n-k)!}"), ("C_n^3", "n(n-1)(n-2)/6"),
    # repeating decimals, numbers in words and in bases
    ("0.(3)", "1/3"), ("0.1(6)", "1/6"), (r"0.\bar{3}", "1/3"), ("forty-two", "42"), ("one hundred and five", "105"), (r"\text{three quarters}", "3/4"), ("two and a half", "2.5"), ("nine hundred ninety-nine", "999"), ("minus seven", "-7"),
    (r"101_{\text{two}}", "101_2"), ("0b101", "101_2"), ("1F_{16}", "1F"), (r"5\text{ below zero}", "-5"), ("5 out of 6", "5/6"), (r"3 \text{ to } 4", "3:4"),
    # intervals and sets
    ("]3,5[", "(3,5)"), ("[3,5[", "[3,5)"), (r"\left]3;5\right]", "(3,5]"), (r"x \neq 0, 1", r"(-\infty,0)\cup(0,1)\cup(1,\infty)"), (r"\text{all real numbers except }0", r"x\ne0"), (r"\mathbb{R}^+", r"(0,\infty)"),
    # brackets as groups, vectors, forms of programs
    ("8*[2*cos(t)]^2", r"32\cos^2 t"), ("10/[5^{2n+1}]", r"\frac{10}{5^{2n+1}}"), (r"\hat i+2\hat j", "(1,2)"), (r"2\mathbf{i}-\mathbf{j}+3\mathbf{k}", r"\langle 2,-1,3\rangle"), ("Eq(x, 5)", "5"), ("[[1,2],[3,4]]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    # functions in pieces, constants of integration
    (r"\begin{cases} x & x\ge 0\\ -x & x<0\end{cases}", "|x|"), (r"f(x)=\begin{cases} x, & \text{if } x>0\\ 0, & \text{otherwise}\end{cases}", r"\max(x,0)"), (r"\frac{x^3}{3}+C_1", r"\frac{x^3}{3}+C"),
    # units
    (r"3\times 10^8 \text{ m/s}", "3*10^8"), (r"12\text{ in}", r"1\text{ ft}"), (r"2\text{ hours and }30\text{ minutes}", "2.5 hours"),
    # functions as they are typed
    ("abs(-3)", "3"), ("factorial(5)", "120"), ("cbrt(8)", "2"), ("ceil(7.2)", "8"), ("floor(7/2)", "3"), (r"\lg 100", "2"), (r"\operatorname{sh} x", r"\sinh x"),
    (r"2\operatorname{cis}\frac{\pi}{3}", r"1+i\sqrt3"), (r"\zeta(2)", r"\frac{\pi^2}{6}"), ("Fraction(7, 20)", "7/20"), (r"\sigma^2 = 2.25", "2.25"), (r"d(A,B)=\sqrt{10}", r"\sqrt{10}"),
    # what groups digits elsewhere, units in one command, numbers and ordinals in words, letters with a name
    ("12,34,567", "1234567"), (r"12{,}50", "12.5"), (r"12\,345{,}5", "12345.5"), (r"12{,}500", "12500"), (r"90\,\mathrm{km\,h^{-1}}", r"90\text{ km/h}"), (r"9.8\ \mathrm{m\cdot s^{-2}}", r"9.8\text{ m/s}^2"),
    ("half a million", "500000"), (r"\text{a dozen}", "12"), ("two dozen", "24"), (r"\text{third}", "3rd"), (r"\text{Point }Q", "Q"), (r"\text{Yes, it converges}", "yes"), ("The tallest is Marcus", r"\text{Marcus}"), ("It was Wednesday", "Wednesday"),
    (r"x=y=z=\frac13", r"(\frac13,\frac13,\frac13)"), ("1 in 6", "1/6"), (r"4.7\,\mathrm{k\Omega}", r"4700\ \Omega"), (r"0.50\ \text{M}", "0.5"), (r"500\,\mathrm{nm}", "500"), ("ROI: 12.5 %", "12.5"), ("7/2 (3.5)", "7/2"), ("1/3 (about 33.3%)", "1/3"),
    (r"=\frac{5\pi}{3}", r"5\pi/3"), (r"$m$ 的最大值为 $\frac{1}{2}$", "1/2"), ("triangle ABC is equilateral", "equilateral"), ("There are no such integers", "no such integers"),
    (r"\pi r^2 h", r"\pi hr^2"), (r"A\cap B=\{2,3\}", r"\{2,3\}"), (r"\nabla f=(2x,2y)", "(2x,2y)"), (r"\frac{\partial f}{\partial x}=2xy", "2xy"),
    (r"\text{HHT, HTH, THH}", "HTH, HHT, THH"), (r"\text{red, blue}", "blue, red"), (r"\text{Mary and John}", "John and Mary"), (r"\text{Quadrant III}", "III"),
    ("[1 2; 3 4]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), ("4 and a half", "4.5"), (r"\frac{3}{4}\text{ of an hour}", "45 minutes"), (r"\hat{\imath}-2\hat{\jmath}", r"\mathbf{i}-2\mathbf{j}"), (r"\text{AB}+\text{CD}", "AB+CD"), (r"\text{Graph (b)}", "(b)"), (r"\text{Car B}", "B"), (r"\text{I and III only}", "I, III"), (r"\text{II only}", "II"), (r"\#5", "5"), (r"25\pi\text{ square inches}", r"25\pi"), (r"25\pi cm^2", r"25\pi"),
    # polar form, double factorials, parts in words, ordinals, families of numbers
    (r"2\angle 60^\circ", r"1+\sqrt3 i"), (r"5\angle -90^\circ", "-5i"), (r"3\angle\frac{\pi}{2}", "3i"), ("(2n)!!", "2^n n!"), ("(2n-1)!!", r"\frac{(2n)!}{2^n n!}"),
    ("three hundredths", "0.03"), (r"3\text{ halves}", "1.5"), (r"3\text{ fifths}", "0.6"), (r"2\text{ thirds of a mile}", "2/3"), ("twenty-first", "21st"), ("thirtieth", "30"), ("the fifth", "5th"),
    (r"x=5k+3,\ k\in\mathbb{Z}", r"x\equiv3\pmod5"), ("n=7m-2", r"n\equiv5\pmod 7"), (r"\forall x\in\mathbb{R},\ f(x)=0", "f(x)=0"), (r"\yen 300", "300"), (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "I_2"),
    ("(B) and (D)", "B,D"), (r"\text{None of these}", "none of the above"), ("2021-05-05", "May 5, 2021"), ("2021年5月5日", "2021-05-05"), ("x^3+C", "x^3+K"), (r"C_1e^x+C_2e^{-x}", r"Ae^x+Be^{-x}"),
]  # fmt: skip

NOT_SAME = [
    (r"2^{10} \bmod 7", "1024"), (r"7\mod 3", "7"), (r"x\equiv 5\pmod 8", r"x\equiv5\pmod 7"), (r"7\ 8", "78"), (r"7\ 8", "56"), (r"7\,8", "78"),
    ("5 for 3", "5"), ("7, x>3", "5"), ("2(3)", "2.3333"), ("one or two", "1"), ("five", "5.5"), (r"\begin{cases} x & x\ge 1\\ -x & x<1\end{cases}", "|x|"), (r"5\text{ to }1", "5"), ("x^2+C", "x^2+2C"),
    ("3+4=8", "8"), ("x=7=8", "8"), ("3 = 7", "7"), (r"7 \approx 3", "3"), (r"3 \sim 7", "7"), (r"7 \text{ maybe}", "7"), ("1,1,2", "1,2"), ("abs(-3)", "-3"), (r"\tan{1}", "1"), (r"\square+3", "3"), ("[1,2],[3,4]", r"(1,2)\cup(3,4)"),
    ("C_1^2", "1"), (r"\angle ABC", r"\angle ACB"), (r"30^\circ15'", r"45^\circ"), ("2x+z=1", "1"), ("3+4i", "(3,4)"),
    (r"\zeta x", r"\frac{\pi^2}{6}x"), (r"\sigma^3 = 2.25", "2.25"), ("12,34", "1234"), ("12,345,67", "1234567"), (r"12{,}500", "12.5"), (r"90\,\mathrm{km\,h^{-2}}", r"90\text{ km/h}"), ("half a million", "1000000"),
    (r"\text{fourth}", "3rd"), ("third", "1/3"), (r"\text{triangle }Q", "R"), (r"\text{Yes, if n is even}", "yes"), (r"\text{No, it diverges}", "yes"), ("The tallest is not Marcus", "Marcus"), ("It is false that the tallest is Marcus", "Marcus"),
    (r"x=y=z=\frac13", r"(\frac13,\frac13,\frac12)"), ("1 in 6", "6"), (r"x\Omega", "x"), ("2A", "2"), ("5C", "5"), ("2 (3)", "2"), ("7/2 (4.5)", "7/2"), ("AB:5", "5"),
    (r"5\text{ hr}^2", r"5 h^2 r"), ("60,12", "6012"), ("60, 120", "60,120"), (r"A\cap B=\{2,3\}", r"\{2,4\}"), ("x+y=(2,3)", "(3,2)"), (r"\text{red, blue}", "red, green"), (r"\text{Mary and John}", "Mary"), ("[1; 2]", "12"), ("4 and a half", "4"), (r"\frac{3}{4}\text{ of an hour}", "3 hours"), (r"\text{Graph (b)}", "(c)"), (r"\text{I and III only}", "I"),
    (r"2\angle 30^\circ", r"1+\sqrt3 i"), (r"2\angle ABC", "2"), ("(2n)!!", "(2n)!"), ("(n^2)!!", "n^2"), (r"3\text{ halves}", "3"), (r"3\text{ quarters}", "3"), (r"5\text{ hundredths}", "5"), ("twenty second", "20"), ("first third", "3"),
    (r"x=5k+2,\ k\in\mathbb{Z}", r"x\equiv3\pmod5"), (r"x=10k+3,\ k\in\mathbb{Z}", r"x\equiv3\pmod5"), (r"\forall x, f(x)=0", "f(x)=1"), (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "I_3"), (r"\begin{pmatrix}1&0\\0&2\end{pmatrix}", "I"),
    ("(B, D)", "B,C"), ("2021-05-06", "May 5, 2021"), ("x^3+C", "x^3+k"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same(a: str, b: str) -> None:
    for one, other in ((a, b), (b, a)):
        outcome = compare_answers(one, other)
        assert outcome.correct, outcome.reason


@pytest.mark.parametrize(("a", "b"), NOT_SAME)
def test_not_the_same(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct
    assert not compare_answers(b, a).correct


@pytest.mark.parametrize(
    "unread",
    [
        "sqrt of 2",
        r"\foo{2} 3",
        "about 3 or so 4",
        r"x \ast\ast 3 \heartsuit+ = 2",
        "the sum of 3 and x",
        "2 3/2",
        r"\text{Sum of } 3 \text{ and } 5",
    ],
)
@pytest.mark.parametrize("gold", ["5", r"\sqrt2", "x+1", "y=2x"])
def test_what_cannot_be_read_is_never_called_wrong(unread: str, gold: str) -> None:
    assert compare_answers(unread, gold).status == "unverifiable"


def test_a_list_beside_words_that_hold_several_numbers_is_left_open() -> None:
    assert compare_answers(r"\text{Both } 3 \text{ and } 5", "3, 5").status == "unverifiable"
    assert compare_answers(r"\text{isosceles}", "3, 5").status == "incorrect"


def test_a_grouped_number_may_be_the_list_of_its_groups() -> None:
    assert compare_answers(r"60^\circ \text{ or } 120^\circ", "60,120").status == "unverifiable"
    assert compare_answers("1, 200", "1,200").status == "unverifiable"
    assert compare_answers("1, 300", "1,200").status == "incorrect"


def test_a_letter_may_name_a_matrix() -> None:
    assert compare_answers(r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "A").status == "unverifiable"
    assert compare_answers(r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "2").status == "incorrect"


def test_a_bar_over_an_expression_is_not_read_as_a_name() -> None:
    assert compare_answers(r"\overline{2+i}", "2-i").status == "unverifiable"
    assert compare_answers(r"\overline{AB}", r"\overline{AB}").correct
