"""Problem sources: built-in splits that never meet, JSONL files, and errors that say where."""

from __future__ import annotations

import gzip
import json
from itertools import islice, pairwise
from pathlib import Path

import pytest

from scdpo.data import problems
from scdpo.data.problems import Problem, ProblemSourceError, embedded_problems, load_problems, split_of

SPLITS: tuple[problems.Split, ...] = ("train", "preference", "test")


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_no_question_is_in_two_splits() -> None:
    texts = {split: {p.question for p in load_problems("embedded", split, 1500)} for split in SPLITS}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["preference"]
    assert not texts["preference"] & texts["test"]


def test_splits_stay_apart_whatever_the_seeds() -> None:
    for seed in (1, 2, 999):
        for split in SPLITS:
            assert {split_of(p.question) for p in load_problems("embedded", split, 100, seed)} == {split}


def test_splits_draw_from_seed_ranges_that_do_not_meet() -> None:
    numbers = {}
    for split in SPLITS:
        for seed in (0, 999):
            drawn = [int(p.id.rpartition("/")[2]) for p in load_problems("embedded", split, 50, seed)]
            numbers[split, seed] = (min(drawn), max(drawn))
    ranges = sorted(numbers.values())
    assert all(high < low for (_, high), (low, _) in pairwise(ranges))
    assert max(numbers["train", 999]) < min(numbers["preference", 0])
    assert max(numbers["preference", 999]) < min(numbers["test", 0])


def test_questions_and_ids_of_a_split_differ() -> None:
    loaded = load_problems("embedded", "test", 1500)
    assert len({p.question for p in loaded}) == len({p.id for p in loaded}) == 1500


def test_the_same_arguments_give_the_same_problems() -> None:
    assert load_problems("embedded", "preference", 40, 3) == load_problems("embedded", "preference", 40, 3)
    assert load_problems("embedded", "preference", 40, 3) != load_problems("embedded", "preference", 40, 4)


def test_a_smaller_limit_is_a_prefix() -> None:
    assert load_problems("embedded", "test", 60)[:20] == load_problems("embedded", "test", 20)


def test_the_mix_holds_its_weights() -> None:
    loaded = [item.problem.source for item in islice(embedded_problems("test"), 2000)]
    total = sum(family.weight for family in problems.EMBEDDED_FAMILIES.values())
    for name, family in problems.EMBEDDED_FAMILIES.items():
        assert loaded.count(name) / len(loaded) == pytest.approx(family.weight / total, abs=0.05)


def test_any_reasoning_gym_family_loads() -> None:
    loaded = load_problems("reasoning-gym:gcd,lcm", "test", 20)
    assert {p.source for p in loaded} == {"gcd", "lcm"}
    assert all(p.gold.isdigit() for p in loaded)


def test_an_unknown_family_is_named_with_the_known_ones() -> None:
    with pytest.raises(ProblemSourceError, match=r"no family 'nonesuch'.*leg_counting"):
        load_problems("reasoning-gym:nonesuch")


@pytest.mark.parametrize(
    "arguments", [{"split": "dev"}, {"limit": -1}, {"seed": -1}, {"seed": 1000}, {"source": "reasoning-gym:"}]
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ProblemSourceError):
        load_problems(**arguments)  # type: ignore[arg-type]


def test_a_jsonl_file_needs_question_and_answer_only(tmp_path: Path) -> None:
    source = write(
        tmp_path / "mine.jsonl", '{"question": "1+1?", "answer": 2}', "", '{"question": "x", "answer": "y"}'
    )
    assert load_problems(source) == [
        Problem("mine/1", "1+1?", "2", source="mine"),
        Problem("mine/3", "x", "y", source="mine"),
    ]


def test_a_compressed_file_keeps_its_fields(tmp_path: Path) -> None:
    row = {"id": "a", "question": "q", "answer": "b", "level": 5, "subject": "algebra", "source": "math"}
    path = tmp_path / "m.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    assert load_problems(str(path)) == [Problem("a", "q", "b", "math", "5", "algebra")]


def test_gsm8k_working_is_cut_to_the_answer(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "48/2 = <<48/2=24>>24\n#### 1,072"}
    assert load_problems(write(tmp_path / "g.jsonl", json.dumps(row)))[0].gold == "1072"


@pytest.mark.parametrize(
    ("written", "gold"),
    [
        ("-1,234,567.5", "-1234567.5"),
        ("$12,000", "$12000"),
        ("(3, 4)", "(3, 4)"),
        ("[0,1)", "[0,1)"),
        ("1,2", "1,2"),
        ("1,100,20", "1,100,20"),
    ],
)
def test_only_the_commas_of_thousands_are_taken_out_of_an_answer(
    tmp_path: Path, written: str, gold: str
) -> None:
    row = {"question": "q", "answer": f"So it is.\n#### {written}"}
    assert load_problems(write(tmp_path / "g.jsonl", json.dumps(row)))[0].gold == gold


def test_a_boxed_solution_serves_where_there_is_no_answer(tmp_path: Path) -> None:
    row = {"problem": "q", "solution": r"so it is $\boxed{\frac{1}{2}}$."}
    assert load_problems(write(tmp_path / "m.jsonl", json.dumps(row)))[0].gold == r"\frac{1}{2}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "q"}', "line 2: field 'answer' is missing"),
        ('{"answer": "1"}', "line 2: field 'question' is missing"),
        ('{"question": "  ", "answer": "1"}', "line 2: field 'question'"),
        ('{"question": "q", "answer": null}', "line 2: the gold answer in the field 'answer' is missing"),
        ('{"question": "q", "answer": "#### "}', "line 2: field 'answer'"),
        ('{"question": "q", "answer": "1", "id": "first"}', "line 2: field 'id' repeats 'first'"),
        ('{"question": ', "line 2: not JSON"),
        ("[1]", "line 2: a JSON object"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    source = write(tmp_path / "bad.jsonl", '{"question": "q", "answer": "1", "id": "first"}', line)
    with pytest.raises(ProblemSourceError, match=said) as caught:
        load_problems(source)
    assert source in str(caught.value)


@pytest.mark.parametrize("name", ["bad.jsonl", "bad.jsonl.gz"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProblemSourceError, match=name):
        load_problems(str(path))


def test_a_damaged_compressed_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl.gz"
    whole = gzip.compress(b'{"question": "q", "answer": "1"}\n' * 50, mtime=0)
    path.write_bytes(whole[:12] + b"\xff\xff\xff\xff" + whole[16:])
    with pytest.raises(ProblemSourceError, match=r"damaged\.jsonl\.gz: cannot be read"):
        load_problems(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ProblemSourceError, match=r"nowhere\.jsonl: no such file"):
        load_problems("nowhere.jsonl")


def test_an_unknown_source_says_what_there_is() -> None:
    with pytest.raises(ProblemSourceError, match=r"neither 'embedded'"):
        load_problems("no-such-owner/no-such-set")


def test_a_hub_data_set_is_read_by_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str]] = []

    def load_dataset(name: str, configuration: str | None, split: str) -> list[dict[str, str]]:
        asked.append((name, configuration, split))
        return [{"question": "q", "answer": "work\n#### 7"}]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert load_problems("owner/set:main", "test") == [Problem("owner/set/test/0", "q", "7", "owner/set")]
    assert load_problems("owner/set", "preference")[0].id == "owner/set/train/0"
    assert asked == [("owner/set", "main", "test"), ("owner/set", None, "train")]


def test_a_folder_of_a_hub_name_is_read_before_the_hub_and_has_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "owner" / "set"
    folder.mkdir(parents=True)
    write(folder / "test.jsonl", '{"question": "q", "answer": "7"}')
    write(folder / "train-00000-of-00001.jsonl", '{"question": "other", "answer": "8"}')
    monkeypatch.chdir(tmp_path)
    assert load_problems("owner/set", "test") == [Problem("test/1", "q", "7", "set")]
    assert [p.gold for p in load_problems("owner/set", "preference")] == ["8"]


@pytest.mark.parametrize(
    ("name", "rows"),
    [("test/gsm8k", 1319), ("train/gsm8k", 7473), ("test/math500", 500), ("test/cmath", 1098)],
)
def test_the_real_files_load_whole(shared_dir: Path, name: str, rows: int) -> None:
    assert len(load_problems(str(shared_dir / "data" / f"{name}.jsonl.gz"))) == rows


def test_a_family_without_answers_is_refused() -> None:
    pytest.importorskip("reasoning_gym")
    with pytest.raises(ProblemSourceError, match="rush_hour has no answer to compare with"):
        load_problems("reasoning-gym:rush_hour", split="test", limit=1)
