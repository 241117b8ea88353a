"""Branching: how often it is tried, and what it does when the kernel under it misbehaves."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import AsyncSandbox, AsyncSession, Block, SessionClosed, Solution
from sandbox.core import SessionCore
from sandbox.launcher import Launcher
from scdpo.corrupt.temperature import Branches, BranchSettings, corrupt_by_temperature
from scdpo.data.import_solutions import as_record
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import Script, ScriptedEngine, adder

SOLUTION = Solution(
    (
        Block("text", "We add 17 and 5."),
        Block("code", "a = 17\na"),
        Block("execution", "17"),
        Block("code", "a + 5"),
        Block("execution", "22"),
        Block("text", "The answer is \\boxed{22}."),
    )
)


def branches(model: Path, solution: Solution, script: Script = adder, **settings: int) -> list[Branches]:
    async def main() -> list[Branches]:
        chosen = as_record(solution, "What is 17 + 5?", "22", id="s", problem_id="p")
        async with AsyncSandbox() as box:
            sampler = Sampler(ScriptedEngine(model, script), box)
            wanted = replace(BranchSettings(attempts=4), **settings)
            return [b async for b in corrupt_by_temperature(chosen, sampler, wanted)]

    return asyncio.run(main())


def test_a_kernel_that_is_lost_ends_the_branching_and_is_counted(tiny_model: Path) -> None:
    async def lost(self: AsyncSession, n: int | None = None) -> list[AsyncSession]:
        raise SessionClosed("the session ended while it was being forked: killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncSession, "fork", lost)
        found = branches(tiny_model, SOLUTION)
    assert [b.record.branch_step for b in found] == [0, 1]
    assert [(d.reason, d.count) for d in found[-1].record.dropped] == [("kernel_lost", 1)]
    assert found[-1].pairs == []


def run_of(cell: str, then: Callable[[SessionCore, int], None]) -> Callable[..., Any]:
    """Return a ``SessionCore.run`` that does something, given how often before, when it runs a cell."""
    run, times = SessionCore.run, itertools.count()

    def called(self: SessionCore, code: str, **options: Any) -> Any:
        if code == cell:
            then(self, next(times))
        return run(self, code, **options)

    return called


def test_a_kernel_that_is_lost_while_a_prefix_runs_is_counted(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: SessionCore, __: int) -> None:
        raise SessionClosed("the session is closed")

    monkeypatch.setattr(SessionCore, "run", run_of("a + 5", lost))
    found = branches(tiny_model, SOLUTION, answers("So it is \\boxed{23}."))
    assert [len(b.pairs) for b in found] == [1, 1, 0]
    assert [(d.reason, d.count) for d in found[-1].record.dropped] == [("kernel_lost", 1)]


def test_a_kernel_that_is_lost_while_a_fork_is_replayed_is_counted(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsound(*_: object) -> tuple[list[SessionCore], str]:
        return [], "a live thread"

    def killed(session: SessionCore, times: int) -> None:
        if times:  # the replay
            session.kill()

    monkeypatch.setattr(Launcher, "_fork_batch", unsound)
    monkeypatch.setattr(SessionCore, "run", run_of("a = 17\na", killed))
    found = branches(tiny_model, SOLUTION, answers("So it is \\boxed{23}."))
    assert [len(b.pairs) for b in found] == [1, 0]
    assert [(d.reason, d.count) for d in found[-1].record.dropped] == [("kernel_lost", 1)]


def test_a_prefix_that_does_not_reproduce_is_not_branched_off(tiny_model: Path) -> None:
    blocks = list(SOLUTION.blocks)
    blocks[2] = Block("execution", "18")
    found = branches(tiny_model, Solution(tuple(blocks)))
    assert [b.record.branch_step for b in found] == [0, 1]
    assert [(d.reason, d.count) for d in found[-1].record.dropped] == [("prefix_differs", 1)]


def test_no_branch_puts_a_text_that_misquotes_an_output_on_the_chosen_side(tiny_model: Path) -> None:
    told = (Block("text", "That is 71. Now 5 more."), *SOLUTION.blocks[3:])
    found = branches(tiny_model, Solution((*SOLUTION.blocks[:3], *told)))
    assert [b.record.branch_step for b in found] == [2, 3]


def answers(text: str) -> Script:
    def script(prompt: str, _: random.Random) -> str:
        return "<|endofmessage|>" if text in prompt else f"<|text|>{text}<|endofblock|>"

    return script


def test_nothing_is_sampled_in_vain_where_the_first_attempt_goes_wrong(tiny_model: Path) -> None:
    found = branches(tiny_model, SOLUTION, answers("So it is \\boxed{23}."), attempts=16)
    assert [b.record.attempts for b in found[:2]] == [b.record.kept for b in found[:2]] == [1, 1]


def test_a_branch_that_repeats_an_earlier_one_of_its_step_is_dropped_and_counted(tiny_model: Path) -> None:
    found = branches(tiny_model, SOLUTION, answers("So it is \\boxed{23}."), attempts=4, pairs=2)
    assert [len(b.pairs) for b in found] == [b.record.kept for b in found] == [1, 1, 0]
    dropped = [[(d.reason, d.count) for d in b.record.dropped] for b in found]
    # After the last cell only its output can be misquoted.
    assert dropped == [*[[("near_duplicate", 3)]] * 2, [("misquotes_output", 4)]]


def test_a_step_where_nothing_goes_wrong_is_tried_as_often_as_was_said(tiny_model: Path) -> None:
    found = branches(tiny_model, SOLUTION, answers("So it is \\boxed{22}."), attempts=6)
    assert [b.record.attempts for b in found] == [6, 6, 6]
    assert [[(d.reason, d.count) for d in b.record.dropped] for b in found] == [[("correct", 6)]] * 3


def test_branches_start_after_as_many_steps_as_wanted_and_the_seed_draws_them(tiny_model: Path) -> None:
    def steps(**settings: int) -> list[int]:
        return [b.record.branch_step for b in branches(tiny_model, SOLUTION, **settings)]

    drawn = [steps(steps=2, seed=seed) for seed in (0, 1, 0)]
    assert all(some in ([0, 1], [0, 2], [1, 2]) for some in drawn)
    assert drawn[0] == drawn[2] != drawn[1]
    assert steps(steps=9) == [0, 1, 2]
