"""The answer in a sentence, on scores counted by hand."""

from __future__ import annotations

from eval.headline import headlines
from eval.metrics import estimate
from eval.results import Evaluation, Settings


def evaluation(model: str, scores: dict[str, float]) -> Evaluation:
    return Evaluation(
        name=model,
        model=model,
        benchmark="test",
        settings=Settings(engine="fake", checkpoint=model, format="mathcoder"),
        started=0,
        finished=True,
        accuracy=estimate(list(scores.values())),
        scores=scores,
    )


def test_scdpo_is_held_against_as_much_data_where_both_are_there() -> None:
    right = {f"p{i}": 1.0 for i in range(8)}
    made = [
        evaluation("SFT (start)", dict.fromkeys(right, 0.0)),
        evaluation("SCDPO", right),
        evaluation("DPO, data-equal", dict.fromkeys(right, 0.0)),
    ]
    (sentence,) = headlines(made)
    assert sentence.startswith(f"{made[0].benchmark}: SCDPO solves 100.0 %, DPO, data-equal 0.0 %; ")
    assert "+100.0 points" in sentence
    assert sentence.endswith("On these 8 problems, one seed, that is more than chance.")


def test_few_problems_that_cannot_tell_are_said_to() -> None:
    one, two = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}, {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0}
    (sentence,) = headlines([evaluation("first", one), evaluation("last", two)])
    assert "last solves 50.0 %, first 50.0 %; the difference is +0.0 points" in sentence
    assert "4 problems cannot tell the two apart" in sentence


def test_what_it_takes_is_more_than_a_difference_that_does_not_suffice() -> None:
    before = {str(number): float(number < 200) for number in range(300)}
    lost, gained = map(str, range(10)), map(str, range(200, 204))
    after = before | dict.fromkeys(lost, 0.0) | dict.fromkeys(gained, 1.0)
    (sentence,) = headlines([evaluation("first", before), evaluation("last", after)])
    assert "the difference is -2.0 points" in sentence
    assert sentence.endswith("that takes a difference of about 3 points or more.")


def test_one_model_alone_has_no_headline() -> None:
    alone: list[Evaluation] = [evaluation("only", {"a": 1.0})]
    assert headlines(alone) == []
