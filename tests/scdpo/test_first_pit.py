"""First pits: where a wrong solution stops being one that could end right, and values at every step."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from sandbox import AsyncSandbox, Block, Solution
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.import_solutions import as_record
from scdpo.data.moves import move_ends
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run, RunError
from scdpo.jobs.rollouts import branch_at_first_pits, estimate_values
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import Script, ScriptedEngine
from tests.scdpo.test_jobs import Quiet

QUESTION = "What is 17 + 5, doubled?"


def solution(id: str, *cells: tuple[str, str], answer: str) -> SolutionRecord:
    blocks = [block for code, out in cells for block in (Block("code", code), Block("execution", out))]
    blocks.append(Block("text", f"It is \\boxed{{{answer}}}."))
    return as_record(Solution(tuple(blocks)), QUESTION, "44", id=id, problem_id="p")


RIGHT = solution("p#0.0", ("a = 17\na", "17"), ("a += 5\na", "22"), ("2 * a", "44"), answer="44")
WRONG = solution("p#0.1", ("a = 17\na", "17"), ("a += 6\na", "23"), ("2 * a", "46"), answer="46")


def goes_on(prompt: str, _: random.Random) -> str:
    """Do the next of three cells, and state the last output: right from wherever the state is right."""
    written = prompt.partition("<|assistant|>")[2]
    if "boxed" in written:
        return "<|endofmessage|>"
    for cell in ("a = 17\na", "a += ", "2 * a"):
        if f"<|code|>{cell}" not in written:
            return f"<|code|>{cell}5\na<|endofblock|>" if cell == "a += " else f"<|code|>{cell}<|endofblock|>"
    result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
    return f"<|text|>It is \\boxed{{{result}}}.<|endofblock|>"


def filled(folder: Path, *records: SolutionRecord) -> Run:
    with Run(folder) as run:
        for record in records:
            run.solutions.append(record)
    return Run(folder)


def search(folder: Path, model: Path, script: Script = goes_on, rollouts: int = 3) -> ScriptedEngine:
    engine = ScriptedEngine(model, script)

    async def main() -> None:
        async with AsyncSandbox() as box:
            with Run(folder) as run:
                await branch_at_first_pits(run, Sampler(engine, box), PitSettings(rollouts), Quiet())

    asyncio.run(main())
    return engine


def test_the_pair_branches_before_the_first_pit(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, WRONG)
    search(tmp_path, tiny_model)
    (made,) = Run(tmp_path).pairs
    assert made.branch_step == 0
    assert made.rejected[0].content == "a += 6\na"
    assert made.chosen[0].content == "a += 5\na"
    assert (made.chosen_answer, made.rejected_answer) == ("44", "46")
    assert made.origin.corruptor == "first_pit"
    assert made.confirmation.confirmed
    assert made.confirmation.after.tried == 3


def test_it_goes_on_where_it_stopped_and_samples_nothing_twice(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, WRONG)
    search(tmp_path, tiny_model)
    before = (tmp_path / "pairs.jsonl").read_bytes()
    assert search(tmp_path, tiny_model).requests == []
    assert (tmp_path / "pairs.jsonl").read_bytes() == before


def test_a_solution_that_fails_from_its_first_move_gives_no_pair(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, solution("p#0.1", ("a = 17\na += 1\na", "18"), ("a += 5\na", "23"), answer="23"))
    search(tmp_path, tiny_model)
    assert list(Run(tmp_path).pairs) == []
    (record,) = Run(tmp_path).branches
    assert [(d.reason, d.count) for d in record.dropped] == [("pit_at_first_move", 1)]


def test_code_that_no_longer_prints_the_record_gives_no_pair(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, solution("p#0.1", ("a = 17\na", "18"), ("a += 6\na", "23"), answer="23"))
    assert search(tmp_path, tiny_model).requests == []
    (record,) = Run(tmp_path).branches
    assert [(d.reason, d.count) for d in record.dropped] == [("prefix_differs", 1)]


def test_a_problem_that_was_never_solved_is_not_searched(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, WRONG)
    with pytest.raises(RunError, match="no problem with a right and a wrong solution"):
        search(tmp_path, tiny_model)


def test_moves_end_with_their_code(tiny_model: Path) -> None:
    texts = Solution(
        (Block("text", "Add."), Block("code", "1"), Block("execution", "1"), Block("text", "So 1."))
    )
    assert move_ends(texts) == [1]
    assert move_ends(RIGHT.solution) == [0, 1, 2]


def test_values_fall_where_the_error_is(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, WRONG)
    search(tmp_path, tiny_model)  # any pair will do; values are those of naive pairs
    from scdpo.data.pairs import naive_pairs

    async def main() -> int:
        engine = ScriptedEngine(tiny_model, goes_on)
        async with AsyncSandbox() as box:
            with Run(tmp_path) as run:
                for made in naive_pairs([RIGHT, WRONG]):
                    run.pairs.append(made)
                await estimate_values(run, Sampler(engine, box), ValueSettings(2), Quiet())
                asked = len(engine.requests)
                await estimate_values(run, Sampler(engine, box), ValueSettings(2), Quiet())
                assert len(engine.requests) == asked
        return asked

    assert asyncio.run(main()) > 0
    values = {(v.solution_id, v.step): v.right / v.tried for v in Run(tmp_path).values}
    assert values == {
        ("p#0.0", -1): 1, ("p#0.0", 0): 1, ("p#0.0", 1): 1, ("p#0.0", 2): 1,
        ("p#0.1", -1): 1, ("p#0.1", 0): 1, ("p#0.1", 1): 0, ("p#0.1", 2): 0,
    }  # fmt: skip
