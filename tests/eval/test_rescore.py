"""Logs verified again: what changes, paired tests, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from eval.cli import verify as command
from eval.rescore import Rescored, paired, recorded, rescore, scores, verified
from scdpo.cli import app
from scdpo.errors import SettingsError
from verifier import Verdict
from verifier.files.item import Item


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, ["verify", *map(str, arguments)])


def rescored(
    label: bool | None, status: Any, problem: str = "p", sample: str = "0", gold: str = "1"
) -> Rescored:
    return Rescored(
        Item(f"{problem}/{sample}", "x", gold, "k", label, problem, sample), Verdict(status, "", "x", gold)
    )


@pytest.mark.parametrize(
    ("label", "status", "change"),
    [
        (False, "correct", "now right"), (True, "incorrect", "now wrong"), (True, "unverifiable", "now open"),
        (False, "unverifiable", None), (True, "correct", None), (None, "correct", None),
    ],
)  # fmt: skip
def test_a_change_is_named(label: bool | None, status: str, change: str | None) -> None:
    assert rescored(label, status).change == change


def test_a_problems_score_is_the_share_of_its_samples() -> None:
    log = [
        rescored(True, "correct"),
        rescored(False, "incorrect", sample="1"),
        rescored(None, "correct", "q"),
    ]
    assert scores(log, verified) == {"p": 0.5, "q": 1.0}
    assert scores(log, recorded) == {"p": 0.5}
    again = [*log, rescored(False, "correct", sample="1")]  # the same sample under another filter
    assert scores(again, verified) == {"p": 0.5, "q": 1.0}


def test_two_logs_are_tested_problem_by_problem() -> None:
    first = [rescored(None, "correct" if n < 3 else "incorrect", str(n)) for n in range(12)]
    second = [rescored(None, "correct" if n >= 3 else "incorrect", str(n)) for n in range(12)]
    found = paired(first, second, verified)
    assert (found.problems, found.first_only, found.second_only) == (12, 3, 9)
    assert found.mcnemar == pytest.approx(2 * (1 + 12 + 66 + 220) / 4096)  # 12 discordant, 3 against 9


def test_a_problem_with_another_gold_answer_is_another_problem() -> None:
    first = [rescored(None, "correct", "1"), rescored(None, "correct", "2")]
    second = [rescored(None, "correct", "1"), rescored(None, "correct", "2", gold="7")]
    assert paired(first, second, verified).problems == 1
    with pytest.raises(SettingsError, match="no problem in common"):
        paired(first[1:], second[1:], verified)


def test_order_is_kept_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.rescore.BATCH", 3)
    items = [Item(str(n), str(n % 2), "1", "k") for n in range(8)]
    found = list(rescore(items, workers=2, seconds=5.0, rounding="exact", require="weak"))
    assert [one.item for one in found] == items
    assert [one.verdict.correct for one in found] == [bool(n % 2) for n in range(8)]


def log(path: Path, texts: list[str], labels: list[bool]) -> Path:
    lines = [
        {
            "doc_id": n,
            "target": "0.5",
            "resps": [[text]],
            "filter": "none",
            "metrics": ["em"],
            "em": float(label),
        }
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_command_says_what_changes_and_tests_two_logs(tmp_path: Path) -> None:
    first = log(
        tmp_path / "samples_a_2026-11-01T10-00-00.jsonl", [r"\boxed{1/2}", r"\boxed{2}"], [False, True]
    )
    second = log(tmp_path / "b.jsonl", [r"\boxed{1/2}", r"\boxed{1/2}"], [True, True])
    result = call(first, "--compare", second)
    assert result.exit_code == 0, result.output
    assert "now right" in result.output
    assert "now wrong" in result.output
    assert "+50.0" in result.output  # verified: 1 of 2, 2 of 2
    assert "McNemar exact" in result.output
    lines = (
        (tmp_path / "samples_a_2026-11-01T10-00-00.verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    )
    assert [(json.loads(x)["recorded"], json.loads(x)["correct"]) for x in lines] == [
        (False, True),
        (True, False),
    ]


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("")
    result = call(path)
    assert result.exit_code == 1
    assert "holds no answers" in result.output


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", ["1"], [True])
    result = call(path, "--out", tmp_path)
    assert result.exit_code == 1
    assert "cannot be written: it is a folder; --out names another file" in " ".join(result.output.split())
    assert "verdicts in" not in result.output


def test_ctrl_c_leaves_the_former_verdicts_and_says_that_the_command_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, target = log(tmp_path / "a.jsonl", ["1", "2"], [True, True]), tmp_path / "a.verdicts.jsonl"
    target.write_text("former\n")

    def stopped(items: Any, **options: Any) -> Any:
        yield from list(rescore(items, **options))[:1]
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "rescore", stopped)
    result = call(path)
    assert result.exit_code == 130
    assert "begins anew" in " ".join(result.output.split())
    assert "go on" not in result.output
    assert target.read_text() == "former\n"
    assert len((tmp_path / "a.verdicts.jsonl.part").read_text().splitlines()) == 1


def test_a_judge_needs_its_model(tmp_path: Path) -> None:
    result = call(log(tmp_path / "a.jsonl", ["1"], [True]), "--judge", "http://127.0.0.1:1/v1")
    assert result.exit_code == 1
    assert "--judge-model" in result.output


def test_what_the_judge_says_stands_beside_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{"prediction": r"\boxed{9^{9^{9^9}}}", "gold": "1"}, {"prediction": "2", "gold": "1"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked: list[str] = []

    class Asked:
        def __init__(self, *_: object, **__: object) -> None: ...

        def says(self, id: str, question: str, verdict: Verdict) -> str | None:
            asked.append(id)
            return "same" if verdict.status == "unverifiable" else None

        def close(self) -> None: ...

    monkeypatch.setattr("verifier.judge.Judge", Asked)
    result = call(path, "--judge", "http://judge/v1", "--judge-model", "m")
    assert result.exit_code == 0, result.output
    assert "judged same" in result.output
    verdicts = [
        json.loads(line)["status"] for line in (tmp_path / "a.verdicts.jsonl").read_text().splitlines()
    ]
    assert verdicts == ["unverifiable", "incorrect"]
