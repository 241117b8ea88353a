"""The final answer is what a solution states after its last tool output, and nothing else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.blocks import Block
from sandbox.solution import Solution
from verifier import extract_answer, verify
from verifier.extraction.extract import extract, final_text

STATED = [
    (r"So the answer is \boxed{42}.", "42"),
    (r"\boxed{\frac{1}{2}} is it", r"\frac{1}{2}"),
    (r"first \boxed{3}, but no: \boxed{4}", "4"),
    (r"we get \boxed{1} and \boxed{2}.", "1, 2"),
    (r"$\boxed{\{1,2\}}$", r"\{1,2\}"),
    (r"put it in \boxed{}: \boxed{37}", "37"),
    (r"\fbox{7}", "7"),
    ("Step 3: #### 160", "160"),
    ("The answer is: 160", "160"),
    ("The answer is 5. I am sure.", "5"),
    ("Final Answer: The largest $n$ is 34.", "34"),
    ("**Final Answer:** **73**", "73"),
    (r"The final answer is $(-6,10)$. I hope it is correct.", "(-6,10)"),
    ("【答案】$m=-6$<eoa>", "m=-6"),
    ("【答案】: A <eoa>", "A"),
    ("所以答案是 12。", "12"),
    ("答案：每份应该是 3 吨。", "每份应该是 3 吨"),
    ("La réponse est 105.", "105"),
    ("1. Add them.\nSo he has 12 apples left.", "12"),
    ("They pay **$1,250** in all.", "1,250"),
    ("Therefore $x = 5$ is the solution.", "x = 5"),
    ("x^2+2x+1", "x^2+2x+1"),
    ("所以她还剩五分之三。", r"\frac{3}{5}"),
]  # fmt: skip


TAGGED = [
    ("<think>3?</think><answer>4</answer>", "4"),
    (r"<answer>\frac12</answer>", r"\frac12"),
    ("<answer>x+1</answer>", "x+1"),
    ("<answer>1</answer> no, <answer>\nThe answer is 2.\n</answer>", "2"),
    (r"<answer>1</answer> \boxed{3}", "3"),
    ("The answer is 5. <answer></answer>", "5"),
]
REASONED = [
    ("The answer is `5`.", "5"),
    ("### Answer\n5", "5"),
    ("**Answer:**\n\n5", "5"),
    ("The answer is 5 rather than 6.", "5"),
    ("The answer is 18 dollars, which is 2 more than 16.", "18 dollars"),
    ("Answer: 42 apples in 3 baskets", "42"),
    ("The answer is 5, since 2+3=5.", "5"),
    ("The answer is 10 because 2*5 = 10", "10"),
    ("The answer is 12 (that is, 3 groups of 4).", "12"),
    ("The answer is 7 when n = 3", "7"),
    ("The answer is 3, not 4.", "3"),
    (r"The answer is $3 \pmod 7$ for all $n$.", r"3 \pmod 7"),
    ("Answer: Janet makes 9 * 2 = $18", "$18"),
    ("The answer is 3 hours and 20 minutes.", "3 hours and 20 minutes"),
]


@pytest.mark.parametrize(("text", "answer"), TAGGED)
def test_answer_between_tags(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(("text", "answer"), REASONED)
def test_what_explains_an_answer_is_left_out(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "The answer isn't 5",
        "答案不是5",
        "The answer is either 3 or maybe 5.",
        "It could be 3, or it could be 5",
        "Answer: 5 (or 4)",
        r"It is NOT \boxed{5}.",
        r"Die Antwort ist nicht \boxed{5}.",
        r"It is something other than \boxed{5}.",
        r"It can be anything but \boxed{5}.",
        r"It is nothing like \boxed{5}.",
        r"The total is not even close to \boxed{5}.",
        r"It is nowhere near \boxed{5}, then.",
        r"It fails to be \boxed{5}.",
        r"It would be wrong to say that it is \boxed{5}.",
        r"It isn't really \boxed{5}.",
    ],
)
def test_what_is_denied_or_left_open_is_no_answer(text: str) -> None:
    assert not verify(text, "5").correct


@pytest.mark.parametrize(
    "text",
    [
        r"It is nothing other than \boxed{5}.",
        r"The answer is none other than \boxed{5}.",
        r"The value can't be anything but $\boxed{5}$.",
        r"It is no number other than \boxed{5}.",
        r"So the sum is not different from \boxed{5}.",
        r"It's not wrong to say that it is \boxed{5}.",
    ],
)
def test_what_is_denied_twice_is_stated(text: str) -> None:
    assert verify(text, "5").correct


@pytest.mark.parametrize(("text", "answer"), STATED)
def test_stated_answer(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        r"\boxed{}",
        "We need to think about it more.",
        "text\n```output\n42\n```",
        "I get \\boxed{42}, let me check.\n```python\nprint(41)\n```\n```output\n41\n```\n",
        "```python\nprint(r'\\boxed{5}')\n```",
        "Steps:\n1. Add.\n2.",
        "<|text|>It is \\boxed{1}.<|endofblock|><|code|>1+1<|endofblock|><|execution|>2<|endofblock|>",
        "```output\n\\boxed{3}",
    ],
)
def test_nothing_stated(text: str) -> None:
    assert extract_answer(text) is None


def test_tool_output_is_not_the_answer() -> None:
    assert not verify("```output\n42\n```\nSo the result is \\boxed{41}.", "42").correct


def test_blocks_and_text_give_the_same_answer() -> None:
    blocks = (
        Block("text", "t"),
        Block("code", "1+1"),
        Block("execution", "2"),
        Block("text", r"It is \boxed{2}."),
    )
    solution = Solution(blocks)
    assert extract_answer(solution) == extract_answer(solution.render(format="mathcoder")) == "2"
    assert extract_answer(solution.render(format="markdown")) == "2"
    assert extract_answer(Solution(blocks[:3])) is None


def test_what_follows_the_turn_or_precedes_the_thought_does_not_count() -> None:
    assert extract_answer("<think>\\boxed{1}</think> It is \\boxed{2}.") == "2"
    assert extract_answer("It is \\boxed{2}.<|im_end|>\n<|im_start|>user \\boxed{3}") == "2"


@pytest.mark.parametrize(
    ("text", "gold", "correct"),
    [
        ("I think the correct answer is C", "C", True),
        ("It's not A because of that, therefore I think it's B", "B", True),
        ("D. it can't be A or B", "D", True),
        ("B不是 A", "B", True),
        ("选项C是正确的。所以选C。", "C", True),
        ("The answer is A or B or C or D", "C", False),
        ("【答案】D. $\\frac{4}{5}$", "D", True),
        ("【答案】题目可能有误", "B", False),
        ("A cat has four legs.", "A", False),
        (r"\boxed{\text{(C)}}", "C", True),
    ],
)
def test_choice_letters(text: str, gold: str, correct: bool) -> None:
    assert verify(text, gold).correct is correct


def test_the_place_is_told() -> None:
    places = {
        t: found.source
        for t in (r"\boxed{1}", "The answer is 1.", "1", "He has 1 cat.")
        if (found := extract(t))
    }
    assert list(places.values()) == ["boxed", "answer phrase", "bare", "prose"]


@pytest.mark.parametrize(
    "unit",
    [
        "a = b $ ",
        r"\boxed{",
        r"\boxed{1} ",
        "<answer>",
        "<answer>1</answer>",
        "answer: ",
        "The answer is 5 because ",
        "1 000 ",
        "```output\n",
        "**1",
        r"\(",
        "{",
        "$",
        "【答案】",
        "- ",
        "1,",
    ],
)
def test_time_grows_with_length_only(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    start = time.perf_counter()
    extract_answer(text)
    assert time.perf_counter() - start < 2


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    extract_answer(text)
    final_text(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "\\boxed{",
                "}",
                "{",
                "$",
                "1",
                "x",
                "\n",
                "```",
                "output",
                "answer is ",
                ".",
                "和",
                "\\(",
                "\\)",
            ]
        ),
        max_size=60,
    )
)
def test_no_fragments_raise(parts: list[str]) -> None:
    verify("".join(parts), "1")


@pytest.mark.parametrize(
    "text",
    ["[Final Answer] 17", "<FINAL_ANSWER>17</FINAL_ANSWER>", r"Thus \framebox{17}", "<Answer>17</Answer>"],
)
def test_other_marks_for_an_answer(text: str) -> None:
    assert extract_answer(text) == "17"


def test_bullets_may_name_what_they_state() -> None:
    assert verify("Results:\n- Perimeter: 24 cm\n- **Area:** 36 kg", "24 cm, 36 kg").correct
    assert not verify("Results:\n- Not 24\n- Perimeter: 36 kg", "24, 36").correct
