"""Numbers in prose, LaTeX and programs: read, written again, carried on, or given up for a named reason."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scdpo.corrupt.rewriting.changes import Known, compare
from scdpo.corrupt.rewriting.formulas import latex, replacements
from scdpo.corrupt.rewriting.numbers_in_text import find_mentions, write_like
from scdpo.corrupt.rewriting.plausible import Inconsistent, ValueContext
from scdpo.corrupt.rewriting.programs import carry_code, follow_in_comments, literals
from scdpo.corrupt.rewriting.propagate import carry_text
from scdpo.corrupt.rewriting.stated_arithmetic import find_statements

PLAIN = ValueContext()


def known(*outputs: tuple[str, str], kept: str = "", given: str = "") -> Known:
    state = Known()
    state.read(kept)
    state.given = {m.value for m in find_mentions(given)}
    state.read(given)
    for old, new in outputs:
        state.learn_output(compare(old, new))
    return state


def carry(
    text: str, *outputs: tuple[str, str], kept: str = "", given: str = "", limits: ValueContext = PLAIN
) -> str:
    state = known(*outputs, kept=kept, given=given)
    expressions = [pair for old, new in outputs for pair in compare(old, new).expressions]
    return carry_text(text, state, expressions, limits)


def reason(
    text: str, *outputs: tuple[str, str], kept: str = "", given: str = "", limits: ValueContext = PLAIN
) -> str:
    with pytest.raises(Inconsistent) as caught:
        carry(text, *outputs, kept=kept, given=given, limits=limits)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,200 coins", 1200),
        ("2{,}400 coins", 2400),
        (r"\$2.50", Fraction(5, 2)),
        (r"\frac{1}{6}", Fraction(1, 6)),
        (r"\dfrac12", Fraction(1, 2)),
        (r"4\frac{1}{2} hours", Fraction(9, 2)),
        ("3/4 of it", Fraction(3, 4)),
        ("it is -7", -7),
        (r"= -\frac{1}{6}", Fraction(-1, 6)),
        (".5", Fraction(1, 2)),
        ("60mph", 60),
    ],
)
def test_a_number_is_read(text: str, value: Fraction | int) -> None:
    (mention,) = find_mentions(text)
    assert (mention.value, mention.role) == (value, "value")


@pytest.mark.parametrize(
    "text", ["Step 2: add", "### 3", "x_1", "a_{10}", "**Step 4:**", "1. First", "2D", "r^2", "h2"]
)
def test_what_only_looks_like_a_number_has_another_role(text: str) -> None:
    assert [m.role for m in find_mentions(text) if m.role == "value"] == []


@pytest.mark.parametrize(
    ("source", "value", "rounded", "written"),
    [
        ("1,200", 3400, False, "3,400"),
        ("28", Fraction(81, 4), False, "20.25"),
        ("2.50", 3, False, "3.00"),
        ("0.167", Fraction(1, 4), True, "0.250"),
        ("15.975", Fraction(9, 10), False, "0.9"),
        (r"\frac{1}{6}", Fraction(5, 36), False, r"\frac{5}{36}"),
        (r"\frac{1}{6}", 2, False, "2"),
        ("3/4", Fraction(2, 3), False, "2/3"),
        (r"4\frac{1}{2}", Fraction(7, 2), False, r"3\frac{1}{2}"),
        ("-5", -8, False, "-8"),
    ],
)
def test_a_value_is_written_as_the_old_one_was(
    source: str, value: Fraction, rounded: bool, written: str
) -> None:
    (mention,) = find_mentions(f"= {source}")
    assert write_like(mention, Fraction(value), rounded) == written


@pytest.mark.parametrize(
    ("text", "old", "new", "carried"),
    [
        (r"Rong has \(2400\) coins.", "2400", "2600", r"Rong has \(2600\) coins."),
        ("He has 2,400 coins.", "2400", "2600", "He has 2,600 coins."),
        (r"It costs \$4.50.", "4.5", "3.25", r"It costs \$3.25."),
        (r"a chance of \(0.167\)", "0.16666666666666666", "0.25", r"a chance of \(0.250\)"),
        (r"which is 25\%.", "0.25", "0.35", r"which is 35\%."),
        (r"\boxed{\frac{1}{6}}", "Fraction(1, 6)", "Fraction(5, 36)", r"\boxed{\frac{5}{36}}"),
        (r"\boxed{\frac{1}{4}}", "0.25", "0.2", r"\boxed{\frac{1}{5}}"),
        (
            r"they are \(x = -\frac{15}{8}\)",
            "[-15/8, 7/2]",
            "[-13/8, 5/2]",
            r"they are \(x = -\frac{13}{8}\)",
        ),
        ("Each has 28 coins.", "28.0", "20.0", "Each has 20 coins."),
        ("There are six of them.", "6", "8", "There are eight of them."),
        (
            r"so \(\boxed{\frac{2\sqrt{3}}{3}}\)",
            "2*sqrt(3)/3",
            "4*sqrt(3)/3",
            r"so \(\boxed{\frac{4\sqrt{3}}{3}}\)",
        ),
        (r"we get \(x^2 - 3x + 2\)", "x**2 - 3*x + 2", "x**2 - 5*x + 2", r"we get \(x^2 - 5x + 2\)"),
        (r"\(-10t - 3\)", "-10*t - 3.0", "-10*t - 2.0", r"\(-10t - 2\)"),
    ],
)
def test_a_changed_value_is_carried_in_its_form(text: str, old: str, new: str, carried: str) -> None:
    assert carry(text, (old, new)) == carried


def test_what_an_equation_works_out_is_worked_out_again() -> None:
    assert carry(r"So \(28 \times 15 = 420\) and 420 it is.", ("28", "20"), kept="15") == (
        r"So \(20 \times 15 = 300\) and 300 it is."
    )


def test_an_equation_tells_which_of_two_equal_numbers_is_meant() -> None:
    text = r"\(20 + 8 = 28\)"
    assert carry(text, ("28", "33"), ("20", "25"), kept="20 and 8") == r"\(25 + 8 = 33\)"


def test_a_number_of_another_unit_is_the_result() -> None:
    assert carry("It lasts for 3 days.", ("3", "5"), given="She has 3 cats.") == "It lasts for 5 days."


def test_the_text_speaks_of_the_last_output_first() -> None:
    assert carry("He needs 12 now.", ("12", "15"), ("12", "18")) == "He needs 18 now."


@pytest.mark.parametrize(
    ("text", "outputs", "kept", "why"),
    [
        ("After 3 cats she has 8.", [("3", "5")], "She has 3 cats.", "ambiguous_value"),
        ("There were 77 of them.", [("12", "15")], "", "unexplained_number"),
        ("The values are 5 and 6.", [("[5, 6]", "[5, 6, 9]")], "", "lost_value"),
        (r"Adding, \(20 + 28 = 48\).", [("48", "8")], "20 and 28", "broken_equation"),
        ("Adding 20 and 28 gives 48.", [("48", "8")], "20 and 28", "sentence_arithmetic"),
        ("Since 15 is greater than 9, he wins.", [("15", "5")], "9", "comparison"),
        ("Here 12 is even.", [("12", "15")], "", "claimed_property"),
        ("There are 12 left.", [("12", "-3")], "", "sign"),
        ("There are 12 left.", [("12", "0")], "", "sign"),
        ("There are 12 left.", [("12", "1200")], "", "magnitude"),
        ("There are 12 left.", [("12", "5.5")], "", "fraction_for_whole"),
        ("There are two left.", [("2", "35")], "", "number_word"),
        (r"the common fraction is \frac{1}{2}", [("1/2", "2")], "", "claimed_property"),
    ],
)
def test_a_text_that_would_not_read_on_is_given_up(
    text: str, outputs: list[tuple[str, str]], kept: str, why: str
) -> None:
    assert reason(text, *outputs, kept=kept, given=kept) == why


def test_a_result_that_is_gone_is_not_taken_for_a_changed_literal() -> None:
    state = known(("[1, -2]", "[1]"))
    state.learn(Fraction(-2), Fraction(-3))
    with pytest.raises(Inconsistent, match="lost_value"):
        carry_text("The roots are 1 and -2.", state, [], PLAIN)


def test_a_misquoted_number_stays_where_the_problem_is_quoted_but_not_where_a_result_equals_it() -> None:
    state = known(given="They have 20 rooms.")
    state.learn(Fraction(20), Fraction(30))
    state.misquoted = {Fraction(20)}
    assert carry_text("With 20 rooms that is all.", state, [], PLAIN) == "With 20 rooms that is all."
    state.learn_output(compare("20", "30"))
    with pytest.raises(Inconsistent, match="ambiguous_value"):
        carry_text(r"The cost of 20 rooms \(20 \times 12\) is high.", state, [], PLAIN)


def test_cents_and_articles_are_written_as_they_should_be() -> None:
    assert carry("It costs $12.", ("12", "10.5"), limits=ValueContext(money=True)) == "It costs $10.50."
    assert reason("It is an 8-hour day.", ("8", "7")) == "article"
    assert reason(r"She needs \(\boxed{4}\) bags.", ("4", "1")) == "plural"


def test_a_formula_in_dollar_signs_is_no_money() -> None:
    assert not ValueContext.of("The sum of 27 positive integers is $3^7$.", "").money
    assert ValueContext.of("A pen is $3, a book $5.50.", "").money


def test_money_may_come_in_cents_and_measures_in_parts_but_people_may_not() -> None:
    money = ValueContext.of("How many dollars does it cost?", "")
    assert carry("It costs 12 dollars.", ("12", "10.5"), limits=money) == "It costs 10.5 dollars."
    hours = ValueContext.of("How many hours does the trip take?", "")
    assert carry("It takes 12 hours.", ("12", "10.5"), limits=hours) == "It takes 10.5 hours."
    assert reason("It takes 12 drivers.", ("12", "10.5"), limits=hours) == "fraction_for_whole"


def test_an_unknown_may_change_its_sign_and_become_a_fraction() -> None:
    algebra = ValueContext.of("Solve 3x + 2y = 4 for x.", "")
    assert carry(r"So \(x = 10\).", ("[10]", "[-20/3]"), limits=algebra) == r"So \(x = -\frac{20}{3}\)."


def test_a_probability_stays_below_one() -> None:
    chance = ValueContext.of("What is the probability of rain?", "")
    assert reason("It is 0.5.", ("0.5", "1.5"), limits=chance) == "chance"


def test_outputs_that_differ_in_more_than_numbers_are_not_aligned() -> None:
    assert compare("True", "False").words_differ
    assert compare("[1, 2]", "[1]").lost == {1, 2}
    assert compare("Total: 5\nRest: 3", "Total: 6\nRest: 3").kept == {3}


@pytest.mark.parametrize(
    ("source", "style", "form"),
    [
        ("2*sqrt(3)/3", "frac", r"\frac{2\sqrt{3}}{3}"),
        ("2*sqrt(3)/3", "lead", r"\frac{2}{3}\sqrt{3}"),
        ("-pi/4", "frac", r"-\frac{\pi}{4}"),
        ("x**2 - 3*x", "frac", "x^2 - 3x"),
        ("(x + 1)*(x - 2)", "frac", "(x + 1)(x - 2)"),
        ("f(x)", "frac", None),
        ("__import__('os')", "frac", None),
        ("(" * 150, "frac", None),
    ],
)
def test_a_printed_formula_has_a_latex_form(source: str, style: str, form: str | None) -> None:
    assert latex(source, style) == form


def test_a_formula_is_found_whatever_its_spaces() -> None:
    (form, new), *_ = replacements("2*sqrt(3)/3", "4*sqrt(3)/3")
    assert form.sub(lambda _: new, r"is \dfrac{2 \sqrt{3}}{3}") == r"is \frac{4\sqrt{3}}{3}"
    assert not form.search(r"\frac{12\sqrt{3}}{3}") or form.search(r"\frac{2\sqrt{3}}{3}")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (r"\(10 \times 0.25 = $2.50\)", [True]),
        (r"\frac{6}{36} = \frac{1}{6} \approx 0.167", [True, True]),
        (r"2(3+4) = 14", [True]),
        (r"\sqrt{16} = \boxed{4}", [True]),
        (r"75\% = 0.75", [True]),
        ("3 < 4", [True]),
        ("5 = 6", [False]),
        (r"12 \text{ h} \times 60 \text{ mph} = 720 \text{ miles}", [True]),
    ],
)
def test_arithmetic_in_numbers_is_understood(text: str, holds: list[bool]) -> None:
    found = [s.holds(i, lambda m: m.value) for s in find_statements(text) for i in range(len(s.relations))]
    assert found == holds


def test_a_retyped_result_in_later_code_follows() -> None:
    assert carry_code("left = 28\nleft * 3", known(("28", "20")), [], PLAIN) == "left = 20\nleft * 3"


def test_a_comment_in_later_code_follows() -> None:
    state = known(("11", "22"))
    assert carry_code("# Substitute d = 11\ny = f(d)", state, [], PLAIN) == "# Substitute d = 22\ny = f(d)"


def test_other_literals_and_strings_of_later_code_stay() -> None:
    code = "label = 'step 7'\ny = 5 * x ** 2"
    assert carry_code(code, known(("28", "20")), [], PLAIN) == code


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = f(28) + 28", "ambiguous_value"),
        ("print('there are 28')", "value_in_string"),
        ("x = '''", "unreadable_code"),
    ],
)
def test_later_code_that_cannot_follow_is_given_up(code: str, why: str) -> None:
    with pytest.raises(Inconsistent) as caught:
        carry_code(code, known(("28", "20"), kept="28 apples"), [], PLAIN)
    assert caught.value.reason == why


def test_comments_follow_a_changed_literal() -> None:
    assert follow_in_comments("# 5 days a week\ndays = 6", Fraction(5), "6", 1) == "# 6 days a week\ndays = 6"


def test_the_literals_of_a_program_leave_out_digits_and_exponents() -> None:
    assert literals("x = 12 * y**3\nround(x, 2) + 0.5") == {12, Fraction(1, 2)}


@settings(max_examples=80)
@given(st.text(alphabet="0123456789.,-+*/=()[]{}\\$%^_ \nabfrctimes", max_size=80))
def test_no_text_makes_the_carrying_fail_otherwise(text: str) -> None:
    with contextlib.suppress(Inconsistent):
        carry(text, ("12", "15"), ("[1, 2]", "[3]"), kept="7")


@settings(max_examples=80)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_outputs_can_be_compared(old: str, new: str) -> None:
    compare(old, new)


@given(st.text(alphabet="0123456789.,-/{}\\frac%$ ", max_size=60))
def test_mentions_do_not_overlap_and_are_in_the_text(text: str) -> None:
    position = 0
    for mention in find_mentions(text):
        assert position <= mention.start < mention.end <= len(text)
        assert text[mention.start : mention.end] == mention.source
        position = mention.end


@given(st.text(alphabet="ab12+-*/()=#'\n .", max_size=60))
def test_no_program_makes_the_carrying_fail_otherwise(code: str) -> None:
    literals(code)
    with contextlib.suppress(Inconsistent):
        carry_code(code, known(("12", "15")), [], PLAIN)
