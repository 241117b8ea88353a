"""None, numbers and values of other types mean the same in the library, in a batch, in a reward and in a file."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verifier import accuracy_reward, verify, verify_many
from verifier.files.inputs import read_items
from verifier.files.jsonl import LineError

NUMBERS = [0.5, Fraction(1, 2), Decimal("0.5"), np.float32(0.5)]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_read(number: Any) -> None:
    assert verify(number, r"\frac{1}{2}").correct
    assert verify(r"\boxed{\frac{1}{2}}", number).correct
    assert verify_many([("1/2", number)])[0].correct
    assert accuracy_reward(["1/2"], answer=[number]) == [1.0]


@pytest.mark.parametrize("nothing", [None, float("nan"), np.float32("nan"), ""])
def test_nothing_is_no_answer_and_no_gold(nothing: Any) -> None:
    for found in (verify(nothing, "1"), *verify_many([(nothing, "1")])):
        assert (found.status, found.prediction) == ("incorrect", None)
    for found in (verify("1", nothing), *verify_many([("1", nothing)])):
        assert (found.status, found.gold) == ("unverifiable", None)


WRONG = [{"a": 1}, b"1", {1}, object()]


@pytest.mark.parametrize("wrong", WRONG)
def test_another_type_is_said(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"prediction must be text or a number, not {type(wrong).__name__}"):
        verify(wrong, "1")
    with pytest.raises(TypeError, match=f"gold answer must be text or a number, not {type(wrong).__name__}"):
        verify("1", wrong)
    with pytest.raises(TypeError, match="gold answer must be text"):
        accuracy_reward(["1"], answer=[wrong])


def test_another_type_costs_the_rest_of_a_batch_nothing() -> None:
    pairs: list[Any] = [("1", "1"), ({"a": 1}, "1"), ("2", b"2"), (None, None), (r"\boxed{x+1}", "1+x")]
    found = verify_many(pairs)
    assert [v.status for v in found] == ["correct", "unverifiable", "unverifiable", "unverifiable", "correct"]
    assert [v.reason for v in found[1:3]] == [
        "the prediction must be text or a number, not dict",
        "the gold answer must be text or a number, not bytes",
    ]


@pytest.mark.parametrize(
    "line", ['{"prediction": {"a": 1}, "gold": "1"}', '{"prediction": "1", "gold": {"answer": {"a": 1}}}']
)
def test_another_type_in_a_file_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(LineError, match=r"line 1: .* must be text or a number"):
        list(read_items(path))
