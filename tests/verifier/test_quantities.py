"""Units are converted, words that scale or change a number are heeded, and letters are no units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.comparison.equal import compare_answers
from verifier.parsing.readings import readings
from verifier.tree import Quantity

NUMBERS = st.integers(1, 99)
WORDS_THAT_CHANGE = [
    "squared", "cubed", "factorial", "halves", "thirds", "at least", "at most", "wrong", "north", "below zero", "p.m.", "million",
    "more", "times", "maybe", "thousand", "dozen", "hundred", "March", "billion dollars", "loss", "not", "or more", "nines", "clockwise", "minus", "plus",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS_THAT_CHANGE)
@given(number=NUMBERS)
def test_a_word_that_changes_the_number_is_heeded(word: str, number: int) -> None:
    for said in (f"{number} {word}", f"{number}\\text{{ {word}}}"):
        assert not compare_answers(said, str(number)).correct


@pytest.mark.parametrize("words", ["万", "亿", "千", "百", "以上", "的倍数", "以下", "不", "个半", "折"])
def test_chinese_words_that_change_the_number_are_heeded(words: str) -> None:
    assert not compare_answers(f"5{words}", "5").correct


@pytest.mark.parametrize("answer", ["不是5", "5(不对)", "5(或6)", "非5"])
def test_what_is_taken_back_does_not_count(answer: str) -> None:
    assert not compare_answers(answer, "5").correct


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1.5 million", "1500000"), ("5万", "50000"), ("1.2万", "12000"), ("1 dozen", "12"), ("5 thousand", "5000"), ("2 hundred", "200"), ("3亿", "300000000"),
        (r"\$10 million", "10000000"), ("3亿元", "300000000"), (r"2\text{ billion}", "2000 million"),
    ],
)  # fmt: skip
def test_words_that_scale_are_factors(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


DIFFERENT_WORDS = [
    (r"2\text{ billion}", r"2\text{ million}"), ("9 p.m.", "9 a.m."), (r"20\% \text{ increase}", r"20\% \text{ decrease}"), (r"\$5 profit", r"\$5 loss"),
    ("5 km north", "5 km south"), ("5 March", "5 April"), ("5 boys", "5 girls"), ("5 per hour", "5 per minute"), ("10 units left", "10 units right"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), DIFFERENT_WORDS)
def test_the_same_number_of_different_things_is_not_accepted(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct
    assert compare_answers(a, b).status == compare_answers(b, a).status


@pytest.mark.parametrize(
    "noun",
    ["apples", "students", "children", "pieces", "minutes", "red balls", "men", "units", "left"],
)
@given(number=NUMBERS)
def test_a_plain_noun_may_be_left_out(noun: str, number: int) -> None:
    assert compare_answers(f"{number} {noun}", str(number)).correct
    assert compare_answers(f"{number}\\text{{ {noun}}}", str(number)).correct
    assert compare_answers(f"{number} {noun}", str(number + 1)).status == "incorrect"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2 km", "2000 m"), ("2km", "2000m"), ("1 hour 30 minutes", "90 minutes"), ("1.5 h", "90 min"), ("5 kg", "5000 g"), ("10 m/s", "36 km/h"), ("1 L", "1000 cm^3"),
        ("2 ft 3 in", "27 inches"), ("5 m 20 cm", "5.2 m"), ("1小时30分", "90分钟"), ("2米50厘米", "250厘米"), ("1 m^2", "10000 cm^2"), ("60 mph", "60 miles per hour"),
        ("5 dollars and 50 cents", "5.50"), (r"20^\circ\text{C}", "20"), ("20°C", "20 degrees Celsius"), ("3平方米", "3"), (r"10\,\mathrm{m/s}", "10"),
        ("3 cm, 4 cm", "4, 3"), ("negative 5", "-5"), ("负三", "-3"), ("三又二分之一", "3.5"), ("第3天", "3"), ("5 miles per hour", "5"),
    ],
)  # fmt: skip
def test_quantities_that_are_equal(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("20°C", "20°F"), ("5 J", "5 N"), ("1 hour 30 minutes", "1.3 hours"), ("5 km", "5 miles"), ("2 km", "200 m"), ("5 m", "5 h")])  # fmt: skip
def test_quantities_that_differ(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("50 cents", r"\$0.50"), (r"\$5.50", "550 cents"), ("£5", "5"), (r"\$5", "5 dollars"), ("10€", "10 euros"), ("¥5", "5元"), ("Rs. 500", "500")])  # fmt: skip
def test_currencies_are_units(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


@pytest.mark.parametrize(
    ("a", "b"), [("50 cents", r"\$50"), (r"\$10", "10 euros"), ("£5", r"\$5"), ("¥5", "€5")]
)
def test_currencies_differ(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


@given(NUMBERS, st.text("abcnxyz", min_size=2, max_size=4))
def test_letters_at_a_number_are_a_product(number: int, letters: str) -> None:
    assert not compare_answers(f"{number}{letters}", str(number)).correct


@pytest.mark.parametrize(("a", "b"), [("2xyz", "2abc"), ("(x+1)abc", "x+1"), ("2sinx", "2"), ("2sinx", "2cosx"), ("2theta", "2alpha"), ("2theta", "2"), ("2 sinx", "2"), ("3 sqrt x", "3"), ("4max", "4"), (r"2\mathrm{abc}", "2"), (r"2\text{xy}", "2")])  # fmt: skip
def test_letters_and_typed_functions_are_not_left_out(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


@pytest.mark.parametrize(("a", "b"), [("2sinx", r"2\sin x"), ("sinx", r"\sin x"), ("sin x", r"\sin(x)"), ("2theta", r"2\theta"), ("2sinxcosx", r"\sin 2x"), ("lnx", r"\ln x"), ("2sinA", r"2\sin A"), ("3abc", "3bca"), ("abc", "cab"), ("2pir", r"2\pi r")])  # fmt: skip
def test_typed_functions_are_read(a: str, b: str) -> None:
    assert compare_answers(a, b).correct


def test_a_single_letter_may_be_a_unit_or_a_variable() -> None:
    assert {type(node) for node in readings("5 m")} > {Quantity}
    assert compare_answers("5 m", "5").status == "unverifiable"
    assert not compare_answers("2+3m", "5 m").correct


@pytest.mark.parametrize(
    ("a", "b"), [("5 km", "5000"), ("1 hour", "60"), ("50 cents", "0.5"), ("2 km", "2000")]
)
def test_a_number_may_be_of_another_unit(a: str, b: str) -> None:
    assert compare_answers(a, b).status == "unverifiable"
    assert compare_answers("0 km", "0").correct


@pytest.mark.parametrize("ordinal", ["3rd", r"3\text{rd}", r"3^{\text{rd}}", "3^{rd}"])
def test_ordinals_are_numbers(ordinal: str) -> None:
    assert compare_answers(ordinal, "3").correct
    assert not compare_answers(ordinal, "4").correct


def test_a_currency_may_stand_before_an_expression() -> None:
    assert compare_answers(r"\$2x+3", "2x+3").correct
    assert compare_answers(r"\$1\frac12", "1.5").correct
