"""Guided slips: a right step asked for again with a named error, run, gone on from, judged and confirmed."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from sandbox import AsyncSandbox, Block, Solution
from scdpo.corrupt.guided import KINDS, GuidedSettings
from scdpo.corrupt.mutation.weights import KIND_WEIGHTS
from scdpo.data.import_solutions import as_record
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import branch_by_guidance
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import Script, ScriptedEngine
from tests.scdpo.test_confirm import rates
from tests.scdpo.test_jobs import Quiet

QUESTION = "What is 17 + 5, doubled?"
RIGHT = as_record(
    Solution(
        (
            Block("code", "a = 17\na"), Block("execution", "17"),
            Block("text", "We add 5."), Block("code", "a += 5\na"), Block("execution", "22"),
            Block("code", "2 * a"), Block("execution", "44"),
            Block("text", "It is \\boxed{44}."),
        )
    ),
    QUESTION, "44", id="s", problem_id="p",
)  # fmt: skip


def model(slip: str, says: str = "We add 5.") -> Script:
    """Return a model that writes ``slip`` where it is asked for the second step again, and right steps else."""

    def write(prompt: str, _: random.Random) -> str:
        asked, _, written = prompt.rpartition("<|assistant|>")
        if "one small mistake" in asked:
            if "a += 5" not in asked.split("The right next step:")[1]:
                return "<|code|>2 * a<|endofblock|>" if not written else "<|endofmessage|>"
            return f"<|code|>{slip}<|endofblock|>" if says in written else f"<|text|>{says}<|endofblock|>"
        if "boxed" in written:
            return "<|endofmessage|>"
        for cell in ("a = 17\na", "a += ", "2 * a"):
            if f"<|code|>{cell}" not in written:
                return (
                    f"<|code|>{cell}5\na<|endofblock|>"
                    if cell == "a += "
                    else f"<|code|>{cell}<|endofblock|>"
                )
        result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
        return f"<|text|>It is \\boxed{{{result}}}.<|endofblock|>"

    return write


def guided(
    folder: Path, tiny_model: Path, script: Script, settings: GuidedSettings
) -> tuple[list[PairRecord], ScriptedEngine]:
    engine = ScriptedEngine(tiny_model, script)

    async def main() -> None:
        with Run(folder) as run:
            run.solutions.append(RIGHT)
            async with AsyncSandbox() as box:
                await branch_by_guidance(run, Sampler(engine, box), settings, Quiet())

    asyncio.run(main())
    return list(Run(folder).pairs), engine


def reasons(folder: Path) -> dict[int, dict[str, int]]:
    return {b.branch_step: {d.reason: d.count for d in b.dropped} for b in Run(folder).branches}


def test_a_slip_is_run_gone_on_from_and_confirmed(tmp_path: Path, tiny_model: Path) -> None:
    (pair,), _ = guided(tmp_path, tiny_model, model("a += 6\na"), GuidedSettings(attempts=2, confirm=3))
    assert pair.origin.corruptor == "guided"
    assert pair.origin.mutation in KINDS
    # "We add 5." stands on both sides, so it belongs to the prefix.
    assert (pair.branch_step, pair.prefix[-1].content) == (1, "We add 5.")
    assert [block.content for block in pair.rejected] == [
        "a += 6\na",
        "23",
        "2 * a",
        "46",
        "It is \\boxed{46}.",
    ]
    assert pair.rejected_answer == "46"
    assert rates(pair) == (3, 3, 0, 3)
    assert reasons(tmp_path)[2] == {"no_change": 2}  # the last step was repeated as it is


def test_it_goes_on_where_it_stopped_and_asks_nothing_twice(tmp_path: Path, tiny_model: Path) -> None:
    settings = GuidedSettings(attempts=2)
    guided(tmp_path, tiny_model, model("a += 6\na"), settings)
    before = (tmp_path / "pairs.jsonl").read_bytes()
    assert guided(tmp_path, tiny_model, model("a += 6\na"), settings)[1].requests == []
    assert (tmp_path / "pairs.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (model("a += 5\na"), "no_change"),
        (model("a += 6\na", says="A subtle error: we add 6."), "gives_itself_away"),
        (model("a += 5\nprint(a)"), "correct"),
        (model("a += b\na"), "code_fails"),
    ],
)
def test_what_is_no_slip_is_counted(tmp_path: Path, tiny_model: Path, script: Script, reason: str) -> None:
    pairs, _ = guided(tmp_path, tiny_model, script, GuidedSettings(attempts=1))
    assert pairs == []
    assert reasons(tmp_path)[0] == {reason: 1}


def test_kinds_have_a_weight_and_a_request() -> None:
    assert KINDS.keys() <= KIND_WEIGHTS.keys()


def test_the_request_shows_the_step_without_its_output(tmp_path: Path, tiny_model: Path) -> None:
    _, engine = guided(tmp_path, tiny_model, model("a += 6\na"), GuidedSettings(attempts=1))
    asked = next(text for r in engine.requests if "one small" in (text := engine.tokenizer.decode(r.prompt)))
    step = asked.split("The right next step:")[1]
    assert "a += 5" in step
    assert "22" not in step
