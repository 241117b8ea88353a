"""The jobs that make pairs: what they keep, and that a stop at any moment changes nothing in the end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import AsyncSandbox, AsyncSession, CellResult, SessionClosed, Solution
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.pairs import data_equal, naive_pairs
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run, RunError
from scdpo.jobs.local import (
    NaiveSettings,
    branch_by_mutation,
    branch_by_temperature,
    chosen_solutions,
    sample_naive,
)
from scdpo.sampling.engines import EngineError
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import Script, ScriptedEngine, adder

ROOT = Path(__file__).resolve().parents[2]


def sums(count: int) -> list[Problem]:
    return [Problem(f"sum/{i}", f"What is {i + 2} + 5?", str(i + 7)) for i in range(count)]


PROBLEMS = sums(12)


class Quiet:
    """Counts what a job reports."""

    def __init__(self) -> None:
        self.total = self.done = self.kept = 0

    def start(self, stage: str, total: int, done: int) -> None:
        self.total, self.done = total, done

    def advance(self, kept: int) -> None:
        self.done += 1
        self.kept += kept


def make(
    folder: Path,
    model: Path,
    script: Script = adder,
    *,
    seconds: float = 0.0,
    at_most: int = 16,
    problems: Sequence[Problem] = PROBLEMS,
) -> Quiet:
    """Run both jobs as the command line does."""
    progress = Quiet()

    async def main() -> None:
        with Run(folder) as run:
            async with AsyncSandbox(max_sessions=32) as box:
                engine = ScriptedEngine(model, script, seconds)
                sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=32))
                await sample_naive(run, problems, sampler, NaiveSettings(at_most=at_most, wave=2), progress)
                branches = BranchSettings(attempts=8, wave=4, confirm=2)
                await branch_by_temperature(run, sampler, branches, progress)

    asyncio.run(main())
    return progress


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("finished")
    make(folder, tiny_model)
    return folder


def lines(folder: Path, name: str) -> list[str]:
    return sorted((folder / name).read_text(encoding="utf-8").splitlines())


def test_a_naive_pair_has_a_right_and_a_wrong_solution_of_its_problem(finished: Path) -> None:
    solutions = {s.id: s for s in Run(finished).solutions}
    pairs = [p for p in Run(finished).pairs if p.kind == "naive"]
    assert len({p.problem_id for p in pairs}) == len(pairs) >= 10
    for pair in pairs:
        assert solutions[pair.origin.chosen_id].preferred
        assert solutions[pair.origin.rejected_id].dispreferred
        assert pair.chosen_answer == pair.gold != pair.rejected_answer


def test_a_step_controlled_pair_shares_its_prefix_and_ends_wrong(finished: Path) -> None:
    solutions = {s.id: s for s in Run(finished).solutions}
    pairs = [p for p in Run(finished).pairs if p.kind == "step_controlled"]
    assert len(pairs) > len(PROBLEMS)
    for pair in pairs:
        chosen = solutions[pair.origin.chosen_id]
        assert pair.branch_step is not None
        assert pair.prefix + pair.chosen == chosen.blocks
        assert len(Solution.of(b.model_dump() for b in pair.prefix).steps) == pair.branch_step + 1
        assert (
            Solution.of(b.model_dump() for b in pair.rejected).final_answer
            == pair.rejected_answer
            != pair.gold
        )
        assert pair.prefix_tokens + pair.chosen_tokens == chosen.sampling.block_tokens
        assert len(pair.rejected_tokens) == len(pair.rejected) + 1


def test_branches_run_in_the_state_of_their_prefix(finished: Path) -> None:
    pairs = [p for p in Run(finished).pairs if p.kind == "step_controlled" and p.branch_step == 1]
    assert pairs
    for pair in pairs:  # "a" was set in the prefix's code alone
        assert pair.rejected[0].content.startswith("a + ")
        assert "NameError" not in pair.rejected[1].content


def test_temperatures_rise_from_the_branch_on(finished: Path) -> None:
    for pair in Run(finished).pairs:
        if pair.kind == "step_controlled":
            assert pair.origin.temperatures == [1.1, 1.15, 1.2, 1.25][: len(pair.origin.temperatures)]


def test_every_attempt_is_accounted_for(finished: Path) -> None:
    for branch in Run(finished).branches:
        assert branch.kept + sum(drop.count for drop in branch.dropped) == branch.attempts
    stages = Run(finished).read_json("stages.json")
    for counts in stages.values():
        assert counts["kept"] + sum(counts["dropped"].values()) == counts["in"]


def test_every_pair_is_confirmed_and_the_shares_are_told(finished: Path) -> None:
    pairs = [p for p in Run(finished).pairs if p.kind == "step_controlled"]
    assert {(p.confirmation.before.tried, p.confirmation.after.tried) for p in pairs} == {(2, 2)}
    # The script goes wrong in the second cell, if at all; behind a wrong one it is never right.
    assert {p.confirmation.after.right for p in pairs if p.branch_step == 1} == {0}
    drops = [p.confirmation.drop for p in pairs]
    stage = Run(finished).read_json("stages.json")["errors that begin with the branch, by temperature"]
    assert stage["in"] == len(pairs)
    assert stage["kept"] == sum(drop is not None and drop >= 0.5 for drop in drops) > 0


def test_calling_a_finished_job_again_makes_nothing(finished: Path, tiny_model: Path) -> None:
    before = {name: lines(finished, name) for name in ("solutions.jsonl", "pairs.jsonl", "branches.jsonl")}

    def fail(prompt: str, _: random.Random) -> str:
        raise AssertionError("nothing is left to sample")

    make(finished, tiny_model, fail)
    assert {name: lines(finished, name) for name in before} == before


def test_a_wave_that_was_cut_off_is_made_whole(finished: Path, tiny_model: Path, tmp_path: Path) -> None:
    solutions = {s.id: s for s in Run(finished).solutions}
    with Run(tmp_path) as run:
        for solution in solutions.values():
            problem, number = solution.id.split("#0.")
            if f"{problem}#0.{int(number) + 1}" in solutions:  # all but the last one of each problem
                run.solutions.append(solution)
    make(tmp_path, tiny_model)
    for name in FILES:
        assert lines(tmp_path, name) == lines(finished, name)


WORKER = """
import sys
from pathlib import Path
from tests.scdpo.test_jobs import make, sums
make(Path(sys.argv[1]), Path(sys.argv[2]), seconds=float(sys.argv[3]), problems=sums(int(sys.argv[4])))
"""
FILES = ("solutions.jsonl", "pairs.jsonl", "branches.jsonl")


def start_and_kill(folder: Path, model: Path, seconds: float, problems: int, delay: float) -> bool:
    """Kill a job some time after it wrote something; return whether it was still running then."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(model), str(seconds), str(problems)], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    before = size(folder)
    for _ in range(600):  # let it write something, so that every round gets further
        time.sleep(0.05)
        if worker.poll() is not None or size(folder) > before:
            break
    time.sleep(delay)
    worker.send_signal(signal.SIGKILL)
    return worker.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_kill_9_again_and_again_gives_what_an_unstopped_run_gives(
    finished: Path, tiny_model: Path, tmp_path: Path
) -> None:
    delays = random.Random(0)
    for _ in range(4):
        start_and_kill(tmp_path, tiny_model, 0.003, len(PROBLEMS), delays.random() * 0.4)
    make(tmp_path, tiny_model)
    for name in FILES:
        assert lines(tmp_path, name) == lines(finished, name)


KILLS = int(os.environ.get("SCDPO_KILLS", "100"))


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_and_make_nothing_twice(tiny_model: Path, tmp_path: Path) -> None:
    count, killed, unstopped = max(24, 240 * KILLS // 100), tmp_path / "killed", tmp_path / "unstopped"
    delays = random.Random(1)
    cut_off = sum(
        start_and_kill(killed, tiny_model, 0.05, count, delays.random() * 0.4) for _ in range(KILLS)
    )
    assert cut_off == KILLS  # the job was not done before the last of them
    for folder in (killed, unstopped):
        make(folder, tiny_model, problems=sums(count))
    for name in FILES:
        assert lines(killed, name) == lines(unstopped, name)
        ids = [json.loads(line)["id"] for line in lines(killed, name)]
        assert len(ids) == len(set(ids)) >= count


def size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.glob("*.jsonl"))


@pytest.mark.long
def test_a_problem_that_is_always_right_is_given_up_and_counted(tmp_path: Path, tiny_model: Path) -> None:
    def always_right(prompt: str, _: random.Random) -> str:
        return adder(prompt, random.Random(2))

    progress = make(tmp_path, tiny_model, always_right, at_most=5)
    assert len(lines(tmp_path, "solutions.jsonl")) == 5 * len(PROBLEMS)
    stages = Run(tmp_path).read_json("stages.json")
    assert stages["problems with a naive pair"]["dropped"] == {"no dispreferred solution": len(PROBLEMS)}
    # Without naive pairs, every right solution may be branched off; none of these goes wrong.
    assert progress.kept == 0


def lost_once(written: Path) -> Script:
    """Return a script whose engine is lost as soon as a file holds something, however busy the machine is."""

    def script(prompt: str, stream: random.Random) -> str:
        if written.is_file() and written.stat().st_size:
            raise EngineError("the server is gone")
        return adder(prompt, stream)

    return script


def test_an_engine_that_is_lost_keeps_what_was_made(tmp_path: Path, tiny_model: Path) -> None:
    fails_later = lost_once(tmp_path / "solutions.jsonl")

    with pytest.raises(EngineError, match="server is gone"):
        make(tmp_path, tiny_model, fails_later)
    assert lines(tmp_path, "solutions.jsonl")
    make(tmp_path, tiny_model)
    ids = [s.id for s in Run(tmp_path).solutions]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("change", "said"), [({"question": "What is 9 + 5?"}, "question"), ({"gold": "9"}, "gold")]
)
def test_a_problem_that_was_changed_since_is_refused(
    finished: Path, tiny_model: Path, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    with Run(tmp_path) as run:
        for solution in Run(finished).solutions:
            run.solutions.append(solution)
    changed = [*PROBLEMS[:3], replace(PROBLEMS[3], **change), *PROBLEMS[4:]]
    with pytest.raises(RunError, match=rf"the {said}.* of problem 'sum/3' .*choose another folder"):
        make(tmp_path, tiny_model, problems=changed)
    assert not list(Run(tmp_path).pairs)


def test_a_stopped_run_holds_the_pairs_of_the_problems_that_are_done(
    finished: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError):
        make(tmp_path, tiny_model, lost_once(tmp_path / "pairs.jsonl"))
    pairs = set(lines(tmp_path, "pairs.jsonl"))
    assert pairs
    assert pairs < set(lines(finished, "pairs.jsonl"))


def test_only_what_naive_pairs_chose_is_branched_off_in_a_run_that_was_sampled(
    finished: Path, tmp_path: Path
) -> None:
    solutions = list(Run(finished).solutions)
    named = {p.origin.chosen_id for p in Run(finished).pairs if p.kind == "naive"}
    assert {s.id for s in chosen_solutions(Run(finished))} == named
    with Run(tmp_path) as run:
        for solution in solutions:
            run.solutions.append(solution)
        assert {s.id for s in chosen_solutions(run)} == {s.id for s in solutions if s.preferred} > named
        run.settle("sample", {"seed": 0})
        assert list(chosen_solutions(run)) == []
    with pytest.raises(RunError, match="no naive pairs to branch off: scdpo sample makes them"):
        mutate(tmp_path)


class Watchful(Quiet):
    """Counts the records that are in memory each time that a problem is done."""

    most = 0

    def advance(self, kept: int) -> None:
        super().advance(kept)
        gc.collect()
        self.most = max(self.most, sum(isinstance(o, SolutionRecord) for o in gc.get_objects()))


@pytest.mark.long
def test_solutions_of_problems_that_are_done_are_not_kept_in_memory(tiny_model: Path, tmp_path: Path) -> None:
    async def main(problems: int) -> int:
        progress = Watchful()
        before = sum(isinstance(o, SolutionRecord) for o in gc.get_objects())
        with Run(tmp_path) as run:
            async with AsyncSandbox() as box:
                sampler = Sampler(ScriptedEngine(tiny_model, adder), box, limits=SamplerLimits(in_flight=2))
                settings = NaiveSettings(at_most=2, wave=2)
                await sample_naive(run, sums(problems), sampler, settings, progress)
        return progress.most - before

    assert max(asyncio.run(main(count)) for count in (6, 12)) <= 4
    assert len(lines(tmp_path, "solutions.jsonl")) == 24


def test_data_equal_pairs_are_naive_and_as_many(finished: Path) -> None:
    run = Run(finished)
    solutions = list(run.solutions)
    pairs = list(naive_pairs(solutions)) * 2
    equal = data_equal(pairs[: len(pairs) // 2 + 2], solutions)
    assert len(equal) == len(pairs) // 2 + 2
    assert len({p.id for p in equal}) == len(equal)
    assert {p.kind for p in equal} == {"naive"}


def test_mutation_needs_no_model(finished: Path, tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        for solution in Run(finished).solutions:
            run.solutions.append(solution)
    mutate(tmp_path)
    pairs = list(Run(tmp_path).pairs)
    assert pairs
    assert {p.origin.corruptor for p in pairs} == {"mutation"}
    assert all(p.rejected_answer != p.gold for p in pairs)


def test_mutation_goes_on_after_a_solution_whose_kernel_is_lost(finished: Path, tmp_path: Path) -> None:
    preferred = list({s.problem_id: s for s in Run(finished).solutions if s.preferred}.values())[::4]
    lost = preferred[1].solution.code_blocks[0]
    run_cell = AsyncSession.run

    async def run(self: AsyncSession, code: str) -> CellResult:
        if code == lost:
            raise SessionClosed("the session is closed")
        return await run_cell(self, code)

    with Run(tmp_path) as folder:
        for solution in preferred:
            folder.solutions.append(solution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncSession, "run", run)
        mutate(tmp_path)
    reasons = {b.chosen_id: [d.reason for d in b.dropped] for b in Run(tmp_path).branches}
    assert set(reasons) == {s.id for s in preferred}
    assert [id for id, why in reasons.items() if why == ["kernel_lost"]] == [preferred[1].id]


def mutate(folder: Path) -> None:
    async def main() -> None:
        with Run(folder) as run:
            async with AsyncSandbox() as box:
                await branch_by_mutation(run, box, 0, Quiet())

    asyncio.run(main())
