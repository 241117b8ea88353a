"""Questions that stand twice, and those of the benchmarks, are found and counted before anything is sampled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scdpo.data.overlap import Held, choose_problems, held_by
from scdpo.data.problems import Problem, Problems, ProblemSourceError, load_problems

BENCH = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the market for $2 per egg. How much does she make?"
)
BOILERPLATE = "Two balls are drawn. What is the probability that both are red? Express your answer as a common fraction."


def problems(*questions: str) -> Problems:
    return Problems(iter([Problem(f"p/{i}", q, "1") for i, q in enumerate(questions)]))


def test_a_question_that_stands_twice_is_asked_once_and_counted() -> None:
    source = problems("What is  1+1?", "what is 1+1?\n", "What is 1-1?")
    assert [p.id for p in choose_problems(source, None)] == ["p/0", "p/2"]
    assert source.dropped == {"duplicate_question": 1}


@pytest.mark.parametrize(
    ("question", "held"),
    [
        (BENCH, True),
        (BENCH.upper() + " ", True),
        ("A farm tale. " + BENCH, True),  # with more around it
        (BENCH.replace("16", "19").replace("$2", "$3"), True),  # the template, with other numbers
        (BENCH[:90] + "Her neighbour has none. How many muffins are there?", False),
        ("What is 2 + 2?", True),
        ("What is 2 + 3?", False),
        # Sixteen words that many questions share.
        (
            "A die is thrown twice. " + BOILERPLATE.split(". ", 1)[1].replace("both are red", "both are six"),
            False,
        ),
    ],
)
def test_a_question_of_a_benchmark_is_known_by_thirteen_words_and_most_of_its_others(
    question: str, held: bool
) -> None:
    long = "An urn holds five red and seven blue balls, and nothing is put back after it was drawn. " * 2
    assert (question in Held([BENCH, "what is 2 + 2?", long + BOILERPLATE])) is held


def test_chinese_questions_are_compared_by_their_characters() -> None:
    asked = "学校把135本练习本平均分给3个班，每班多少本？"
    assert asked.replace("135", "144") in Held([asked])
    assert "食堂运来大米和面粉共500千克，其中大米有320千克，面粉有多少千克？" not in Held([asked])


def test_benchmarks_are_left_out_of_a_source_and_a_limit_counts_what_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    (folder / "bench.jsonl").write_text(json.dumps({"question": BENCH, "answer": "18"}))
    source = problems(BENCH, "1?", "2?", "3?")
    assert [p.id for p in choose_problems(source, 2, held_by([str(tmp_path)]))] == ["p/1", "p/2"]
    assert source.dropped == {"benchmark_question": 1}
    with pytest.raises(ProblemSourceError, match="no problem is left: 1 are questions of the benchmarks"):
        choose_problems(problems(BENCH), None, held_by([str(folder)]))
    with pytest.raises(ProblemSourceError, match=r"--decontaminate: .*nope\.jsonl: no such file"):
        held_by([str(tmp_path / "nope.jsonl")])


def test_benchmarks_are_known_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "svamp.jsonl").write_text(json.dumps({"question": BENCH, "answer": "18"}))
    monkeypatch.setenv("SCDPO_DATA", str(tmp_path))
    assert BENCH in held_by(["svamp"])
    monkeypatch.delenv("SCDPO_DATA")
    with pytest.raises(ProblemSourceError, match=r"--decontaminate: svamp needs a file svamp\.jsonl"):
        held_by(["svamp"])


def test_the_real_training_sets_hold_few_questions_of_their_tests(shared_dir: Path) -> None:
    data = shared_dir / "data"
    held = held_by([str(data / "test" / "gsm8k.jsonl.gz")])
    train = load_problems(str(data / "train" / "gsm8k.jsonl.gz"))
    assert sum(p.question in held for p in train) < 0.01 * len(train)
    test = load_problems(str(data / "test" / "gsm8k.jsonl.gz"), limit=50)
    assert all(p.question in held for p in test)
