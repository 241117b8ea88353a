"""The jobs on a local Ray cluster of several processes: the same records, whoever made them and whoever died."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from sandbox import AsyncSandbox
from scdpo.corrupt.confirm import Confirmer
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings, branch_by_mutation, branch_by_temperature, sample_naive
from scdpo.sampling.engines import EngineError
from scdpo.sampling.engines.load import EngineChoice
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import ScriptedEngine, adder
from tests.scdpo.test_jobs import PROBLEMS, Quiet, lines
from tests.scdpo.test_server_engine import FakeServer

pytestmark = [pytest.mark.ray, pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")]

FILES = ("solutions.jsonl", "branches.jsonl", "pairs.jsonl")
MORE = [replace(p, id=f"{p.id}/{i}") for p in PROBLEMS for i in range(2)]
NAIVE = NaiveSettings(at_most=8, wave=2)
BRANCHES = BranchSettings(attempts=4, wave=2, confirm=2)


def scripted(choice: EngineChoice) -> ScriptedEngine:
    assert choice.model is not None
    engine = ScriptedEngine(Path(choice.model), adder, seconds=0.02)
    engine.model = choice.model
    return engine


Pass = Callable[[], None]


def on_cluster(folder: Path, choice: EngineChoice, between: Pass | None = None, **options: object) -> Quiet:
    """Run both jobs on a cluster; with ``between``, do that afterwards and then run them again."""
    from scdpo.jobs.cluster import Cluster, ClusterSettings

    progress = Quiet()

    async def main() -> None:
        settings = ClusterSettings(engines=2, workers=2, in_flight=8)
        async with Cluster(choice, settings, **options) as cluster:  # type: ignore[arg-type]
            for after in (between, None)[between is None :]:
                with Run(folder) as run:
                    await cluster.sample_naive(run, MORE, NAIVE, progress)
                    await cluster.branch_by_temperature(run, BRANCHES, progress)
                if after is not None:
                    after()

    asyncio.run(main())
    return progress


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run made in this process alone."""
    folder = tmp_path_factory.mktemp("alone")

    async def main() -> None:
        with Run(folder) as run:
            async with AsyncSandbox(max_sessions=32) as box:
                engine = scripted(EngineChoice(model=str(tiny_model)))
                sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=32))
                await sample_naive(run, MORE, sampler, NAIVE, Quiet())
                await branch_by_temperature(run, sampler, BRANCHES, Quiet())

    asyncio.run(main())
    return folder


def descendants(title: str) -> list[int]:
    """Return the processes below this one whose name starts so."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            names[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    found = []
    for pid, name in names.items():
        above = pid
        while above not in (0, 1, os.getpid()):
            above = parents.get(above, 0)
        if above == os.getpid() and name.startswith(title):
            found.append(pid)
    return found


class Killer(threading.Thread):
    """Kills one process of a kind each time that a condition is met anew."""

    def __init__(self, steps: list[tuple[str, Callable[[], bool]]]) -> None:
        super().__init__(daemon=True)
        self.steps = steps
        self.killed: list[int] = []

    def run(self) -> None:
        for title, due in self.steps:
            while not due():
                time.sleep(0.02)
            pid = descendants(title)[0]
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)


def test_lost_workers_and_engines_change_nothing(alone: Path, tmp_path: Path, tiny_model: Path) -> None:
    def many(name: str, count: int) -> Callable[[], bool]:
        return lambda: (tmp_path / name).exists() and len(lines(tmp_path, name)) >= count

    killer = Killer(
        [
            ("ray::SandboxWorker", many("solutions.jsonl", 4)),
            ("ray::EngineActor", many("solutions.jsonl", 24)),
            ("ray::SandboxWorker", many("branches.jsonl", 8)),
        ]
    )
    killer.start()
    progress = on_cluster(tmp_path, EngineChoice(model=str(tiny_model)), load=scripted)
    assert len(killer.killed) == 3
    for name in FILES:
        assert lines(tmp_path, name) == lines(alone, name)
    assert progress.done == progress.total
    ours, theirs = (Run(folder).read_json("stages.json") for folder in (tmp_path, alone))
    for stages in (ours, theirs):
        for counts in stages.values():
            counts.pop("seconds")
    assert ours == theirs


def test_workers_ask_model_servers_themselves_and_go_on_where_a_run_stopped(
    tmp_path: Path, server: FakeServer, tiny_model: Path
) -> None:
    server.card["max_model_len"] = 4096
    server.write = lambda body: adder(
        server.vocabulary.tokenizer.decode(body["prompt"]), random.Random(body["seed"])
    )
    choice = EngineChoice("server", servers=(server.url,))
    before: dict[str, list[str]] = {}

    def lose_some() -> None:
        before.update({name: lines(tmp_path, name) for name in FILES}, asked=[str(len(server.bodies))])
        kept = (tmp_path / "solutions.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "solutions.jsonl").write_text("".join(kept[:20]))
        (tmp_path / "branches.jsonl").unlink()
        (tmp_path / "pairs.jsonl").unlink()

    on_cluster(tmp_path, choice, lose_some)
    [asked] = before.pop("asked")
    assert len(before["pairs.jsonl"]) > len(MORE)
    assert {name: lines(tmp_path, name) for name in FILES} == before
    assert len(server.bodies) < 2 * int(asked)


def test_an_engine_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    choice = EngineChoice(model=str(tmp_path / "nothing"))
    with pytest.raises(EngineError, match="nothing"):
        on_cluster(tmp_path / "run", choice)


def test_a_worker_that_mutates_confirms_as_one_process_does(
    alone: Path, tmp_path: Path, tiny_model: Path
) -> None:
    from scdpo.jobs.actors import MutateJob

    async def mutate(folder: Path, job: Callable[[Run, Sampler], Awaitable[None]]) -> None:
        with Run(folder) as run:
            for solution in [s for s in Run(alone).solutions if s.preferred][:3]:
                run.solutions.append(solution)
            async with AsyncSandbox() as box:
                await job(run, Sampler(scripted(EngineChoice(model=str(tiny_model))), box))

    async def here(run: Run, sampler: Sampler) -> None:
        await branch_by_mutation(run, sampler.box, 0, Quiet(), Confirmer(sampler, 2))

    asyncio.run(mutate(tmp_path / "worker", MutateJob(0, confirm=2)))
    asyncio.run(mutate(tmp_path / "here", here))
    assert lines(tmp_path / "worker", "pairs.jsonl") == lines(tmp_path / "here", "pairs.jsonl")
    assert all(p.confirmation.before.tried == 2 for p in Run(tmp_path / "worker").pairs)
