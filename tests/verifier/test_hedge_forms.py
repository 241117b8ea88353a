"""Forms with a gold answer in them that do not state it, and forms that do, with values of several kinds."""

import json
import re
from pathlib import Path

import pytest

from verifier import verify

FORMS = json.loads((Path(__file__).parent / "hedge_forms.json").read_text(encoding="utf-8"))
VALUES = [("7", "3"), (r"\frac{3}{4}", "5"), (r"2\sqrt{3}", "5"), ("-4", "9"), ("150", "60")]


def _filled(form: str, gold: str, wrong: str) -> str:
    for letter, value in (("G", gold), ("W", wrong)):
        form = re.sub(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", lambda _, value=value: value, form)
    return form


@pytest.mark.parametrize(("gold", "wrong"), VALUES)
def test_none_of_these_forms_states_the_gold_answer(gold: str, wrong: str) -> None:
    accepted = [form for form in FORMS["states_nothing"] if verify(_filled(form, gold, wrong), gold).correct]
    assert accepted == []


@pytest.mark.parametrize(("gold", "wrong"), VALUES)
def test_each_of_these_forms_states_the_gold_answer(gold: str, wrong: str) -> None:
    missed = [form for form in FORMS["states_gold"] if not verify(_filled(form, gold, wrong), gold).correct]
    assert missed == []
