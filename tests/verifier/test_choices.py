"""A letter of multiple choice counts only where it is the one that is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import verify
from verifier.comparison.equal import compare_answers
from verifier.parsing.choices import letters_of

LETTERS = st.lists(st.sampled_from("ABCDE"), min_size=2, max_size=5, unique=True)


@given(
    LETTERS,
    st.sampled_from(["{}", "({})", "{}.", "{})"]),
    st.sampled_from([" or ", " and ", ", ", "或"]),
)
def test_several_letters_choose_none_of_them(letters: list[str], option: str, joint: str) -> None:
    hedge = joint.join(option.format(letter) for letter in letters)
    for gold in letters:
        for text in (f"\\boxed{{{hedge}}}", f"\\boxed{{\\text{{{hedge}}}}}", f"The answer is {hedge}"):
            assert not verify(text, gold).correct, text


@pytest.mark.parametrize("text", [r"\boxed{A) 5, B) 6}", r"\boxed{(A) 5 (B) 6}", r"\boxed{A. 5 B. 6}"])
def test_several_options_with_their_texts_choose_none(text: str) -> None:
    assert not verify(text, "A").correct


@pytest.mark.parametrize(
    "command", ["text", "textbf", "textit", "textrm", "textnormal", "mathrm", "mathbf", "mathit"]
)
@pytest.mark.parametrize("answer", [r"\%s{C}", r"\%s{(C)}", r"\%s{(C)}\ 12", r"\%s{(C) }12", r"\%s{C.} 12"])
def test_a_letter_may_be_set_in_any_type(command: str, answer: str) -> None:
    assert compare_answers(answer % command, "C").correct
    assert compare_answers(answer % command, "D").status == "incorrect"


@pytest.mark.parametrize(
    "text", ["Option C", "choice (C)", "选C", "C选项", "C. 12", "(C) the point A", "(c)"]
)
def test_a_letter_may_have_a_name_or_a_text(text: str) -> None:
    assert compare_answers(text, "C").correct


@pytest.mark.parametrize(("several", "listed"), [("BCD", "B, C, D"), ("AC", "A、C"), ("AC", "A and C")])
def test_several_letters_may_be_listed_or_joined(several: str, listed: str) -> None:
    assert compare_answers(several, listed).correct
    assert not compare_answers(several + "E", listed).correct


@pytest.mark.parametrize(("a", "b"), [("A:B", "B:A"), ("A/B", "B/A"), ("(A,B)", "(B,A)")])
def test_ratios_and_tuples_of_letters_keep_their_order(a: str, b: str) -> None:
    assert not compare_answers(a, b).correct


def test_words_that_begin_with_an_article_are_no_choice() -> None:
    assert letters_of("A rectangle") is None


@pytest.mark.parametrize(
    ("text", "gold"),
    [("Vitamin C helps.", "C"), ("I have no idea. Grade: A", "A"), ("Section B says nothing.", "B"), ("Option B is wrong.", "B"), ("The answer is A or B.", "B"), ("Therefore plan B costs more, and the answer is unclear.", "B")],
)  # fmt: skip
def test_letters_in_prose_about_something_else_choose_nothing(text: str, gold: str) -> None:
    assert not verify(text, gold).correct


@pytest.mark.parametrize(
    ("text", "gold"),
    [("So C is right.", "C"), ("Option B is wrong, so C.", "C"), ("A is wrong. B is wrong. Therefore choose D", "D"), ("The correct option is C.", "C"), ("因此选B", "B"), ("The answer is C, not B.", "C")],
)  # fmt: skip
def test_a_choice_may_be_stated_in_prose(text: str, gold: str) -> None:
    assert verify(text, gold).correct


@pytest.mark.parametrize("answer", ["(C) 24", r"\text{(C) } 24", "C. 24"])
def test_the_same_text_under_another_letter_is_left_open(answer: str) -> None:
    assert verify(f"\\boxed{{{answer}}}", "(C) 24").correct
    assert verify(f"\\boxed{{{answer}}}", "(D) 24").status == "unverifiable"
    assert verify(f"\\boxed{{{answer}}}", "(D) 25").status == "incorrect"
