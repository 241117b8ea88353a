"""What an evaluation writes, and that it goes on where it was stopped."""

import asyncio
import json

import pytest

from eval.evaluate import evaluate
from eval.results import (
    ResultError,
    Settings,
    read_result,
    read_results,
    result_name,
    transcripts_path,
)
from scdpo.data.fingerprint import fingerprint
from scdpo.data.problems import Problem
from scdpo.data.runs import Run
from tests.eval.fakes import FakeSample


def run_it(folder, problems, sample, settings, model="sft", benchmark="test"):
    with Run(folder) as run:
        return asyncio.run(evaluate(run, problems, sample, settings, model=model, benchmark=benchmark))


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_greedy_accuracy_with_intervals_groups_and_cost(tmp_path, problems, greedy):
    result = run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold if p.level == "1" else "-1"), greedy)
    assert result.accuracy.value == 0.5
    assert result.accuracy.wilson.low == pytest.approx(0.2366, abs=1e-4)
    assert result.by["level"]["1"].value == 1
    assert result.by["level"]["2"].value == 0
    assert result.by["subject"]["a"].problems == 4
    assert result.verdicts == {"correct": 5, "incorrect": 5}
    assert result.cost.tokens == 100
    assert result.cost.seconds >= 0
    assert result.pass_at == result.majority_at == {}
    assert result.scores["p0"] == 1


def test_the_numbers_are_what_the_file_says(tmp_path, problems, greedy):
    result = run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    assert read_result(tmp_path / "eval" / "sft.test.json") == result
    assert read_results(tmp_path) == [result]


def test_every_transcript_is_kept(tmp_path, problems, greedy):
    run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    kept = lines(transcripts_path(tmp_path, "sft.test"))
    assert {line["problem_id"] for line in kept} == {p.id for p in problems}
    assert all(line["blocks"] and line["verdict"]["status"] == "correct" for line in kept)


def test_samples_give_pass_and_majority(tmp_path):
    problem = Problem("p", "?", "4")
    answers = ["4", "1/2", "0.5", None]
    settings = Settings(engine="fake", checkpoint="m", format="cot", samples=4, temperature=0.7)
    result = run_it(tmp_path, [problem], FakeSample(lambda _, number: answers[number]), settings)
    assert result.name == "sft.test.t0_7-n4"
    assert result.accuracy.value == 0.25
    assert {k: e.value for k, e in result.pass_at.items()} == {1: 0.25, 2: 0.5, 4: 1}
    # 1/2 and 0.5 are one answer, so they outvote 4; of the blocks of two, 4 ties with 1/2 and 0.5 wins.
    assert {k: e.value for k, e in result.majority_at.items()} == {1: 0.25, 2: 0.25, 4: 0}


def test_finished_problems_are_not_done_again(tmp_path, problems, greedy):
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold, stop_after=4), greedy)
    assert read_results(tmp_path) == []
    again = FakeSample(lambda p, _: p.gold)
    result = run_it(tmp_path, problems, again, greedy)
    assert again.asked == ["p4", "p5", "p6", "p7", "p8", "p9"]
    assert result.accuracy.value == 1
    assert len(lines(transcripts_path(tmp_path, "sft.test"))) == 10


def test_a_torn_last_line_is_done_again(tmp_path, problems, greedy):
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold, stop_after=4), greedy)
    path = transcripts_path(tmp_path, "sft.test")
    path.write_bytes(path.read_bytes()[:-20])
    again = FakeSample(lambda p, _: p.gold)
    run_it(tmp_path, problems, again, greedy)
    assert again.asked[0] == "p3"
    assert len(lines(path)) == 10


def test_samples_of_an_unfinished_problem_are_not_counted_twice(tmp_path, problems):
    settings = Settings(engine="fake", checkpoint="m", format="cot", samples=3, temperature=1.0)
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold, stop_after=14), settings)
    result = run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), settings)
    assert result.verdicts == {"correct": 30}
    assert len(lines(transcripts_path(tmp_path, result.name))) == 30


def test_seconds_of_an_interrupted_start_count(tmp_path, problems, greedy):
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold, stop_after=4), greedy)
    path = tmp_path / "eval" / "sft.test.json"
    first = json.loads(path.read_text())
    first["cost"]["seconds"] = 1000.0
    path.write_text(json.dumps(first))
    assert run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy).cost.seconds >= 1000


def test_a_finished_evaluation_is_returned_as_it_is(tmp_path, problems, greedy):
    first = run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    idle = FakeSample(lambda p, _: p.gold)
    assert run_it(tmp_path, problems, idle, greedy) == first
    assert idle.asked == []


def test_more_problems_can_be_added(tmp_path, problems, greedy):
    run_it(tmp_path, problems[:4], FakeSample(lambda p, _: p.gold), greedy)
    more = FakeSample(lambda p, _: p.gold)
    assert run_it(tmp_path, problems, more, greedy).accuracy.problems == 10
    assert len(more.asked) == 6


def test_other_settings_under_the_same_name_are_refused(tmp_path, problems, greedy):
    run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    other = greedy.model_copy(update={"checkpoint": "another"})
    with pytest.raises(ResultError, match="other settings"):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), other)


def test_a_changed_gold_answer_is_refused(tmp_path, problems, greedy):
    run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    changed = [Problem(p.id, p.question, "99") for p in problems]
    with pytest.raises(ResultError, match="another question or gold"):
        run_it(tmp_path, changed, FakeSample(lambda p, _: p.gold), greedy)


def test_a_sampler_that_leaves_problems_out_is_found_out(tmp_path, problems, greedy):
    class Lazy:
        async def __call__(self, problems, **_):
            async for record in FakeSample(lambda p, _: p.gold)(problems[:3], n=1, temperature=0, seed=0):
                yield record

    with pytest.raises(ResultError, match="7 problems"):
        run_it(tmp_path, problems, Lazy(), greedy)


@pytest.mark.parametrize("bad", [[], [Problem("a", "?", "1"), Problem("a", "!", "2")]])
def test_no_problems_or_repeated_ids_are_refused(tmp_path, greedy, bad):
    with pytest.raises(ResultError, match="each id once"):
        run_it(tmp_path, bad, FakeSample(lambda p, _: p.gold), greedy)


class Heard:
    """Notes what an evaluation says of its progress."""

    def __init__(self):
        self.started, self.advanced = [], 0

    def start(self, stage, total, done):
        self.started.append((stage, total, done))

    def advance(self, kept):
        self.advanced += 1


def test_progress_is_told_what_was_done_before_and_every_new_solution(tmp_path, problems, greedy):
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold, stop_after=4), greedy)
    heard = Heard()
    sample = FakeSample(lambda p, _: p.gold)
    with Run(tmp_path) as run:
        asyncio.run(evaluate(run, problems, sample, greedy, model="sft", benchmark="test", progress=heard))
    assert heard.started == [("sft on test", 10, 4)]
    assert heard.advanced == 6


def test_a_result_is_not_replaced_by_one_on_fewer_problems(tmp_path, problems, greedy):
    whole = run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    with pytest.raises(ResultError, match="a result on 10 problems"):
        run_it(tmp_path, problems[:3], FakeSample(lambda p, _: p.gold), greedy)
    assert read_results(tmp_path) == [whole]


def test_another_system_message_is_refused_and_named(tmp_path, problems, greedy):
    run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy)
    other = greedy.model_copy(update={"system": "Answer in French."})
    with pytest.raises(ResultError, match=r"system \('', now 'Answer in French.'\).*--name"):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), other)


def test_two_names_that_files_cannot_tell_apart_are_not_mixed(tmp_path, problems, greedy):
    run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy, benchmark="v1.0")
    with pytest.raises(ResultError, match=r"benchmark \('v1\.0', now 'v1_0'\)"):
        run_it(tmp_path, problems, FakeSample(lambda p, _: p.gold), greedy, benchmark="v1_0")


def test_names_in_other_scripts_and_long_ones_stay_apart(greedy):
    algebra, geometry = (result_name("m", f"{name}.jsonl", greedy) for name in ("代数", "几何"))
    assert algebra != geometry
    assert algebra.isascii()
    assert len(result_name("a" * 300, "b" * 300, greedy)) < 255


def test_a_fingerprint_follows_the_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"first")
    first = fingerprint(tmp_path)
    (tmp_path / "trainer_state.json").write_text("{}")
    assert fingerprint(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert fingerprint(tmp_path) != first
    assert fingerprint(tmp_path / "hub-name") == ""


def test_names_are_safe_as_files(greedy):
    assert result_name("runs/a b/../model", "reasoning-gym:leg_counting", greedy) == (
        "runs-a-b-__-model.reasoning-gym-leg_counting"
    )
    assert result_name("..", "/", greedy) == "__.x"
    seeded = greedy.model_copy(update={"seed": 3, "samples": 8, "temperature": 1.0})
    assert result_name("m", "b", seeded) == "m.b.t1-n8.s3"


def test_a_file_that_is_no_result_is_named(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "x.json").write_text("{}")
    with pytest.raises(ResultError, match=r"x\.json is no evaluation result"):
        read_results(tmp_path)
