"""Roll-outs from before and after the first wrong step: what they count, and what is done with the counts."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from sandbox import AsyncSandbox, Block, Solution
from scdpo.corrupt.confirm import Confirmer
from scdpo.imports import as_record
from scdpo.jobs import branch_by_mutation
from scdpo.pairs import step_controlled_pair
from scdpo.records import OriginRecord, PairRecord
from scdpo.runs import Run
from scdpo.sampler import Sampler
from tests.scdpo.scripted import Script, ScriptedEngine
from tests.scdpo.test_jobs import Quiet, lines, make

PREFIX = (Block("text", "We add 17 and 5."), Block("code", "a = 17\na"), Block("execution", "17"))
CHOSEN = as_record(
    Solution(
        (*PREFIX, Block("code", "a + 5"), Block("execution", "22"), Block("text", "It is \\boxed{22}."))
    ),
    "What is 17 + 5?",
    "22",
    id="s",
    problem_id="p",
)


def pair(branch_step: int, *rejected: Block) -> PairRecord:
    origin = OriginRecord(chosen_id="s", rejected_id=f"s@{branch_step}.0.0", corruptor="temperature")
    return step_controlled_pair(CHOSEN, branch_step, rejected, [], "0", origin)


def sums_up(prompt: str, _: random.Random) -> str:
    """Set ``a``, add 5 to it in a further cell unless that is done, and state the last output as the answer."""
    written = prompt.partition("<|assistant|>")[2]
    if "boxed" in written:
        return "<|endofmessage|>"
    if "<|code|>a = 17" not in written:
        return "<|code|>a = 17\na<|endofblock|>"
    if "a + " not in written:
        return "<|code|>a + 5<|endofblock|>"
    result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
    return f"<|text|>It is \\boxed{{{result}}}.<|endofblock|>"


def confirmed(
    model: Path, pairs: list[PairRecord], script: Script = sums_up, rollouts: int = 3
) -> tuple[list[PairRecord], ScriptedEngine]:
    engine = ScriptedEngine(model, script)

    async def main() -> list[PairRecord]:
        async with AsyncSandbox() as box:
            return (await Confirmer(Sampler(engine, box), rollouts).confirm(pairs))[0]

    return asyncio.run(main()), engine


def rates(record: PairRecord) -> tuple[int, int, int, int]:
    before, after = record.confirmation.before, record.confirmation.after
    return before.right, before.tried, after.right, after.tried


def test_a_step_that_spoils_the_state_is_confirmed_and_one_that_does_not_is_not(tiny_model: Path) -> None:
    end = Block("text", "It is \\boxed{0}.")
    spoils = pair(1, Block("code", "a = 100\na"), Block("execution", "100"), end)
    harmless = pair(1, Block("text", "Now the sum."), end).model_copy(update={"id": "harmless"})
    states = pair(0, Block("text", "So it is \\boxed{21}."))
    found, _ = confirmed(tiny_model, [spoils, harmless, states])
    # After "spoils" a fork goes on with a = 100, and a + 5 is 105; the shared session still has a = 17.
    assert [rates(record) for record in found] == [(3, 3, 0, 3), (3, 3, 3, 3), (3, 3, 0, 3)]
    assert [record.confirmation.drop for record in found] == [1.0, 0.0, 1.0]
    assert [record.model_copy(update={"confirmation": spoils.confirmation}) for record in found] == [
        spoils,
        harmless,
        states,
    ]


def test_roll_outs_are_at_temperature_1_and_each_has_its_own_seed(tiny_model: Path) -> None:
    _, engine = confirmed(tiny_model, [pair(0, Block("text", "So it is \\boxed{21}."))], rollouts=6)
    assert {request.temperature for request in engine.requests} == {1.0}
    first = [r for r in engine.requests if "a = 17" not in engine._tokenizer.decode(r.prompt)]
    assert len({request.seed for request in first}) == 12


def test_a_first_wrong_step_that_gives_another_output_is_not_tried(tiny_model: Path) -> None:
    changing = pair(1, Block("code", "a + 1"), Block("execution", "19"), Block("text", "\\boxed{19}"))
    (found,), _ = confirmed(tiny_model, [changing])
    assert rates(found) == (3, 3, 0, 0)
    assert found.confirmation.drop is None


def test_roll_outs_that_never_end_are_not_right(tiny_model: Path) -> None:
    def endless(prompt: str, _: random.Random) -> str:
        return "<|text|>It is \\boxed{22}.<|endofblock|>"

    (found,), _ = confirmed(tiny_model, [pair(0, Block("text", "Wrong."))], endless)
    assert rates(found) == (0, 3, 0, 3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("confirmed")
    make(folder, tiny_model, confirm=4)
    return folder


def step_controlled(folder: Path) -> list[PairRecord]:
    return [p for p in Run(folder).pairs if p.kind == "step_controlled"]


def test_the_job_confirms_every_pair_and_tells_the_shares(finished: Path) -> None:
    pairs = step_controlled(finished)
    assert len(pairs) > 10
    assert {rates(p)[1::2] for p in pairs} == {(4, 4)}
    # The script is wrong, if at all, in the second cell; behind a wrong one it is never right.
    after_first_cell = [p.confirmation for p in pairs if p.branch_step == 1]
    assert after_first_cell
    assert {c.after.right for c in after_first_cell} == {0}
    stage = Run(finished).read_json("stages.json")["errors that begin with the branch, by temperature"]
    assert stage["in"] == len(pairs)
    assert stage["kept"] == sum(p.confirmation.drop is not None and p.confirmation.drop >= 0.5 for p in pairs)
    assert stage["kept"] + sum(stage["dropped"].values()) == stage["in"]


def test_a_job_that_was_cut_off_confirms_the_same(finished: Path, tmp_path: Path, tiny_model: Path) -> None:
    # Killed after some pairs were written, and before it was written that a branch is done.
    pairs = (finished / "pairs.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "pairs.jsonl").write_text("".join(pairs[: len(pairs) // 2]), encoding="utf-8")
    (tmp_path / "solutions.jsonl").write_bytes((finished / "solutions.jsonl").read_bytes())
    make(tmp_path, tiny_model, confirm=4)
    for name in ("solutions.jsonl", "pairs.jsonl", "branches.jsonl"):
        assert lines(tmp_path, name) == lines(finished, name)


def test_mutated_pairs_are_confirmed_too(finished: Path, tmp_path: Path, tiny_model: Path) -> None:
    async def main() -> None:
        with Run(tmp_path) as run:
            for solution in Run(finished).solutions:
                run.solutions.append(solution)
            async with AsyncSandbox() as box:
                sampler = Sampler(ScriptedEngine(tiny_model, sums_up), box)
                await branch_by_mutation(run, box, 0, Quiet(), Confirmer(sampler, 2))

    asyncio.run(main())
    pairs = step_controlled(tmp_path)
    assert pairs
    assert {rates(p)[1] for p in pairs} == {2}
    assert sum(b.tokens for b in Run(tmp_path).branches) > 0


def test_a_pair_file_from_before_confirmations_still_loads(finished: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines(finished, "pairs.jsonl")]
    for row in rows:
        del row["confirmation"]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [p.confirmation.drop for p in Run(tmp_path).pairs] == [None] * len(rows)
