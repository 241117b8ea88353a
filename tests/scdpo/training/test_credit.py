"""Token credit is equation 7; the figures of localisation are right on cases counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from eval.cli import credit as command
from eval.credit_picture import save_png
from eval.heat import heat_map
from eval.report import credit_page, write_report
from sandbox import Solution
from scdpo.cli import app
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.moves import move_at
from scdpo.data.records import PairRecord
from scdpo.data.runs import RecordFile
from scdpo.errors import MissingFileError
from scdpo.training.credit import (
    ErrorScores,
    TokenCredit,
    error_scores,
    first_difference,
    localise,
    move_credit,
    summarise,
    token_credit,
)


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> SolutionEncoder:
    return SolutionEncoder(AutoTokenizer.from_pretrained(tiny_model))


@pytest.fixture(scope="module")
def models(tiny_model: Path) -> tuple[Any, Any]:
    trained, reference = (AutoModelForCausalLM.from_pretrained(tiny_model) for _ in range(2))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return trained, reference


def test_credit_is_beta_times_the_log_ratio(
    encoder: SolutionEncoder, models: tuple[Any, Any], pairs: list[dict[str, Any]]
) -> None:
    solution = Solution.of(pairs[0]["chosen"])
    tokens = token_credit(*models, encoder, pairs[0]["question"], solution, beta=0.3)
    context = encoder.context(pairs[0]["question"])
    ids = context + encoder.completion(pairs[0]["question"], (), solution.blocks)[0]
    place = len(context) + 7
    with torch.no_grad():
        trained, reference = (
            m(input_ids=torch.tensor([ids])).logits[0, place - 1].log_softmax(-1) for m in models
        )
    assert tokens[7].credit == pytest.approx(
        0.3 * float(trained[ids[place]] - reference[ids[place]]), abs=1e-5
    )


def test_tokens_join_to_the_solution_and_know_their_steps(
    encoder: SolutionEncoder, models: tuple[Any, Any], pairs: list[dict[str, Any]]
) -> None:
    solution = Solution.of(pairs[0]["chosen"])
    tokens = token_credit(*models, encoder, pairs[0]["question"], solution)
    assert "".join(token.text for token in tokens) == solution.render() + "<|endofmessage|>"
    for step in solution.steps:
        text = "".join(token.text for token in tokens if token.step == step.index)
        assert text == encoder.format.render(step.blocks)
    assert tokens[-1].step is None
    assert not any(token.own for token in tokens if token.text == "<|execution|>")


def test_a_text_and_the_code_it_announces_have_one_credit_together() -> None:
    kinds = ("text", "code", "execution", "text", "text", "code", "text")
    solution = Solution.of([{"type": kind, "content": kind} for kind in kinds])
    # its moves: text and code with its output; a text alone; text and code; a text alone
    credits = {0: [1.0, 2.0], 1: [6.0], 2: [0.5], 3: [-1.0], 4: [3.0], 5: [4.0]}  # by step
    tokens = [TokenCredit("t", credit, step, True) for step, of in credits.items() for credit in of]
    tokens += [TokenCredit("said by the kernel", 50.0, 1, False), TokenCredit("end", 50.0, None, True)]
    assert move_credit(tokens, solution) == [3.0, 0.5, 1.0, 4.0]
    assert [move_at(solution, block) for block in range(len(kinds))] == [0, 0, 0, 1, 2, 2, 3]


def test_a_character_of_several_tokens_is_shown_once(
    encoder: SolutionEncoder, models: tuple[Any, Any]
) -> None:
    solution = Solution.of([{"type": "text", "content": "√2 ≈ 1.41 是"}])
    tokens = token_credit(*models, encoder, "q", solution)
    assert "".join(token.text for token in tokens) == solution.render() + "<|endofmessage|>"


@pytest.mark.parametrize(
    ("credits", "error", "rank", "auroc"),
    [
        ([0.0, 0.1, -0.5, 0.2], 2, 1, 1.0),
        ([0.0, -0.1, 0.5, 0.2], 2, 4, 0.0),
        ([-0.2, 0.3, 0.1, -0.4], 2, 3, 0.5),
        ([0.0, 0.0, 0.0], 1, 2, 0.5),
    ],
)
def test_rank_and_auroc_by_hand(credits: list[float], error: int, rank: float, auroc: float) -> None:
    scores = error_scores(credits, error)
    assert (scores.rank, scores.auroc) == (rank, auroc)


def test_the_interval_holds_the_mean_and_shrinks_with_more_problems() -> None:
    def scores(problems: int) -> dict[str, list[ErrorScores]]:
        return {f"p{i}": [error_scores([0.1, -1 if i % 2 else 1], 1)] for i in range(problems)}

    wide, narrow = summarise(scores(10)), summarise(scores(400))
    assert wide.auroc.low <= wide.auroc.value == 0.5 <= wide.auroc.high
    assert narrow.auroc.high - narrow.auroc.low < wide.auroc.high - wide.auroc.low
    assert wide.chance_rank == 1.5
    assert (wide.solutions, wide.problems) == (10, 10)


def test_many_solutions_of_few_problems_do_not_narrow_the_interval() -> None:
    # A right ranking in every solution of one problem, a wrong one in every solution of the other.
    right, wrong = error_scores([0.1, -1.0], 1), error_scores([0.1, 1.0], 1)
    measured = summarise({"p0": [right] * 50, "p1": [wrong] * 150})
    assert measured.auroc.value == 0.25
    assert (measured.auroc.low, measured.auroc.high) == (0.0, 1.0)


def test_pairs_that_share_a_move_are_measured(
    encoder: SolutionEncoder, models: tuple[Any, Any], pairs: list[dict[str, Any]]
) -> None:
    measured = localise(*models, encoder, pairs)
    # Of the two pairs of a problem, one shares a text whose code is already another: no move is before the error.
    assert (measured.solutions, measured.problems) == (3, 3)
    assert 1 <= measured.rank.value <= 5
    with pytest.raises(ValueError, match="no step-controlled pair"):
        localise(*models, encoder, pairs[:1])


def test_the_command_measures_on_the_pairs_of_another_run(
    models: tuple[Any, Any], tiny_model: Path, pairs_file: Path, tmp_path: Path
) -> None:
    trained, same = tmp_path / "trained", tmp_path / "same"
    for folder, model in ((trained, models[0]), (same, models[1])):
        model.save_pretrained(folder)
    run, other = tmp_path / "run", tmp_path / "other"
    for folder in (run, other):
        folder.mkdir()
        (folder / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    other_problems = (other / "pairs.jsonl").read_text().replace('"question": "', '"question": "Another: ')
    (other / "pairs.jsonl").write_text(other_problems)
    arguments = ["credit", str(run), "--models", f"trained={trained}", "--models", f"same={same}"]
    arguments += ["--reference", str(tiny_model), "--measure", str(other)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    figures = json.loads((run / "credit" / "localisation.json").read_text())
    assert figures["same"]["auroc"]["value"] == 0.5  # a model that did not change credits nothing
    assert figures["trained"]["solutions"] == 3
    assert "AUROC" in result.output
    assert "0.500 [0.500, 0.500]" in result.output
    write_report(run)  # the figures beside the heat-map do not break the page
    refused = CliRunner().invoke(app, [*arguments[:-1], str(run)])
    assert refused.exit_code == 1
    assert "trained on all of its problems" in " ".join(refused.output.split())


TOKENS = [
    {"text": "<script>alert(1)</script>$x$", "credit": -0.4, "step": 0, "own": True},
    {"text": "\nline two " * 12, "credit": 0.2, "step": 0, "own": True},
    {"text": "<|execution|>3\n", "credit": 9.0, "step": 1, "own": False},
    {"text": "wrong", "credit": 0.1, "step": 2, "own": True},
    {"text": "<|end|>", "credit": 0.1, "step": None, "own": True},
]
DATA = {
    "title": "Credit",
    "question": "a < b?",
    "answers": "Right is 1 < 2.",
    "there": "",
    "first": 3,
    "beta": 0.1,
    "models": {"SCDPO": TOKENS, "DPO": TOKENS},
}


def test_the_page_shows_text_as_text_and_stands_alone() -> None:
    html = credit_page(heat_map(DATA))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "a &lt; b?" in html
    assert "Right is 1 &lt; 2." in html
    assert html.count('aria-label="Token credit, ') == 2
    assert "http:" not in html


def test_the_page_frames_the_first_token_that_differs() -> None:
    html = credit_page(heat_map(DATA))
    for column in html.split('aria-label="Token credit, ')[1:]:
        before, after = column.split("from here on it differs")
        assert "&lt;|execution|&gt;3" in before
        assert after.split("<mark>")[1].split("</mark>")[0].endswith(">wrong</span>")


def test_the_scale_is_of_the_model_s_own_tokens_and_the_unit_is_said() -> None:
    heat = heat_map(DATA)
    assert heat.scale == 0.4  # of the model's own tokens; not the kernel's 9.0
    assert "β = 0.1: +0.069 says that training made the token twice as likely" in heat.unit
    (_, steps), _ = heat.models
    assert [len(step) for step in steps] == [2, 1, 2]
    assert [(t.side, t.strength) for t in steps[0]] == [("minus", 9), ("plus", 4)]


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    save_png(tmp_path / "credit.png", heat_map(DATA))
    assert (tmp_path / "credit.png").read_bytes().startswith(b"\x89PNG")


def test_where_a_wrong_solution_leaves_the_right_one(encoder: SolutionEncoder) -> None:
    def text(words: str) -> Solution:
        return Solution.of([{"type": "text", "content": words}])

    right, wrong = text("Take 8 boys."), text("Take 4 boys.")
    place = first_difference(encoder, "q", wrong, right)
    assert place is not None
    ids = encoder.completion("q", (), wrong.blocks)[0]
    assert "4" in encoder.tokens.spell(ids[place : place + 1])
    assert first_difference(encoder, "q", right, right) is None


def made(pair: dict[str, Any], id: str, kind: str, rates: tuple[int, int] | None, same: bool) -> PairRecord:
    """Return a step-controlled pair: its roll-outs right before and after of 4, and whether both sides begin alike."""
    sides = {"chosen": pair["chosen"], "rejected": pair["rejected"]}
    if same:
        sides["rejected"] = [pair["chosen"][0], *pair["rejected"][1:]]
    rollouts = (
        {}
        if rates is None
        else {k: {"right": r, "tried": 4} for k, r in zip(("before", "after"), rates, strict=True)}
    )
    return PairRecord(**{**pair, **sides, "id": id, "kind": kind, "confirmation": rollouts})


def test_the_pair_that_is_shown_is_one_whose_first_differing_step_is_confirmed(
    pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    pair = next(p for p in pairs if p["kind"] == "step_controlled")
    file = RecordFile(tmp_path / "pairs.jsonl", PairRecord)
    for record in (
        made(pair, "alike", "step_controlled", (4, 0), True),
        made(pair, "untried", "step_controlled", None, False),
        made(pair, "refuted", "step_controlled", (4, 4), False),
        made(pair, "confirmed", "step_controlled", (4, 0), False),
    ):
        file.append(record)
    file.close()
    assert command._pair_to_show(tmp_path, None).id == "confirmed"
    assert command._pair_to_show(tmp_path, "alike").id == "alike"
    with pytest.raises(MissingFileError, match="no pair nope"):
        command._pair_to_show(tmp_path, "nope")
