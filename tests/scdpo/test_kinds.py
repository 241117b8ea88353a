"""Every corruptor that samples: kill -9 and a cluster change nothing in what it makes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import AsyncSandbox
from scdpo.corrupt.first_pit import PitSettings
from scdpo.corrupt.guided import GuidedSettings
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run
from scdpo.jobs.backend import LocalJobs
from scdpo.jobs.budget import Grants, Spending, spend
from scdpo.jobs.local import NaiveSettings
from scdpo.sampling.engines.load import EngineChoice
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import ScriptedEngine, adder
from tests.scdpo.test_jobs import ROOT, Quiet, lines, sums

if TYPE_CHECKING:
    from scdpo.jobs.cluster import Cluster

KINDS = ("first_pit", "guided", "budget")
FILES = ("solutions.jsonl", "pairs.jsonl", "branches.jsonl")


class Unheard:
    """Hears of a budget and says nothing."""

    def expects(self, left: int, estimate: Spending) -> None:
        pass

    def came(self, estimate: Spending, spent: Spending) -> None:
        pass


async def do(jobs: LocalJobs | Cluster, run: Run, kind: str) -> None:
    """Sample a run, and corrupt it in one way."""
    await jobs.sample_naive(run, sums(8), NaiveSettings(at_most=8, wave=2), Quiet())
    if kind == "first_pit":
        await jobs.branch_at_first_pits(run, PitSettings(rollouts=3, solutions=4), Quiet())
    elif kind == "guided":
        await jobs.branch_by_guidance(run, GuidedSettings(attempts=3, confirm=2), Quiet())
    else:
        settings = BranchSettings(attempts=4)

        async def one_pass(grants: Grants) -> None:
            await jobs.branch_by_temperature(run, settings, Quiet(), grants)

        await spend(run, settings, 10**9, one_pass, Unheard())


def make(folder: Path, model: Path, kind: str, seconds: float = 0.0) -> None:
    """Do it in this process."""

    async def main() -> None:
        with Run(folder) as run:
            async with AsyncSandbox(max_sessions=32) as box:
                engine = ScriptedEngine(model, adder, seconds)
                engine.model = str(model)
                sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=32))
                await do(LocalJobs(sampler), run, kind)

    asyncio.run(main())


WORKER = """
import sys
from pathlib import Path
from tests.scdpo.test_kinds import make
make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], seconds=0.01)
"""


def branches(folder: Path) -> int:
    file = folder / "branches.jsonl"
    return file.stat().st_size if file.exists() else 0


def start_and_kill(folder: Path, model: Path, kind: str, delay: float) -> None:
    """Kill a job some time after it recorded a branch."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(model), kind], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    before = branches(folder)
    for _ in range(2400):
        time.sleep(0.05)
        if worker.poll() is not None or branches(folder) > before:
            break
    time.sleep(delay)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_gives_what_an_unstopped_job_gives(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    killed, unstopped = tmp_path / "killed", tmp_path / "unstopped"
    delays = random.Random(0)
    for _ in range(3):
        start_and_kill(killed, tiny_model, kind, delays.random() * 0.3)
    make(killed, tiny_model, kind)
    make(unstopped, tiny_model, kind)
    assert lines(unstopped, "branches.jsonl")
    for name in FILES:
        assert lines(killed, name) == lines(unstopped, name)


def scripted(choice: EngineChoice) -> ScriptedEngine:
    assert choice.model is not None
    engine = ScriptedEngine(Path(choice.model), adder)
    engine.model = choice.model
    return engine


def stop_half_way(folder: Path) -> None:
    """Leave what a job leaves that is killed in the middle of its branches: half of them, and a torn line."""
    file = folder / "branches.jsonl"
    whole = file.read_bytes().splitlines(keepends=True)
    half = len(whole) // 2
    file.write_bytes(b"".join(whole[:half]) + whole[half][:20])


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_makes_and_goes_on_with_what_one_process_makes(tiny_model: Path, tmp_path: Path) -> None:
    from scdpo.jobs.cluster import Cluster, ClusterSettings

    for kind in KINDS:
        make(tmp_path / "alone" / kind, tiny_model, kind)

    async def main() -> None:
        settings = ClusterSettings(engines=1, workers=2, in_flight=8)
        async with Cluster(EngineChoice(model=str(tiny_model)), settings, load=scripted) as cluster:
            for kind in KINDS:
                for stopped in (False, True):
                    if stopped:
                        stop_half_way(tmp_path / kind)
                    with Run(tmp_path / kind) as run:
                        await do(cluster, run, kind)
                    for name in FILES:
                        assert lines(tmp_path / kind, name) == lines(tmp_path / "alone" / kind, name)
            with Run(tmp_path / "budget") as run:
                await cluster.confirm_pairs(run, 2, 0, "temperature", Quiet())

    asyncio.run(main())
    confirmed = [p for p in Run(tmp_path / "budget").pairs if p.kind == "step_controlled"]
    assert confirmed
    assert all(p.confirmation.before.tried == 2 for p in confirmed)
