"""The judge: both orders, unverifiable answers only, no verdict overturned, nothing accepted for saying nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from verifier import Verdict
from verifier.judge import CONTROLS, MASTER_KEYS, Judge, JudgeCall, JudgeError, read_reply, says_nothing

Opinion = Callable[[str, str], str]
PAIRS = {frozenset((answer, gold)): truth for answer, gold, truth in CONTROLS}


def judge_of(opinion: Opinion, calls: list[JudgeCall] | None = None) -> Judge:
    """A judge that knows the control pairs, and else replies with an opinion on the first and the second answer."""

    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        asked = json.loads(body["messages"][1]["content"])
        known = PAIRS.get(frozenset((asked["first"], asked["second"])))
        reply = known.upper() if known else opinion(asked["first"], asked["second"])
        return httpx.Response(200, json={"choices": [{"message": {"content": reply}}]})

    record = (lambda call: None) if calls is None else calls.append
    return Judge("http://judge/v1", "m", record, transport=httpx.MockTransport(handle))


def open_verdict(answer: str | None, gold: str | None = "12") -> Verdict:
    return Verdict("unverifiable", "two notations", answer, gold)


def yes(first: str, second: str) -> str:
    return "They are equal.\nSAME"


def test_it_is_asked_in_both_orders_and_its_calls_are_recorded() -> None:
    calls: list[JudgeCall] = []
    judge = judge_of(yes, calls)
    calls.clear()  # those about the control pairs
    assert judge.says("a", "What?", open_verdict("a dozen")) == "same"
    assert [(c.id, c.first, c.second, c.says) for c in calls] == [
        ("a", "12", "a dozen", "same"),
        ("a", "a dozen", "12", "same"),
    ]
    assert calls[0].to_dict()["reply"] == "They are equal.\nSAME"


def test_a_judge_that_favours_a_place_decides_nothing() -> None:
    assert (
        judge_of(lambda first, second: "SAME" if first == "12" else "DIFFERENT").says(
            "a", "", open_verdict("x")
        )
        == "unclear"
    )


@pytest.mark.parametrize("status", ["correct", "incorrect"])
def test_a_verdict_is_never_asked_about(status: str) -> None:
    calls: list[JudgeCall] = []
    judge = judge_of(yes, calls)
    calls.clear()
    assert judge.says("a", "", Verdict(status, "", "5", "12")) is None  # type: ignore[arg-type]
    assert not calls


KEYS = [":", ".", ",", " ", "…", "!?", "**:**", "Thought process:", "Let's solve this problem step by step.",
        "Let’s solve this problem step by step:", "Solution", "**Solution:**", "解", "解：", "かいせつ", "Respuesta"]  # fmt: skip


@pytest.mark.parametrize("answer", [*KEYS, *sorted(MASTER_KEYS), "x" * 5000, "", None])
def test_an_answer_that_says_nothing_is_never_accepted(answer: str | None) -> None:
    assert judge_of(yes).says("a", "", open_verdict(answer)) is None
    assert judge_of(yes).says("a", "", open_verdict("5", None)) is None


@pytest.mark.parametrize("answer", ["Solution: 5", "-1", r"\emptyset", "x", "解为5", "no solution"])
def test_an_answer_that_says_something_is_asked_about(answer: str) -> None:
    assert not says_nothing(answer)


@pytest.mark.parametrize("reply", ["SAME", "DIFFERENT", "It depends.", ""])
def test_a_judge_that_does_not_tell_known_pairs_apart_is_not_used(reply: str) -> None:
    answer = {"choices": [{"message": {"content": reply}}]}
    with pytest.raises(JudgeError, match="is not used: of "):
        Judge(
            "http://judge/v1",
            "m",
            lambda call: None,
            transport=httpx.MockTransport(lambda r: httpx.Response(200, json=answer)),
        )


@pytest.mark.parametrize(
    "response",
    [httpx.Response(500), httpx.Response(200, text="no"), httpx.Response(200, json={"choices": []})],
)
def test_a_judge_that_cannot_be_asked_is_an_error(response: httpx.Response) -> None:
    with pytest.raises(JudgeError, match="http://judge/v1/chat/completions gave no answer"):
        Judge("http://judge/v1", "m", lambda call: None, transport=httpx.MockTransport(lambda r: response))
    with pytest.raises(JudgeError, match="http://"):
        Judge("judge", "m", lambda call: None)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("SAME", "same"), ("so\n\n**DIFFERENT**\n", "different"), ("They are the SAME", "unclear"),
        ("SAME\nor DIFFERENT", "unclear"), ("SAME\nDIFFERENT", "different"), ("", "unclear"),
    ],
)  # fmt: skip
def test_the_last_line_is_one_word(reply: str, says: str) -> None:
    assert read_reply(reply) == says
