"""``##`` parts the forms of one answer: any of them will do in a gold, all must agree in a prediction."""

import pytest

from verifier import verify
from verifier.comparison.equal import compare_answers


@pytest.mark.parametrize("form", ["3/10", "0.3", r"\frac{3}{10}"])
def test_any_form_of_the_gold_will_do(form: str) -> None:
    assert verify(f"\\boxed{{{form}}}", "0.3 ## 3/10").correct


def test_a_prediction_may_repeat_itself_in_other_forms() -> None:
    assert compare_answers(r"2\sqrt3 ## \sqrt{12}", r"\sqrt{12}").correct


@pytest.mark.parametrize("many", ["0##1##2##3", r"3 \#\# 1", "##".join(map(str, range(1000)))])
@pytest.mark.parametrize("gold", ["1", "3", "777", "x"])
def test_a_prediction_may_not_name_several_answers(many: str, gold: str) -> None:
    assert not verify(f"\\boxed{{{many}}}", gold).correct
    assert not compare_answers(many, gold).correct


def test_the_same_several_forms_are_written_the_same() -> None:
    assert compare_answers("1 ## 2", "1##2").correct
