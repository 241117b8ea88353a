"""Steps, prefixes and final answers of solutions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.blocks import Block
from sandbox.solution import Solution, last_boxed

T, C, E = (lambda s: Block("text", s)), (lambda s: Block("code", s)), (lambda s: Block("execution", s))
SOLUTION = Solution((T("first"), C("x = 1\nx"), E("1"), T("so"), C("x + 1"), E("2"), T(r"It is \boxed{2}.")))


def test_a_code_block_and_its_execution_are_one_step() -> None:
    assert [len(step.blocks) for step in SOLUTION.steps] == [1, 2, 1, 2, 1]
    assert [step.is_code for step in SOLUTION.steps] == [False, True, False, True, False]


@pytest.mark.parametrize("k", range(5))
def test_prefix_and_rest_make_the_whole(k: int) -> None:
    assert SOLUTION.prefix(k).blocks + SOLUTION.rest(k).blocks == SOLUTION.blocks
    assert len(SOLUTION.prefix(k).steps) == k + 1


def test_the_rest_after_the_last_step_is_empty() -> None:
    assert SOLUTION.rest(4).blocks == ()


@pytest.mark.parametrize("k", [-1, 5])
def test_a_step_that_is_not_there_is_named(k: int) -> None:
    with pytest.raises(IndexError, match=f"step {k} of a solution with 5 steps"):
        SOLUTION.prefix(k)


def test_an_execution_without_code_stands_alone() -> None:
    assert len(Solution((E("1"), T("x"))).steps) == 2


def test_only_text_after_the_last_output_states_the_answer() -> None:
    assert SOLUTION.final_answer == "2"
    assert Solution((T(r"\boxed{1}"), C("1"), E(r"\boxed{3}"))).final_answer is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1} then \boxed{ 2 }", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{7}}", r"\boxed{7}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{open", None),
        (r"\boxed{4} \boxed{5", "4"),
        ("no box", None),
        ("}}}{{{", None),
    ],
)
def test_the_last_balanced_box_counts(text: str, answer: str | None) -> None:
    assert last_boxed(text) == answer


@given(st.text(alphabet=st.sampled_from(list("\\{}boxed a1"))))
def test_no_text_makes_the_box_reader_raise(text: str) -> None:
    last_boxed(text)
    last_boxed("\\boxed{" * 50 + text)


def test_a_record_with_a_wrong_type_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'image' is not one of text, code, execution"):
        Block.from_dict({"type": "image", "content": ""})
    with pytest.raises(ValueError, match="needs the field 'content'"):
        Block.from_dict({"type": "text"})


def test_blocks_and_records_convert_both_ways() -> None:
    assert Solution.of(SOLUTION.to_dicts()) == SOLUTION
