"""Step-controlled pairs begin to differ where they branch, and what is no slip is told apart."""

from __future__ import annotations

import pytest

from sandbox import Block, Solution
from scdpo.corrupt.outputs import same_output, shows_failure
from scdpo.corrupt.slips import no_slip, tells_another_output, with_same_output
from scdpo.data.import_solutions import as_record
from scdpo.data.moves import first_move
from scdpo.data.pairs import branch_steps, common_steps, drawn_steps, step_controlled_pair
from scdpo.data.records import ConfirmationRecord, OriginRecord, PairRecord, RateRecord


def T(text: str) -> Block:
    return Block("text", text)


def C(code: str) -> Block:
    return Block("code", code)


def E(output: str) -> Block:
    return Block("execution", output)


BLOCKS = (T("Add."), C("a = 17"), E(""), T("Now 5 more."), C("a + 5"), E("22"), T("It is \\boxed{22}."))
TOKENS = [[1], [2], [3], [4], [5], [6], [7], [0]]
CHOSEN = as_record(Solution(BLOCKS), "What is 17 + 5?", "22", id="s", problem_id="p")
CHOSEN = CHOSEN.model_copy(update={"sampling": CHOSEN.sampling.model_copy(update={"block_tokens": TOKENS})})


def pair(step: int, *rejected: Block, tokens: list[list[int]] | None = None) -> PairRecord:
    origin = OriginRecord(chosen_id="s", rejected_id="s@x", corruptor="temperature")
    return step_controlled_pair(CHOSEN, step, rejected, tokens or [], "23", origin)


def test_steps_with_which_both_sides_begin_are_shared() -> None:
    made = pair(0, *BLOCKS[1:4], C("a + 6"), E("23"), T("It is \\boxed{23}."), tokens=[[9]] * 7)
    assert made.branch_step == 2
    assert [b.content for b in made.prefix] == ["Add.", "a = 17", "", "Now 5 more."]
    assert made.chosen[0].content == "a + 5"
    assert made.rejected[0].content == "a + 6"
    assert made.prefix_tokens == [[1], [2], [3], [4]]
    assert made.chosen_tokens == [[5], [6], [7], [0]]
    assert made.rejected_tokens == [[9]] * 4


def test_sides_that_differ_at_once_stay_as_they_were_made() -> None:
    made = pair(1, T("Now 6 more."), C("a + 6"), E("23"), T("It is \\boxed{23}."))
    assert made.branch_step == 1
    assert made.rejected[0].content == "Now 6 more."


def test_a_step_with_another_output_is_another_step() -> None:
    assert common_steps(Solution((C("f()"), E("1"), T("x"))), Solution((C("f()"), E("2"), T("y")))) == 0


def test_each_side_keeps_at_least_one_step() -> None:
    same = Solution((T("a"), T("b")))
    assert common_steps(same, same) == 1
    assert common_steps(Solution((T("a"),)), same) == 0


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        ((C("a + 6"), E("23"), T("So 23.")), None),
        ((C("a + b"), E("NameError: name 'b' is not defined"), T("So 23.")), "code_fails"),
        ((C("a + 5"), E("22"), T("So 23.")), "misquotes_output"),
        ((T("So 23."),), None),
        ((C("a + 5"), E("22"), C("a + 6"), E("23"), T("So 23.")), None),
        ((C("print(a + 5)"), E("22"), T("So 23.")), "misquotes_output"),
        ((C("a + 6"), E("23"), T("So 75.")), "misquotes_output"),
        ((C("a + 6"), E("23"), T("So 75."), C("a + 7"), E("24"), T("So 24.")), "misquotes_output"),
        ((C("a + 6"), E("23"), C("b"), E("NameError: name 'b' is not defined"), T("So 23.")), "code_fails"),
        ((C("a - 75"), E("-58"), T("So 58 are lost.")), None),
        ((C("a / 0.3"), E("56.67"), T("So 57.")), None),
        ((C("a + 6"), E("23"), T("Twice 23 is 46, so 46.")), None),
    ],
)
def test_what_is_no_slip_is_told_apart(rejected: tuple[Block, ...], reason: str | None) -> None:
    assert no_slip(BLOCKS[4:], rejected) == reason


def test_an_output_of_the_prefix_can_be_misquoted_too() -> None:
    wrong = (T("It is \\boxed{23}."),)
    assert no_slip(BLOCKS[6:], wrong, BLOCKS[:6]) == "misquotes_output"
    assert no_slip((T("Less 2, so \\boxed{20}."),), wrong, BLOCKS[:6]) is None  # the text has to reason
    assert no_slip((T("It is \\boxed{22}."),), wrong, (T("Think."),)) is None  # a chain of thought


@pytest.mark.parametrize(
    ("output", "text", "another"),
    [
        ("404", "We get 301. Next, the rest.", True),
        ("404", "We get 404. Next, 12 more.", False),
        ("0.3333333", "So 0.33.", False),
        ("404", "The 3 boys have 404.", False),
        ("(1, 2)", "They are 2 and 1.", False),
        ("404", "Next, the rest.", False),
        ("9.6", "So 10 buses.", False),
        ("0.35", "That is 35 %.", False),
        ("-256", "They lose 256.", False),
        ("142", "Half of it is 71, so 71 + 5 = 76.", False),
    ],
)
def test_a_text_that_tells_another_output_is_found(output: str, text: str, another: bool) -> None:
    assert tells_another_output((C("x"), E(output), T(text)), "What do 3 boys have?") is another


def test_a_text_and_the_code_that_it_announces_are_one_move() -> None:
    assert first_move(BLOCKS) == 3
    assert first_move(BLOCKS[1:]) == 2
    assert first_move((T("One."), T("Two."))) == 1


def test_a_first_cell_that_prints_the_same_is_noted() -> None:
    assert with_same_output(pair(2, C("17 + 5"), E("22"), T("So 23."))).origin.same_output
    assert not with_same_output(pair(2, C("17 + 6"), E("23"), T("So 23."))).origin.same_output


@pytest.mark.parametrize(
    ("before", "after", "confirmed"),
    [
        ((3, 8), (1, 8), True),
        ((3, 4), (1, 4), True),
        ((3, 8), (2, 8), False),
        ((8, 8), (3, 8), False),
        ((0, 8), (0, 8), False),
        ((1, 8), (0, 8), True),
        ((8, 8), (0, 0), None),
        ((0, 0), (0, 0), None),
    ],
)
def test_an_error_is_confirmed_where_the_rate_falls_to_a_third(
    before: tuple[int, int], after: tuple[int, int], confirmed: bool | None
) -> None:
    rates = (RateRecord(right=right, tried=tried) for right, tried in (before, after))
    assert ConfirmationRecord(before=next(rates), after=next(rates)).confirmed is confirmed


def test_outputs_are_compared_without_white_space_and_failures_are_known_by_their_class() -> None:
    assert same_output("1\n 2", "1 2")
    assert not same_output("12", "13")
    assert shows_failure("ZeroDivisionError: division by zero")
    assert not shows_failure("Error bound: 0.5")


def in_words(*texts: str) -> list[int]:
    """Return the steps after which a right solution in words can be made to go wrong; the answer is 4."""
    solution = as_record(Solution(tuple(map(T, texts))), "What is 2 + 2?", "4", id="s", problem_id="p")
    assert drawn_steps(solution, None, 0) == list(branch_steps(solution))
    return list(branch_steps(solution))


def test_nothing_branches_off_once_the_answer_is_stated() -> None:
    assert in_words("We add.", "So 2 and 2 make 4 pens.", "The answer is 4.") == [0, 1]
    assert in_words("We add.", "So they make 4 pens.", "The answer is 4.", "So, it is 4.") == [0, 1]
    assert in_words("We add.", "2 + 2 = 4", "The answer is 4.") == [0]  # a line of its own states it too
    assert in_words("The answer is 4.", "For 2 + 2 is 4.") == []
    assert list(branch_steps(CHOSEN)) == [0, 1, 2, 3]


def test_a_value_that_is_found_or_another_answer_may_still_be_followed_by_a_slip() -> None:
    assert in_words("So there are 4 so far.", "None is lost.", "The answer is 4.") == [0, 1]
    assert in_words("The answer is 5.", "Wait, 2 + 2 = 4.", "The answer is 4.") == [0, 1]
