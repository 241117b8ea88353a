"""Pairs of the paper's programs come in verified, in both of their layouts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scdpo.cli import app
from scdpo.data.import_pairs import read_pairs
from scdpo.data.runs import Run
from verifier.files.jsonl import LineError

QUESTION = "What is 2 + 3 * 4?"
SHARED = [("text", "First the product."), ("code", "a = 3 * 4\r\na"), ("execution", "12")]


def ending(answer: int) -> list[tuple[str, str]]:
    return [("code", "2 + a"), ("execution", str(answer)), ("text", f"The answer is \\boxed{{{answer}}}.")]


def messages(prefix: list[tuple[str, str]] | None, rest: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """As the files that are trained on hold a side."""
    roles = {"system": [("text", "")], "user": [("text", QUESTION)]}
    roles |= {} if prefix is None else {"assistant_correct": prefix}
    roles["assistant"] = rest
    return [
        {"role": role, "content": [{"type": type, "content": content} for type, content in blocks]}
        for role, blocks in roles.items()
    ]


def recorded(blocks: list[tuple[str, str]]) -> list[dict[str, str]]:
    """As the sampling programs record a solution."""
    head = [("system", ""), ("user", QUESTION)]
    return [{"role": role, "content": content} for role, content in head + blocks]


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_naive_and_a_step_controlled_pair(tmp_path: Path) -> None:
    naive = {"chosen": messages(None, SHARED + ending(14)), "rejected": messages(None, SHARED + ending(20))}
    mixed = {"chosen": messages([], SHARED + ending(14)), "rejected": messages([], SHARED + ending(21))}
    later = {"chosen": messages(SHARED, ending(14)), "rejected": messages(SHARED, ending(19))}
    file = write(tmp_path / "train.jsonl", naive, mixed, later)
    result = CliRunner().invoke(app, ["import", str(tmp_path / "run"), str(file)])
    assert result.exit_code == 0, result.output
    pairs = list(Run(tmp_path / "run").pairs)
    assert [(p.kind, p.branch_step, p.gold, p.rejected_answer) for p in pairs] == [
        ("naive", None, "14", "20"),
        ("naive", None, "14", "21"),
        ("step_controlled", 1, "14", "19"),
    ]
    assert {p.problem_id for p in pairs} == {"train/1"}  # one question
    assert {p.question for p in pairs} == {QUESTION}
    assert [b.content for b in pairs[2].prefix] == ["First the product.", "a = 3 * 4\na", "12"]
    assert [b.content for b in pairs[2].rejected] == ["2 + a", "19", "The answer is \\boxed{19}."]
    again = CliRunner().invoke(app, ["import", str(tmp_path / "run"), str(file)])
    assert again.exit_code == 0
    assert list(Run(tmp_path / "run").pairs) == pairs


def test_wrong_continuations_beside_the_solution_that_they_leave(tmp_path: Path) -> None:
    row = {
        "idx": 7,
        "extra": {"question": QUESTION, "answer": "14"},
        "correct_solution": recorded(SHARED + ending(14)),
        "wrong_solutions": [
            {"start_steps": 3, "debug_result": recorded(SHARED + ending(20))},
            {"start_steps": 1, "debug_result": recorded(SHARED[:1] + ending(16))},
        ],
    }
    none = {**row, "correct_solution": [], "idx": 8}
    dropped: Counter[str] = Counter()
    pairs = list(read_pairs(write(tmp_path / "made.jsonl", row, none), "mathcoder", dropped))
    assert [(p.branch_step, len(p.prefix), p.rejected_answer) for p in pairs] == [(1, 3, "20"), (0, 1, "16")]
    assert not dropped


def test_pairs_that_do_not_hold_are_counted_by_reason(tmp_path: Path) -> None:
    right = messages(SHARED, ending(14))
    apology = [("text", "I apologize for the error.")]
    rows: list[tuple[Any, Any]] = [
        (right, messages(SHARED[:2], ending(20))),
        (messages(SHARED[:1], [("text", "I do not know.")]), messages(SHARED[:1], ending(20))),
        (messages(SHARED, apology + ending(14)), messages(SHARED, ending(20))),
        (right, messages(SHARED, ending(14))),
        (right, messages(SHARED, [("text", "<|execution|>1"), *ending(20)])),
    ]
    dropped: Counter[str] = Counter()
    file = write(tmp_path / "t.jsonl", *({"chosen": c, "rejected": r} for c, r in rows))
    assert list(read_pairs(file, "mathcoder", dropped)) == []
    assert dropped == {
        "prefix_differs": 1,
        "chosen_without_answer": 1,
        "chosen_not_clean": 1,
        "rejected_not_wrong": 1,
        "marker": 1,
    }


def test_chains_of_thought_as_plain_text(tmp_path: Path) -> None:
    def side(rest: str) -> list[dict[str, str]]:
        return [
            {"role": "user", "content": QUESTION},
            {"role": "assistant_correct", "content": "First the product: 12.\n"},
            {"role": "assistant", "content": rest},
        ]

    row = {"chosen": side("Add 2: 14.\nThe answer is: 14"), "rejected": side("Add 3: 15.\nThe answer is: 15")}
    (pair,) = read_pairs(write(tmp_path / "cot.jsonl", row), "cot", Counter())
    assert (pair.branch_step, pair.gold, pair.rejected_answer) == (0, "14", "15")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"rejected": []}, "'chosen' is missing"),
        (
            {"chosen": messages(None, []), "rejected": [{"role": "user", "content": "q"}]},
            "'assistant' is missing",
        ),
        ({"chosen": [], "rejected": []}, "field 'question' is missing"),
        (
            {"chosen": messages(None, [("musing", "x")]), "rejected": messages(None, [])},
            "musing",
        ),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(LineError, match="line 1") as caught:
        list(read_pairs(write(tmp_path / "bad.jsonl", row), "mathcoder", Counter()))
    assert said in str(caught.value)


WRONG = "She sells them for 9 + 2 = 11 dollars.\nThe answer is: 11"
RIGHT = "She sells them for 9 * 2 = 18 dollars.\nThe answer is: 18"
ASKED = {"role": "user", "content": "How much does she make?"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "How much does she make?", "chosen": RIGHT, "rejected": WRONG},
        {
            "prompt": [ASKED],
            "chosen": [{"role": "assistant", "content": RIGHT}],
            "rejected": [{"role": "assistant", "content": WRONG}],
        },
        {
            "chosen": [ASKED, {"role": "assistant", "content": RIGHT}],
            "rejected": [ASKED, {"role": "assistant", "content": WRONG}],
        },
        {"instruction": "How much does she make?", "input": "", "chosen": RIGHT, "rejected": WRONG},
        {
            "conversations": [{"from": "human", "value": "How much does she make?"}],
            "chosen": {"from": "gpt", "value": RIGHT},
            "rejected": {"from": "gpt", "value": WRONG},
        },
        {"query": "How much does she make?", "answer": "18", "chosen": RIGHT, "rejected": WRONG},
    ],
    ids=["TRL text", "TRL messages", "messages on both sides", "Alpaca", "ShareGPT", "with an answer"],
)
def test_preference_pairs_of_others_come_in(tmp_path: Path, row: dict[str, Any]) -> None:
    (pair,) = read_pairs(write(tmp_path / "pairs.jsonl", row), "cot", Counter())
    assert (pair.kind, pair.question, pair.gold, pair.rejected_answer) == (
        "naive",
        "How much does she make?",
        "18",
        "11",
    )


def test_step_dpo_shares_its_first_steps_and_the_opening_words_of_the_next(tmp_path: Path) -> None:
    row = {
        "dataset": "MATH_Rephrased",
        "prompt": "How much does she make?",
        "initial_reason_steps": "Let's think step by step.\nStep 1: She has 9 eggs left.\nStep 2:",
        "chosen": " She sells them for 9 * 2 = 18 dollars.",
        "rejected": " She sells them for 9 + 2 = 11 dollars.",
        "full_chosen": f" {RIGHT}",
        "full_rejected": f" {WRONG}",
        "answer": "18",
    }
    (pair,) = read_pairs(write(tmp_path / "steps.jsonl", row), "cot", Counter())
    assert (pair.branch_step, pair.gold) == (1, "18")
    assert "".join(b.content for b in pair.prefix) == row["initial_reason_steps"].removesuffix("Step 2:")
    assert pair.rejected[0].content == "Step 2: She sells them for 9 + 2 = 11 dollars.\n"


def test_a_prefix_is_what_both_sides_share(tmp_path: Path) -> None:
    row = {
        "prompt": "How much does she make?",
        "prefix": "She has 9 eggs.\n",
        "chosen": RIGHT,
        "rejected": WRONG,
    }
    (pair,) = read_pairs(write(tmp_path / "pairs.jsonl", row), "cot", Counter())
    assert (pair.kind, [b.content for b in pair.prefix]) == ("step_controlled", ["She has 9 eggs.\n"])


def test_pairs_with_tool_calls_are_code_integrated(tmp_path: Path) -> None:
    def side(operator: str, answer: str) -> list[dict[str, Any]]:
        call = {"type": "function", "function": {"name": "python", "arguments": {"code": f"9 {operator} 2"}}}
        return [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": answer},
            {"role": "assistant", "content": f"It is \\boxed{{{answer}}}."},
        ]

    row = {"prompt": [ASKED], "chosen": side("*", "18"), "rejected": side("+", "11")}
    (pair,) = read_pairs(write(tmp_path / "pairs.jsonl", row), "markdown", Counter())
    assert [(b.type, b.content) for b in pair.rejected[:2]] == [("code", "9 + 2"), ("execution", "11")]


def test_the_pairs_of_other_runs_come_in_as_they_stand_without_torn_lines(tmp_path: Path) -> None:
    file = write(
        tmp_path / "t.jsonl",
        {"chosen": messages(SHARED, ending(14)), "rejected": messages(SHARED, ending(19))},
    )
    for pod in ("a", "b"):
        assert CliRunner().invoke(app, ["import", str(tmp_path / pod), str(file)]).exit_code == 0
        text = (tmp_path / pod / "pairs.jsonl").read_text().replace('"t/1/0', f'"{pod}/1/0')
        (tmp_path / pod / "pairs.jsonl").write_text(text + text[:100])  # as a killed pod leaves it
    pods = [str(tmp_path / pod / "pairs.jsonl") for pod in ("a", "b")]
    result = CliRunner().invoke(app, ["import", str(tmp_path / "all"), *pods])
    assert result.exit_code == 0, result.output
    found = list(Run(tmp_path / "all").pairs)
    assert [pair.id for pair in found] == [next(iter(Run(tmp_path / pod).pairs)).id for pod in ("a", "b")]
    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / "pairs.jsonl").write_text("".join(Path(pod).read_text() for pod in pods))
    assert "scdpo import joins" in CliRunner().invoke(app, ["status", str(joined)]).output.replace("\n", " ")


def test_a_layout_of_nobody_is_described_by_its_fields(tmp_path: Path) -> None:
    row = {"task": {"text": "How much does she make?", "gold": 18}, "chosen": RIGHT, "rejected": WRONG}
    options = ["--question-field", "task.text", "--answer-field", "task.gold", "--format", "cot"]
    result = CliRunner().invoke(
        app, ["import", str(tmp_path / "run"), str(write(tmp_path / "p.jsonl", row)), *options]
    )
    assert result.exit_code == 0, result.output
    assert "question: task.text, answer: task.gold" in result.output.replace("\n", " ")
    assert [pair.gold for pair in Run(tmp_path / "run").pairs] == ["18"]
