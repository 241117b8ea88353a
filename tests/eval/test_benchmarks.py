"""Where benchmarks are found, and that their gold answers hold."""

import gzip
import json

import pytest

from eval.benchmarks import BENCHMARKS, DATA_VARIABLE, BenchmarkError, check_golds, load_benchmark
from scdpo.data.problems import Problem, ProblemSourceError

ROWS = [{"id": f"s/{i}", "question": f"What is {i}?", "answer": str(i), "level": 2} for i in range(5)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture(autouse=True)
def _no_data_folder_of_the_user(monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


@pytest.mark.parametrize(
    "place", ["svamp.jsonl", "svamp.jsonl.gz", "test/svamp.jsonl", "test/svamp.jsonl.gz"]
)
def test_a_file_in_the_data_folder_is_found(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(LINES.encode()) if place.endswith("gz") else LINES.encode())
    found = load_benchmark("svamp", tmp_path, limit=3)
    assert len(found) == 3
    assert found[0].level == "2"


def test_a_limit_draws_from_the_whole_file_and_a_smaller_one_from_those(tmp_path):
    rows = [{"question": f"What is {i}?", "answer": str(i)} for i in range(100)]
    (tmp_path / "svamp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    few, many = ([int(p.gold) for p in load_benchmark("svamp", tmp_path, limit)] for limit in (10, 30))
    assert set(few) < set(many)
    assert many == sorted(many)
    assert min(many) < 20
    assert max(many) > 80
    assert len(load_benchmark("svamp", tmp_path)) == 100


def test_the_data_folder_can_be_named_once_for_all(tmp_path, monkeypatch):
    (tmp_path / "cmath.jsonl").write_text(LINES)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert len(load_benchmark("cmath")) == 5


def test_a_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(BenchmarkError, match="give its folder with --data or SCDPO_DATA"):
        load_benchmark("svamp")
    with pytest.raises(BenchmarkError, match=f"not in {tmp_path}"):
        load_benchmark("svamp", tmp_path)


def test_a_hub_name_is_used_where_there_is_no_file(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("eval.benchmarks.load_problems", lambda source, **_: asked.append(source) or [])
    load_benchmark("gsm8k", tmp_path)
    assert asked == ["openai/gsm8k:main"]


def test_a_hub_that_cannot_be_reached_does_not_hide_the_missing_file(tmp_path, monkeypatch):
    def unreachable(source, **_):
        raise ProblemSourceError(f"{source} cannot be loaded")

    monkeypatch.setattr("eval.benchmarks.load_problems", unreachable)
    with pytest.raises(BenchmarkError, match=rf"gsm8k\.jsonl\(\.gz\) is not in {tmp_path}, and openai/gsm8k"):
        load_benchmark("gsm8k", tmp_path)
    with pytest.raises(BenchmarkError, match="known benchmarks: gsm8k, math"):
        load_benchmark("somebody/problems", tmp_path)


def test_a_misspelt_benchmark_is_told_what_was_meant(tmp_path):
    with pytest.raises(BenchmarkError, match="did you mean gsm8k"):
        load_benchmark("gms8k", tmp_path)


def test_any_source_of_problems_is_a_benchmark(tmp_path):
    (tmp_path / "mine.jsonl").write_text(LINES)
    assert len(load_benchmark(str(tmp_path / "mine.jsonl"))) == 5
    with pytest.raises(ProblemSourceError):
        load_benchmark(str(tmp_path / "other.jsonl"))


@pytest.mark.parametrize("name", ["embedded", "reasoning-gym:leg_counting"])
def test_generated_benchmarks_are_held_out(name):
    pytest.importorskip("reasoning_gym")
    from scdpo.data.problems import split_of

    found = load_benchmark(name, limit=20)
    assert len(found) == 20
    assert {split_of(p.question) for p in found} == {"test"}
    assert check_golds(found) == []


def test_gold_answers_that_cannot_be_met_are_listed():
    problems = [Problem("a", "?", "7"), Problem("b", "?", ""), Problem("c", "?", "}")]
    assert [failure.problem.id for failure in check_golds(problems)] == ["b", "c"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_gold_of_the_real_benchmarks_verifies_against_itself(name, shared_dir):
    problems = load_benchmark(name, shared_dir / "data")
    assert len(problems) == BENCHMARKS[name].problems
    assert check_golds(problems) == []


@pytest.mark.parametrize("name", ["math", "math500"])
def test_math_has_levels_and_subjects(name, shared_dir):
    problems = load_benchmark(name, shared_dir / "data")
    assert {p.level for p in problems} == set("12345")
    assert len({p.subject for p in problems}) == 7
