"""The names of Math-Verify, called as five projects call them; TRL's own function runs on them."""

import multiprocessing
import threading
from types import ModuleType
from typing import Any

import pytest

from verifier.math_verify import StringExtractionConfig, grader, parse, verify
from verifier.math_verify.errors import TimeoutException
from verifier.math_verify.metric import math_metric
from verifier.math_verify.parser import ExprExtractionConfig, LatexExtractionConfig, LatexNormalizationConfig

RIGHT = r"<think>Is it \boxed{7}?</think> So it is $\boxed{\frac{1}{2}}$."
WRONG = r"So it is $\boxed{\frac{1}{3}}$."
GOLD = r"\frac{1}{2}"


@pytest.fixture
def trl_rewards(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """TRL's module of rewards, whose names of Math-Verify are ours."""
    pytest.importorskip("trl", reason="TRL is not installed")
    from trl.rewards import accuracy_rewards

    import verifier.math_verify as ours

    for name in ("LatexExtractionConfig", "parse", "verify"):
        monkeypatch.setattr(accuracy_rewards, name, getattr(ours, name))
    return accuracy_rewards


def test_trl(trl_rewards: ModuleType) -> None:
    completions = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG, RIGHT)]
    logged: dict[str, list[Any]] = {}
    solutions = [GOLD, "$0.5$", ""]
    assert trl_rewards.accuracy_reward(completions, solutions, logged.__setitem__) == [1.0, 0.0, None]
    assert logged["answer_parsed"][:2] == [r"['\\frac{1}{2}']", r"['\\frac{1}{3}']"]
    assert trl_rewards.reasoning_accuracy_reward(completions, solutions) == [1.0, 0.0, None]


def test_trl_from_a_thread(trl_rewards: ModuleType) -> None:
    rewards: list[float | None] = []
    completions = [[{"role": "assistant", "content": r"\boxed{(x+1)^2}"}]] * 2
    thread = threading.Thread(
        target=lambda: rewards.extend(trl_rewards.accuracy_reward(completions, ["x^2+2x+1", "x^2"]))
    )
    thread.start()
    thread.join()
    assert rewards == [1.0, 0.0]


@pytest.mark.parametrize("boxed", ["all", True])
@pytest.mark.parametrize(("text", "reward"), [(RIGHT, 1.0), (WRONG, 0.0)])
def test_open_r1(text: str, reward: float, boxed: str | bool) -> None:
    normalization = LatexNormalizationConfig(
        nits=False, malformed_operators=False, basic_latex=True, equations=True, boxed=boxed, units=True
    )
    target = LatexExtractionConfig(
        normalization_config=normalization, boxed_match_priority=0, try_extract_without_anchor=False
    )
    gold = parse(f"${GOLD}$", extraction_mode="first_match", extraction_config=[LatexExtractionConfig()])
    answer = parse(text, extraction_config=[target], extraction_mode="first_match")
    assert float(verify(answer, gold)) == reward  # the prediction first, as it stands there


def score_as_verl(ground_truth: str, output: str) -> float:
    golds = parse(f"\\boxed{{{ground_truth}}}", (LatexExtractionConfig(),))
    answers = parse(output, (ExprExtractionConfig(), LatexExtractionConfig()))
    return max(float(any(grader.verify(gold, answer) for gold in golds)) for answer in answers)


@pytest.mark.parametrize(("text", "reward"), [(RIGHT, 1.0), (WRONG, 0.0)])
def test_verl(text: str, reward: float) -> None:
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(score_as_verl, (GOLD, text)) == reward
    except TimeoutException:
        pytest.fail("nothing raises it")


@pytest.mark.parametrize(("prediction", "reward"), [("0.5", 1.0), (r"\frac{1}{3}", 0.0)])
def test_verifiers(prediction: str, reward: float) -> None:
    gold = parse(f"\\boxed{{{GOLD}}}", parsing_timeout=5)
    answer = parse(f"\\boxed{{{prediction}}}", parsing_timeout=5)
    assert float(verify(gold, answer, timeout_seconds=5)) == reward


@pytest.mark.parametrize(("text", "reward", "extracted"), [(RIGHT, 1.0, GOLD), (WRONG, 0.0, r"\frac{1}{3}")])
def test_nemo_gym(text: str, reward: float, extracted: str) -> None:
    metric = math_metric(
        gold_extraction_target=(LatexExtractionConfig(),),
        pred_extraction_target=(ExprExtractionConfig(), LatexExtractionConfig()),
    )
    score, read = metric([f"\\boxed{{{GOLD}}}"], [text])
    assert score == reward
    assert read is not None
    golds, answers = read
    assert next((a for a in answers if any(grader.verify(g, a) for g in golds)), answers[0]) == extracted


def test_a_metric_takes_the_best_of_several_and_refuses_an_empty_gold() -> None:
    metric = math_metric(aggregation_function=max)
    assert metric(["1", "2"], [r"\boxed{3}", r"\boxed{2}"])[0] == 1.0
    assert math_metric(aggregation_function=min)(["1", "2"], [r"\boxed{3}", r"\boxed{2}"])[0] == 0.0
    with pytest.raises(ValueError, match="index 1"):
        metric(["1", " "], ["1"])


def test_a_demand_for_an_anchor_is_met_by_a_stated_answer_only() -> None:
    anchored = [LatexExtractionConfig(try_extract_without_anchor=False)]
    assert parse("There are then 12 of them in the box.", anchored) == []
    assert parse("There are then 12 of them in the box.\nThe answer is 12.", anchored) == ["12"]
    assert parse(r"\boxed{12}", [*anchored, ExprExtractionConfig(try_extract_without_anchor=False)]) == ["12"]


def test_an_option_that_math_verify_does_not_have_is_an_error() -> None:
    with pytest.raises(TypeError, match="extraction_modus"):
        parse("1", extraction_modus="first_match")  # type: ignore[call-arg]


def test_strings_alone_leave_no_other_answer() -> None:
    choices = [StringExtractionConfig(strings=("A", "B"))]
    assert parse("The answer is (B).", choices) == ["b"]
    assert parse(r"\boxed{5}", choices) == []
    assert verify(parse(r"\boxed{A}", choices), parse("A", choices))
