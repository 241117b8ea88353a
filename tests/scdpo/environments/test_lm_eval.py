"""lm-eval: the score alone, and the example's task run by lm-eval on a model with known replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scdpo.environments.lm_eval import verified

ROOT = Path(__file__).parents[3]
REPLIES = {
    "What is 1/2 + 1/3?": "It is 5/6.",
    "What is the square root of 8?": r"So it is \boxed{\sqrt{8}}.",
    "Solve x^2 = 9.": "x = 3",
}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (r"So it is \boxed{\frac{1}{2}}.", {"verified": 1.0, "unverifiable": 0.0}),
        (r"So it is \boxed{2}.", {"verified": 0.0, "unverifiable": 0.0}),
        ("", {"verified": 0.0, "unverifiable": 0.0}),
    ],
)
def test_a_reply_is_scored(reply: str, expected: dict[str, float]) -> None:
    assert verified("answer")({"answer": "0.5"}, [reply, "a second one"]) == expected


def test_what_cannot_be_verified_is_told() -> None:
    assert verified("answer")({"answer": None}, ["1"]) == {"verified": 0.0, "unverifiable": 1.0}


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="no field 'answer', but gold, question"):
        verified("answer")({"question": "", "gold": "1"}, ["1"])


@pytest.mark.trainers
def test_the_example_runs_in_lm_eval(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed: make trainers")
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Known(LM):
        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [REPLIES[request.args[0].partition("\n")[0]] for request in requests]

        def loglikelihood(self, requests: list[Any]) -> Any:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any]) -> Any:
            raise NotImplementedError

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    manager = TaskManager(include_path=str(ROOT / "examples/lm_eval"), include_defaults=False)
    found = simple_evaluate(
        model=Known(), tasks=["scdpo_arithmetic"], task_manager=manager, bootstrap_iters=0, verbosity="ERROR"
    )
    assert found is not None
    scores = found["results"]["scdpo_arithmetic"]
    assert scores["verified,none"] == pytest.approx(2 / 3)
    assert scores["unverifiable,none"] == 0
