"""A finished run takes more attempts, pairs, steps, roll-outs and seeds: what is there stays, counts, and is not made again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import AsyncSandbox
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.problems import Problem
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings, branch_by_mutation, branch_by_temperature, sample_naive
from scdpo.jobs.rollouts import confirm_pairs
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import ScriptedEngine

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = [Problem(f"sum/{i}", f"What is {i + 2} + 5?", str(i + 7)) for i in range(3)]
NAIVE = NaiveSettings(at_most=6, wave=2)
BRANCH = BranchSettings(attempts=2, wave=1)


def slips(prompt: str, stream: random.Random) -> str:
    """Solve "What is A + B?" by code, and slip in nine ways, half of the time."""
    question, _, written = prompt.partition("<|assistant|>")
    a, b = question.split("What is ")[1].split("?")[0].split(" + ")
    blocks = written.count("<|endofblock|>")
    if blocks == 0:
        return f"<|text|>We add {a} and {b}.<|endofblock|>"
    if blocks == 1:
        return f"<|code|>a = {a}\na<|endofblock|>"
    if blocks == 3:
        slip = stream.randrange(1, 10) if stream.random() < 0.5 else 0
        return "<|code|>" + "a + 1 - 1\n" * slip + f"a + {int(b) + slip}<|endofblock|>"
    if blocks == 5:
        result = written.rpartition("<|execution|>")[2].partition("<|endofblock|>")[0]
        return f"<|text|>The answer is \\boxed{{{result}}}.<|endofblock|>"
    return "<|endofmessage|>"


class Quiet:
    def start(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, kept: int) -> None: ...


def make(folder: Path, model: Path, *jobs: Any, seconds: float = 0.0) -> int:
    """Do jobs, each told by its settings, one after another; return how many completions were asked for."""
    engine = ScriptedEngine(model, slips, seconds)

    async def main() -> None:
        async with AsyncSandbox(max_sessions=32) as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=16))
            for job in jobs:
                with Run(folder) as run:
                    if isinstance(job, NaiveSettings):
                        await sample_naive(run, PROBLEMS, sampler, job, Quiet())
                    elif isinstance(job, BranchSettings):
                        await branch_by_temperature(run, sampler, job, Quiet())
                    elif isinstance(job, str):  # mutation, with a seed
                        await branch_by_mutation(run, box, int(job), Quiet())
                    else:
                        await confirm_pairs(run, Confirmer(sampler, job), "temperature", Quiet())

    asyncio.run(main())
    return len(engine.requests)


def pairs(folder: Path, kind: str | None = None) -> dict[str, PairRecord]:
    found = {pair.id: pair for pair in Run(folder).pairs if kind in (None, pair.kind)}
    assert len(found) == sum(1 for pair in Run(folder).pairs if kind in (None, pair.kind))
    return found


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run that is finished, small."""
    folder = tmp_path_factory.mktemp("begun")
    make(folder, tiny_model, NAIVE, BRANCH)
    return folder


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


@pytest.mark.long
@pytest.mark.parametrize(
    "more",
    [{"attempts": 16}, {"pairs": 3, "attempts": 16}, {"steps": 2}],
    ids=["attempts", "pairs and attempts", "steps"],
)
def test_more_of_a_step_is_what_one_call_would_have_made(
    begun: Path, tmp_path: Path, tiny_model: Path, more: dict[str, int]
) -> None:
    few = replace(BRANCH, steps=1) if "steps" in more else BRANCH
    at_once, later = tmp_path / "at once", tmp_path / "later"
    make(at_once, tiny_model, NAIVE, replace(few, **more))
    make(later, tiny_model, NAIVE, few)
    before = pairs(later)
    make(later, tiny_model, replace(few, **more))
    assert pairs(later) == pairs(at_once)
    assert before.items() <= pairs(later).items()
    assert len(pairs(later)) > len(before) or "pairs" not in more
    assert make(later, tiny_model, replace(few, **more)) == 0  # nothing is made twice
    kept = Counter(pair.origin.chosen_id for pair in pairs(later, "step_controlled").values())
    assert sum(kept.values()) == sum(branch.kept for branch in Run(later).branches)


def test_another_seed_tries_the_steps_that_lack_pairs(begun: Path, tmp_path: Path, tiny_model: Path) -> None:
    folder = copied(begun, tmp_path / "run")
    before = pairs(folder)
    made = {
        (p.origin.chosen_id, p.origin.rejected_id.partition("@")[2][0])
        for p in pairs(folder, "step_controlled").values()
    }
    make(folder, tiny_model, replace(BRANCH, seed=1, attempts=8))
    new = {id: pair for id, pair in pairs(folder, "step_controlled").items() if id not in before}
    assert new
    for pair in new.values():
        step, seed, _ = pair.origin.rejected_id.partition("@")[2].split(".")
        assert seed == "1"
        assert (pair.origin.chosen_id, step) not in made


@pytest.mark.long
def test_more_naive_pairs_attempts_and_seeds(tmp_path: Path, tiny_model: Path) -> None:
    at_once, later = tmp_path / "at once", tmp_path / "later"
    make(at_once, tiny_model, replace(NAIVE, at_most=14, pairs=2))
    make(later, tiny_model, NAIVE)
    solutions = [solution.id for solution in Run(later).solutions]
    before = pairs(later)
    make(later, tiny_model, replace(NAIVE, at_most=14, pairs=2))
    assert pairs(later).keys() == pairs(at_once).keys() > before.keys()
    assert [solution.id for solution in Run(later).solutions][: len(solutions)] == solutions
    make(later, tiny_model, replace(NAIVE, at_most=14, pairs=9, seed=1))
    assert any("#1." in solution.id for solution in Run(later).solutions)
    assert pairs(at_once).items() <= pairs(later).items()
    assert any("#1." in pair.origin.chosen_id + pair.origin.rejected_id for pair in pairs(later).values())


def test_another_seed_of_mutation_adds_other_slips(begun: Path, tmp_path: Path, tiny_model: Path) -> None:
    folder = copied(begun, tmp_path / "run")
    make(folder, tiny_model, "0", "1", "2", "1")
    mutated = [pair for pair in pairs(folder).values() if pair.origin.corruptor == "mutation"]
    seen = [(pair.origin.chosen_id, pair.branch_step, *pair.rejected) for pair in mutated]
    assert len(seen) == len(set(seen))
    assert len({pair.id.rpartition("m")[2] for pair in mutated}) > 1


def test_pairs_are_confirmed_later_as_they_would_have_been_at_once(
    begun: Path, tmp_path: Path, tiny_model: Path
) -> None:
    at_once, later = tmp_path / "at once", copied(begun, tmp_path / "later")
    make(at_once, tiny_model, NAIVE, replace(BRANCH, confirm=4))
    assert make(later, tiny_model, 4) > 0
    assert pairs(later) == pairs(at_once)
    assert make(later, tiny_model, 4) == make(later, tiny_model, 3) == 0
    assert not (later / "rollouts.jsonl").exists()
    stage = "errors that begin with the branch, by temperature"
    assert Run(later).read_json("stages.json")[stage] == Run(at_once).read_json("stages.json")[stage]


def test_more_roll_outs_are_added_to_those_there_are(begun: Path, tmp_path: Path, tiny_model: Path) -> None:
    at_once, later = copied(begun, tmp_path / "at once"), copied(begun, tmp_path / "later")
    asked = make(at_once, tiny_model, 5)
    first = make(later, tiny_model, 2)
    rest = make(later, tiny_model, 5)
    assert pairs(later) == pairs(at_once)
    assert first + rest == asked


WORKER = """
import sys
from pathlib import Path
from tests.scdpo.test_extension import BRANCH, make, replace
make(Path(sys.argv[1]), Path(sys.argv[2]), replace(BRANCH, pairs=2, attempts=12), 4, seconds=0.01)
"""


@pytest.mark.slow
def test_kill_9_while_a_run_is_extended_and_confirmed_changes_nothing(
    begun: Path, tmp_path: Path, tiny_model: Path
) -> None:
    unstopped, killed = copied(begun, tmp_path / "unstopped"), copied(begun, tmp_path / "killed")
    delays = random.Random(0)
    for _ in range(3):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(killed), str(tiny_model)], cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        size = written(killed)
        while worker.poll() is None and written(killed) == size:
            time.sleep(0.02)
        time.sleep(delays.random() * 0.3)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    for folder in (unstopped, killed):
        make(folder, tiny_model, replace(BRANCH, pairs=2, attempts=12), 4)
    assert pairs(killed) == pairs(unstopped)
    ids = [sorted(branch.id for branch in Run(folder).branches) for folder in (killed, unstopped)]
    assert ids[0] == ids[1]


def written(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.jsonl"))
