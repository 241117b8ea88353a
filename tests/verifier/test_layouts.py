"""Other people's files are read as they lie: each published layout by its fields, each kind of file by its name."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from verifier import verify
from verifier.files.fields import Fields, look
from verifier.files.inputs import read_items
from verifier.files.jsonl import LineError
from verifier.files.layouts import Entry, NoAnswer
from verifier.files.rows import Row, read_rows

Q = "Janet's ducks lay 16 eggs per day. She eats three and bakes with four. How much does she make at $2 each?"
COT = "She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * 2 = $18.\nThe answer is: 18"
BOXED = r"She sells 9 eggs and makes $9 \cdot 2 = \boxed{18}$ dollars."
FENCED = "We subtract.\n```python\nprint(9 * 2)\n```\n```output\n18\n```\nShe makes $\\boxed{18}$."
LLM_CODE = "We compute.\n<llm-code>\n9 * 2\n</llm-code>\n<llm-code-output>\n18\n</llm-code-output>\nIt is \\boxed{18}."
BLOCKS = [("text", "We subtract."), ("code", "9 * 2"), ("execution", "18"), ("text", "It is \\boxed{18}.")]
TYPED = [{"type": type, "content": content} for type, content in BLOCKS]
ROLED = [{"role": type, "content": content} for type, content in BLOCKS]
CHAT = [{"role": "user", "content": Q}, {"role": "assistant", "content": BOXED}]
VERL = {"data_source": "x", "ability": "math", "extra_info": {"index": 0, "split": "train"}}

# Name, row with the published field names, kinds of the blocks of its solution (None where it has none).
CODE = ["text", "code", "execution", "text"]
LAYOUTS: list[tuple[str, dict[str, Any], list[str] | None]] = [
    ("GSM8K", {"question": Q, "answer": "16 - 3 - 4 = <<16-3-4=9>>9\n#### 18"}, ["text"]),
    ("NuminaMath", {"problem": Q, "solution": FENCED, "messages": CHAT}, CODE),
    ("NuminaMath-1.5", {"problem": Q, "solution": BOXED, "answer": "18", "problem_type": "Algebra"}, ["text"]),
    ("OpenR1-Math", {"problem": Q, "solution": "x", "answer": "18", "generations": [BOXED]}, ["text"]),
    ("Big-Math", {"problem": Q, "answer": "18", "source": "orca", "llama8b_solve_rate": 0.5}, None),
    ("DeepScaleR", {"problem": Q, "answer": "18", "solution": BOXED}, ["text"]),
    ("MATH", {"problem": Q, "level": "Level 5", "type": "Algebra", "solution": BOXED}, ["text"]),
    ("MATH-500", {"problem": Q, "answer": "18", "solution": BOXED, "unique_id": "test/1.json"}, ["text"]),
    ("OpenMathInstruct-1", {"question": Q, "expected_answer": "18", "generated_solution": LLM_CODE}, CODE),
    ("OpenMathInstruct-2", {"problem": Q, "expected_answer": "18", "generated_solution": BOXED}, ["text"]),
    ("NeMo Skills", {"problem": Q, "expected_answer": 18, "generation": BOXED}, ["text"]),
    ("ToRA", {"idx": 0, "question": Q, "gt": "18", "gt_cot": "..", "code": [FENCED], "pred": ["18"]}, CODE),
    (
        "Qwen2.5-Math evaluation",
        {"question": Q, "gt": "18", "solution": "..", "answer": "18", "code": [FENCED], "score": [True]},
        CODE,
    ),
    (
        "MathCoder output",
        {
            "messages": [{"role": "user", "content": [{"type": "text", "content": Q}]}],
            "ground_truth": {"answer": "18", "solution": ".."},
            "debug_result": [{"role": "user", "content": Q}, *TYPED, {"type": "text", "content": "18"}],
        },
        CODE,
    ),
    (
        "MathCodeInstruct",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "content": Q}]},
                {"role": "assistant", "content": TYPED},
            ],
            "extra": {"answer": "18"},
        },
        CODE,
    ),
    ("the paper's problems", {"question": Q, "extra": {"answer": "18"}}, None),
    ("the paper's samples", {"question": Q, "extra": {"answer": "18"}, "debug_result": ROLED}, CODE),
    ("DART-Math", {"query": Q, "response": BOXED}, ["text"]),
    ("MetaMathQA", {"query": Q, "response": COT, "original_question": "other", "type": "GSM"}, ["text"]),
    ("AIME as a table", {"ID": "1983-1", "Problem Number": "1", "Question": Q, "Answer": "18"}, None),
    ("AIME", {"Problem": Q, "Answer": 18, "Solution": BOXED, "url": "u"}, ["text"]),
    ("verl", VERL | {"prompt": [{"role": "user", "content": Q}], "reward_model": {"ground_truth": "18"}}, None),
    (
        "verl",
        VERL | {"prompt": [{"role": "user", "content": Q}], "reward_model": {"ground_truth": '["18"]'}},
        None,
    ),
    ("CMath", {"question": Q, "golden": 18, "grade": 3}, None),
    ("APE210K", {"id": "1", "original_text": Q, "equation": "x=18", "ans": "18"}, None),
    ("Alpaca", {"instruction": Q, "input": "", "output": COT}, ["text"]),
    (
        "ShareGPT",
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": COT}]},
        ["text"],
    ),
    ("preference pairs", {"prompt": Q, "chosen": COT, "rejected": "The answer is: 11"}, ["text"]),
    ("preference pairs", {"chosen": CHAT, "rejected": [CHAT[0], {"role": "assistant", "content": "11"}]}, ["text"]),
    ("Step-DPO-10K", {"prompt": Q, "initial_reason_steps": "Step 1:", "chosen": " a", "rejected": " b",
                      "full_chosen": COT, "full_rejected": "c", "answer": "18"}, ["text"]),
    ("PRM800K", {"question": {"problem": Q, "ground_truth_answer": "18"}, "label": {"steps": []}}, None),
    ("MAWPS", {"sQuestion": Q, "lEquations": ["x=18"], "lSolutions": [18.0]}, None),
    ("NeMo Gym", {"responses_create_params": {"input": CHAT[:1]}, "verifier_metadata": {"expected_answer": "18"}}, None),
    ("OpenRLHF", {"input": Q, "label": "18"}, None),
    ("TRL's steps", {"prompt": Q, "completions": COT.split("\n"), "labels": [True, True, True]}, ["text"]),
    ("SYNTHETIC-1", {"prompt": Q, "llm_response": BOXED, "gold_standard_solution": BOXED, "task_type": "math",
                     "verification_info": {"ground_truth": "18"}}, ["text"]),
    ("SVAMP", {"Body": Q.split(" How ")[0], "Question": "How " + Q.split(" How ")[1], "Answer": 18.0, "Equation": "x"}, None),
]  # fmt: skip


def entry(fields: dict[str, Any], said: Fields | None = None) -> Entry:
    return Entry(Row(fields, "f.jsonl, line 1", "f/1", "f"), said)


@pytest.mark.parametrize(
    ("name", "fields", "kinds"), LAYOUTS, ids=[f"{i}-{x[0]}" for i, x in enumerate(LAYOUTS)]
)
def test_a_published_layout_is_read_and_named(
    name: str, fields: dict[str, Any], kinds: list[str] | None
) -> None:
    read = entry(fields)
    assert name.split()[0] in read.layout
    assert read.question() == Q
    assert verify(read.gold(), "18").correct
    if kinds is None:
        with pytest.raises(LineError, match="--solution-field"):
            read.solutions()
    else:
        (solution,) = (written.solution("mathcoder") for written in read.solutions())
        assert [block.type for block in solution.blocks] == kinds


@pytest.mark.parametrize(
    ("name", "fields", "kinds"), LAYOUTS, ids=[f"{i}-{x[0]}" for i, x in enumerate(LAYOUTS)]
)
def test_a_solution_of_a_published_layout_is_verified(
    tmp_path: Path, name: str, fields: dict[str, Any], kinds: list[str] | None
) -> None:
    if kinds is None or name == "GSM8K":
        pytest.skip("holds nothing to verify")
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(fields))
    items = list(read_items(file))
    assert verify(items[0].prediction, items[0].gold).correct
    assert [item.label for item in items] in ([None], [True], [True, False])


def test_fields_that_are_named_stand_above_those_that_are_known() -> None:
    fields = {
        "question": "not this",
        "doc": {"query text": Q, "answers": ["18"]},
        "outputs": [{"text": "The answer is 18"}, {"text": "The answer is 17"}],
    }
    read = entry(fields, Fields("doc.query_text", "doc.answers", "outputs.1.text"))
    assert (read.question(), read.gold(), read.solutions()[0].content) == (Q, "18", "The answer is 17")
    with pytest.raises(
        LineError, match=r"line 1: field 'doc.nothing' is missing .fields: question, doc, outputs"
    ):
        entry(fields, Fields(question="doc.nothing")).question()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1),
        ("a.c.0", 2),
        ("A B", None),
        ("a", {"b": 1, "c": [2]}),
        ("x.y", 3),
        ("j.k", 4),
        ("a.c.7", None),
    ],
)
def test_a_dotted_path_goes_through_objects_lists_and_json_text(path: str, value: object) -> None:
    assert look({"a": {"b": 1, "c": [2]}, "x.y": 3, "j": '{"k": 4}'}, path) == value


@pytest.mark.parametrize(
    ("written", "gold"),
    [
        (["18"], "18"),
        (["18", "18.0"], "18 ## 18.0"),
        ('["18"]', "18"),
        ("[1, 2]", "[1, 2]"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("so 2 * 3\n#### 1,234", "1234"),
        (18.5, "18.5"),
        (r"x \in (-\infty, 1) \cup (2, \infty)", r"x \in (-\infty, 1) \cup (2, \infty)"),
        ("3 apples and 4 pears", "3 apples and 4 pears"),
        ("Half of 48 is 24, so in both months together she sold 48 + 24 = $72 worth of clips.", "72"),
    ],
)
def test_a_gold_answer_is_the_final_answer_alone(written: object, gold: str) -> None:
    assert entry({"question": "q", "answer": written}).gold() == gold


def test_a_solution_that_states_no_answer_is_no_gold() -> None:
    with pytest.raises(NoAnswer, match="line 1"):
        entry({"problem": "Show that 2 divides 4.", "solution": "Since 4 = 2 * 2, it does. QED"}).gold()


@pytest.mark.parametrize(
    "wrapped",
    [
        "Solve the following math problem step by step. The last line is Answer: $Answer.\n\n{}\n\n"
        'Remember to put your answer on its own line after "Answer:".',
        "{} Let's think step by step and output the final answer within \\boxed{{}}.",
        '{} Let\'s think step by step and output the final answer after "####".',
        "{}\nPlease reason step by step, and put your final answer within \\boxed{{}}.",
        "{}\n\nPresent the answer in LaTex format: \\boxed{{Your answer}}",
        "{}\n\nReturn your final response within \\boxed{{}}.",
        "Question: {}\nAnswer:",
    ],
)
def test_the_words_that_a_data_set_puts_around_a_question_are_left_out(wrapped: str) -> None:
    question = "What is 1 + 1?\n\nLet's think step by step."
    fields = VERL | {"prompt": [{"role": "user", "content": wrapped.format(question)}]}
    assert entry(fields).question() == question


def test_a_box_that_is_to_be_filled_in_belongs_to_the_question() -> None:
    question = r"What goes into 3 + \boxed{} = 5?"
    assert entry({"prompt": question, "answer": "2"}).question() == question


@pytest.mark.parametrize(
    "choices",
    [
        {"options": ["A)21", "B)21.5", "C)18"], "correct": "C"},
        {"options": "a ) 21 , b ) 21.5 , c ) 18", "correct": "c"},
        {"choices": {"text": ["21", "21.5", "18"], "label": ["A", "B", "C"]}, "answerKey": "C"},
        {"choices": ["21", "21.5", "18"], "answer": 2},
        {"options": {"A": "21", "B": "21.5", "C": "18"}, "answer": "18"},
    ],
)
def test_a_choice_may_be_given_by_its_letter_or_its_value(choices: dict[str, Any]) -> None:
    read = entry({"question": "How much?", "rationale": "So C."} | choices)
    assert read.question() == "How much?\n(A) 21\n(B) 21.5\n(C) 18"
    assert [verify(said, read.gold()).status for said in ("C", r"\boxed{18}", "B")] == [
        "correct",
        "correct",
        "incorrect",
    ]


@pytest.mark.parametrize(
    "choices", [{"options": ["one"], "correct": "A"}, {"choices": ["1", "2"], "answer": "x"}]
)
def test_choices_without_a_right_one_change_nothing(choices: dict[str, Any]) -> None:
    assert entry({"question": "How much?"} | choices).question() == "How much?"


TOOLS = [
    {"role": "user", "content": Q},
    {"role": "assistant", "reasoning_content": "Subtract first.", "content": "We compute.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "python", "arguments": '{"code": "9 * 2"}'}}]},
    {"role": "tool", "tool_call_id": "1", "content": "18"},
    {"role": "assistant", "content": r"It is \boxed{18}."},
]  # fmt: skip


def test_a_conversation_with_tool_calls_is_a_code_integrated_solution() -> None:
    (solution,) = (written.solution("markdown") for written in entry({"messages": TOOLS}).solutions())
    assert [(block.type, block.content) for block in solution.blocks] == [
        ("thought", "Subtract first."), ("text", "We compute."), ("code", "9 * 2"), ("execution", "18"),
        ("text", r"It is \boxed{18}."),
    ]  # fmt: skip


def test_a_tool_call_without_code_is_told() -> None:
    call = {"function": {"name": "lookup", "arguments": {"page": 3}}}
    with pytest.raises(ValueError, match="tool call without code"):
        entry({"messages": [TOOLS[0], {"role": "assistant", "tool_calls": [call]}]}).solutions()


@pytest.mark.parametrize(
    "said",
    [
        {"outputs": [{"text": BOXED, "finish_reason": "stop"}]},
        {"response": {"choices": [{"message": {"role": "assistant", "content": BOXED}}]}},
        {"response": {"body": {"choices": [{"message": {"role": "assistant", "content": BOXED}}]}}},
        {"responses": [{"response": BOXED}]},
    ],
)
def test_what_a_server_answered_is_the_text_in_it(said: dict[str, Any]) -> None:
    (written,) = entry({"question": Q, "answer": "18"} | said).solutions()
    assert written.content == BOXED


def test_an_object_that_holds_no_text_is_told() -> None:
    with pytest.raises(ValueError, match="score"):
        entry({"question": Q, "answer": "18", "response": {"score": 1}}).solutions()


def test_rows_by_number_and_conversations_as_rows_are_read(tmp_path: Path) -> None:
    said = {"prediction": BOXED, "gold": "18"}
    (tmp_path / "by_number.json").write_text(json.dumps({"0": said, "1": said}))
    assert [item.gold for item in read_items(tmp_path / "by_number.json")] == ["18", "18"]
    talk = [{"from": "human", "value": Q}, {"from": "assistant", "ground_truth": {"value": "18"}}]
    (tmp_path / "talks.json").write_text(json.dumps([talk]))
    (row,) = read_rows(tmp_path / "talks.json")
    assert (Entry(row).question(), Entry(row).gold()) == (Q, "18")


def rows_in(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Path]:
    """Write the same rows as every kind of file."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    files = {
        end: folder / f"d.{end}" for end in ("jsonl", "json", "csv", "parquet", "jsonl.gz", "tsv", "ndjson")
    }
    files["list"] = folder / "list.json"
    files["jsonl"].write_bytes(b"\xef\xbb\xbf" + lines.encode())
    files["ndjson"].write_text("\n" + lines)
    files["json"].write_text(lines)  # JSON Lines by another name, as the hub has them
    files["list"].write_text("\ufeff" + json.dumps({"data": rows}, indent=1), encoding="utf-8")
    files["jsonl.gz"].write_bytes(gzip.compress(lines.encode()))
    for end, delimiter in (("csv", ","), ("tsv", "\t")):
        with files[end].open("w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows), files["parquet"])
    return files


def test_every_kind_of_file_holds_the_same_rows(tmp_path: Path) -> None:
    rows = [{"question": f'q{i}, "two"\nlines', "answer": str(i)} for i in range(3)]
    for kind, file in rows_in(tmp_path, rows).items():
        assert [row.fields for row in read_rows(file)] == rows, kind


def test_names_do_not_depend_on_where_a_file_lies(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "1"}]
    here, there = tmp_path / "here", tmp_path / "elsewhere" / "deep"
    for folder in (here, there):
        folder.mkdir(parents=True)
        rows_in(folder, rows)
        (folder / "algebra").mkdir()
        (folder / "algebra" / "10.json").write_text(json.dumps(rows[0], indent=2))
        (folder / "algebra" / "2.json").write_text(json.dumps(rows[0]))
    assert [row.name for row in read_rows(here / "d.jsonl")] == ["d/1"]
    names = [[row.name for row in read_rows(folder)] for folder in (here, there)]
    assert names[0] == names[1]
    assert names[0][:2] == ["algebra/2", "algebra/10"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "q,a\n1,2,3\n", "line 2: more cells"),
        ("a.json", "[1, 2]", "item 1: a JSON object"),
        ("a.json", '[{"a": 1},\n {"a": }]', "line 2: not JSON"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.parquet", "PAR1 no", "cannot be read as Parquet"),
        ("README.md", "# Me", r"not read; what is: .jsonl"),
        ("a.csv.gz", "no gzip", "not gzip"),
        ("a.jsonl", '{"a": 1}\n{"a"', "line 2: not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(content)
    with pytest.raises(LineError, match=said) as caught:
        list(read_rows(tmp_path / name))
    assert name in str(caught.value)


def test_what_lies_nowhere_is_told_without_asking_a_hub(tmp_path: Path) -> None:
    for source in ("nope", "data/nope.jsonl", str(tmp_path / "a" / "b"), "./owner/set"):
        with pytest.raises(LineError, match="no such file or folder"):
            list(read_rows(source))
    with pytest.raises(LineError, match="holds no file that is read"):
        list(read_rows(tmp_path))


def test_the_samples_of_real_layouts_are_read(shared_dir: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = shared_dir / "data" / "layouts"
    if not folder.is_dir():
        pytest.skip(f"no samples of layouts at {folder}")
    for file in sorted(folder.iterdir()):
        read = [Entry(row) for row in read_rows(file)]
        assert all(e.question() and e.gold() for e in read), file
