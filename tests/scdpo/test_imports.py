"""Solutions made elsewhere come in verified, whichever layout holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scdpo.cli import app
from scdpo.data import import_solutions as imports
from scdpo.data.import_solutions import import_solutions, read_solutions
from scdpo.data.pairs import naive_pair
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run, RunError
from scdpo.jobs.local import chosen_solutions
from verifier.files.jsonl import LineError


def messages(answer: str, *more: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": ""},
        {"role": "user", "content": "What is 3 * 4?"},
        {"role": "text", "content": "Multiply."},
        {"role": "code", "content": "3 * 4"},
        {"role": "execution", "content": "12"},
        *more,
        {"role": "text", "content": f"The answer is \\boxed{{{answer}}}."},
    ]


def write(path: Path, row: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"question": "What is 3 * 4?", "extra": {"answer": "12"}} | row) + "\n")
    return path


def test_a_line_of_the_papers_sampler_is_one_solution(tmp_path: Path) -> None:
    file = write(tmp_path / "round.jsonl", {"debug_result": messages("12")})
    (record,) = read_solutions(file)
    assert [b.type for b in record.blocks] == ["text", "code", "execution", "text"]
    assert record.gold == "12"
    assert record.preferred


def test_a_line_of_results_holds_several_and_its_labels_are_not_trusted(tmp_path: Path) -> None:
    apology = {"role": "text", "content": "I apologize for the error."}
    row = {
        "correct_solutions": [messages("12"), messages("13")],
        "correct_errored_solutions": [messages("12", apology)],
        "wrong_solutions": [messages("14")],
    }
    records = list(read_solutions(write(tmp_path / "result.jsonl", row)))
    assert [r.verdict.status for r in records] == ["correct", "incorrect", "correct", "incorrect"]
    assert [r.clean for r in records] == [True, True, False, True]
    assert len({r.id for r in records}) == 4
    assert {r.problem_id for r in records} == {"result/1"}


def test_a_solution_that_was_given_up_is_dropped(tmp_path: Path) -> None:
    given_up = [*messages("12")[:-1], {"role": "exceed_max_length/return_first_code", "content": "3 * 4"}]
    (record,) = read_solutions(write(tmp_path / "round.jsonl", {"debug_result": given_up}))
    assert record.dropped == "unfinished"
    assert not record.preferred
    assert not record.dispreferred


def row(id: str, answer: str = "12", **more: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "content": f"The answer is \\boxed{{{answer}}}."}]
    return {"id": id, "question": "What is 3 * 4?", "answer": "12", "blocks": blocks} | more


def write_all(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def brought(folder: Path, *files: Path) -> list[SolutionRecord]:
    with Run(folder) as run:
        for file in files:
            import_solutions(run, file)
    return list(Run(folder).solutions)


def test_solutions_with_an_id_that_is_taken_are_counted(tmp_path: Path) -> None:
    file = write_all(tmp_path / "a.jsonl", row("x"), row("x", "13"), row("y"))
    other = write_all(tmp_path / "b.jsonl", row("y", "14"), row("z"))
    assert [s.id for s in brought(tmp_path / "run", file, other)] == ["x", "y", "z"]
    stages = Run(tmp_path / "run").read_json("stages.json")
    shown = {name: (s["in"], s["kept"], s["dropped"]) for name, s in stages.items()}
    assert shown == {
        "solutions of a.jsonl": (3, 2, {"repeated": 1}),
        "solutions of b.jsonl": (2, 1, {"repeated": 1}),
    }


def test_a_file_that_was_brought_in_is_not_verified_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_all(tmp_path / "a.jsonl", row("x"), row("y"))
    before = brought(tmp_path / "run", file)
    stages = Run(tmp_path / "run").read_json("stages.json")
    monkeypatch.setattr(imports, "verify_solution", lambda *_: pytest.fail("it was verified again"))
    assert brought(tmp_path / "run", file) == before
    again = Run(tmp_path / "run").read_json("stages.json")["solutions of a.jsonl"]
    assert again["dropped"] == {}
    assert again["kept"] == stages["solutions of a.jsonl"]["kept"] == 2


def of_a_run(id: str, format: str = "markdown") -> dict[str, Any]:
    """Return a line of a run's ``solutions.jsonl``."""
    sampling = {"engine": "vllm", "model": "m", "format": format, "seed": 3, "temperatures": [1.0], "finish": "length",
                "tokens": 2, "block_tokens": [[1], [2]]}  # fmt: skip
    verdict = {"status": "correct", "answer": "12", "reason": "equal"}
    record = {"schema_version": 1, "problem_id": "p", "gold": "12", "verdict": verdict, "clean": True}
    more = {"dropped": "unfinished_length", "sampling": sampling, "isolation": "strict"}
    solution = row(id)
    del solution["answer"]
    return solution | record | more


def test_the_solutions_of_a_run_come_in_as_they_stand(tmp_path: Path) -> None:
    file = write_all(tmp_path / "solutions.jsonl", of_a_run("p#0.0"))
    (record,) = brought(tmp_path / "run", file)
    assert record.model_dump() == of_a_run("p#0.0")


def test_a_line_of_a_run_that_is_incomplete_names_the_field(tmp_path: Path) -> None:
    broken = of_a_run("p#0.0")
    del broken["clean"]
    with pytest.raises(LineError, match=r"line 1: the field 'clean' of a run's solution: Field required"):
        brought(tmp_path / "run", write_all(tmp_path / "solutions.jsonl", broken))


def test_another_run_s_solutions_are_not_mixed_with_a_run_s_own(tmp_path: Path) -> None:
    file = write_all(tmp_path / "solutions.jsonl", of_a_run("p#0.0"))
    with Run(tmp_path / "run") as run:
        run.settle("sample", {"seed": 0})
    with pytest.raises(RunError, match=r"another run sampled.*a folder of their own"):
        brought(tmp_path / "run", file)
    brought(tmp_path / "other", write_all(tmp_path / "a.jsonl", row("x")))
    with pytest.raises(RunError, match=r"format 'mathcoder', and those of .* are in 'markdown'"):
        brought(tmp_path / "other", file)


def test_a_solution_that_is_text_is_read_in_the_format(tmp_path: Path) -> None:
    text = "Multiply.\n```python\n3 * 4\n```\n```output\n12\n```\nThe answer is \\boxed{12}."
    line = {"question": "What is 3 * 4?", "answer": "12", "solution": text}
    (record,) = read_solutions(write_all(tmp_path / "texts.jsonl", line), "markdown")
    assert [b.type for b in record.blocks] == ["text", "code", "execution", "text"]
    assert record.preferred


@pytest.mark.parametrize(
    ("format", "text", "types"),
    [
        ("chat", "Multiply.\n```python\n3 * 4\n```\n```output\n12\n```\nThe answer is \\boxed{12}.", ["text", "code", "execution", "text"]),
        ("tools", "Three times four\n\nis \\boxed{12}.", ["text"]),
        ("chat-cot", "Three times four.\n\nThe answer is \\boxed{12}.", ["text", "text"]),
    ],
)  # fmt: skip
def test_solutions_come_in_for_a_model_with_a_chat_template(
    tmp_path: Path, format: str, text: str, types: list[str]
) -> None:
    file = write_all(
        tmp_path / "texts.jsonl", {"question": "What is 3 * 4?", "answer": "12", "solution": text}
    )
    called = ["corrupt", str(tmp_path / "run"), "--corruptor", "mutation", "--solutions", str(file)]
    done = CliRunner().invoke(app, [*called, "--format", format])
    assert done.exit_code == 0, done.output
    [record] = Run(tmp_path / "run").solutions
    assert ([b.type for b in record.blocks], record.sampling.format) == (types, format)


TIR = "We subtract.\n```python\nprint(9 * 2)\n```\n```output\n18\n```\nShe makes $\\boxed{18}$."
LLM = "Let's see.\n<llm-code>\n9 * 2\n</llm-code>\n<llm-code-output>\n18\n</llm-code-output>\nShe makes \\boxed{18}."


@pytest.mark.parametrize(
    "line",
    [
        {"problem": "q?", "solution": TIR, "messages": [{"role": "user", "content": "q?"}]},
        {"question": "q?", "generated_solution": LLM, "expected_answer": "18", "is_correct": True},
        {"idx": 3, "question": "q?", "gt": "18", "code": [TIR], "pred": ["18"]},
        {
            "prompt": [{"role": "user", "content": "q?"}],
            "reward_model": {"ground_truth": "18"},
            "response": TIR,
        },
    ],
    ids=["NuminaMath-TIR", "OpenMathInstruct-1", "ToRA", "verl with a response"],
)
def test_solutions_of_other_layouts_come_in_with_their_code(tmp_path: Path, line: dict[str, Any]) -> None:
    (record,) = read_solutions(write_all(tmp_path / "a.jsonl", line))
    assert (record.question, record.gold) == ("q?", "18")
    assert [b.type for b in record.blocks] == ["text", "code", "execution", "text"]
    assert record.preferred


def test_rows_whose_solution_states_no_answer_are_counted(tmp_path: Path) -> None:
    proof = {"problem": "Show that 2 divides 4.", "solution": "Since 4 = 2 * 2, it does. QED"}
    brought(tmp_path / "run", write_all(tmp_path / "a.jsonl", proof, {"problem": "q?", "solution": TIR}))
    assert Run(tmp_path / "run").read_json("stages.json")["solutions of a.jsonl"]["dropped"] == {
        "no_final_answer": 1
    }


def test_imported_solutions_of_problems_without_naive_pairs_are_branched_off_too(tmp_path: Path) -> None:
    rows = [row("right", problem_id="p"), row("wrong", "13", problem_id="p"), row("more", problem_id="p")]
    brought(tmp_path / "run", write_all(tmp_path / "a.jsonl", *rows))
    with Run(tmp_path / "run") as run:
        run.settle("sample", {"seed": 0})
        chosen, rejected, _ = run.solutions
        run.pairs.append(naive_pair(chosen, rejected))
        import_solutions(run, write_all(tmp_path / "b.jsonl", row("other"), row("false", "13")))
        assert [s.id for s in chosen_solutions(run)] == ["right", "other"]


def test_a_line_of_neither_layout_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LineError, match=r"line 1: field 'solution' is missing.*--solution-field"):
        list(read_solutions(write(tmp_path / "other.jsonl", {"solutions": []})))
