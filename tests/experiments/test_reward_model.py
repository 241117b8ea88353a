"""A reward model of steps: what it is trained on, what it is asked, and a run of all of it at toy size."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from experiments import reward_model
from experiments.reward_model import Labelled, learn, scored
from experiments.routes.demonstrations import oracle_pairs
from experiments.routes.problems import routes_problems
from experiments.stages import Policy
from sandbox.formats import get_format
from scdpo.data.problems import embedded_model_path

POLICY = Policy(embedded_model_path(), "mathcoder")
TOKENIZER = AutoTokenizer.from_pretrained(POLICY.path)


def test_it_learns_labels_where_the_moves_end() -> None:
    seven, eight = TOKENIZER("7")["input_ids"], TOKENIZER("8")["input_ids"]
    sound = Labelled(seven * 3, [1, 2], [1.0, 1.0])
    wrong = Labelled(seven + eight, [1], [0.0])
    model = learn(POLICY, [sound, wrong] * 40)
    with torch.inference_mode():
        good, bad = (
            torch.sigmoid(model(torch.tensor([ids])).logits[0, 1, 0]) for ids in (sound.ids, wrong.ids)
        )
    assert good > 0.8
    assert bad < 0.2


class Knowing:
    """Scores each place by how far it is from the end: the move with the error is below those before it."""

    def __call__(self, ids: torch.Tensor) -> object:
        return type("Output", (), {"logits": torch.arange(ids.shape[1], 0, -1.0)[None, :, None]})


def test_the_move_with_the_error_is_compared_with_those_before_it() -> None:
    items = islice(routes_problems("preference", 5), 20)
    pairs = [pair for item in items for pair in oracle_pairs(item, 2, seed=0)]
    found = [scored(Knowing(), TOKENIZER, get_format("mathcoder"), pair) for pair in pairs]  # type: ignore[arg-type]
    for pair, one in zip(pairs, found, strict=True):
        shared = sum(block.type == "code" for block in pair.prefix)
        assert (one is None) == (shared == 0)
        if one is not None:
            assert one.auroc == 1
    assert any(found)


@pytest.mark.scripts
def test_labels_are_made_and_learned_and_errors_are_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reward_model, "PROBLEMS", {"train": 8, "test": 8})
    monkeypatch.setattr(reward_model, "STEPS", 2)
    out = tmp_path / "reward_model.json"
    monkeypatch.setattr(sys, "argv", ["reward_model", str(tmp_path / "runs"), "--out", str(out)])
    reward_model.main()
    found = json.loads(out.read_text())
    assert found["labelled solutions"] > 0
    assert found["solutions"] > 0
    assert 0 <= found["auroc"]["low"] <= found["auroc"]["high"] <= 1
