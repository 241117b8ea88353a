"""Jobs that meet a full disk or an engine that restarts: nothing is lost, nothing is made twice.

Kills are in ``test_jobs``, lost processes of a cluster in ``test_cluster``.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import AsyncSandbox
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings, branch_by_temperature, sample_naive
from scdpo.sampling.engines.server import ServerEngine
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import adder
from tests.scdpo.test_jobs import FILES, PROBLEMS, ROOT, WORKER, Quiet, lines, make
from tests.scdpo.test_server_engine import Body, FakeServer

SMALL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
"""


@pytest.mark.long
def test_a_full_disk_ends_a_job_and_with_room_it_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    full, unstopped = tmp_path / "full", tmp_path / "unstopped"
    arguments = [str(full), str(tiny_model), "0", str(len(PROBLEMS))]
    ended = subprocess.run(
        [sys.executable, "-c", SMALL_DISK + WORKER, *arguments], cwd=ROOT, check=False, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Make room and call the same command again" in ended.stderr
    assert 0 < (full / "solutions.jsonl").stat().st_size <= 30_000
    for folder in (full, unstopped):
        make(folder, tiny_model)
    for name in FILES:
        assert lines(full, name) == lines(unstopped, name)


def fake(model: Path, port: int = 0) -> FakeServer:
    server = FakeServer(model, port=port)
    server.card["max_model_len"] = 4096

    def write(body: Body) -> str:
        return adder(server.vocabulary.tokenizer.decode(body["prompt"]), random.Random(body["seed"]))

    server.write = write
    return server


def make_with(server: FakeServer, folder: Path) -> None:
    async def main() -> None:
        engine = ServerEngine([server.url])
        async with AsyncSandbox(max_sessions=32) as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=32))
            with Run(folder) as run:
                await sample_naive(run, PROBLEMS, sampler, NaiveSettings(at_most=8, wave=2), Quiet())
                await branch_by_temperature(run, sampler, BranchSettings(attempts=4), Quiet())
        await engine.close()

    asyncio.run(main())


def until(true: Callable[[], bool]) -> None:
    for _ in range(2400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came so far")


@pytest.mark.long
def test_a_model_server_that_restarts_mid_way_changes_nothing(tiny_model: Path, tmp_path: Path) -> None:
    steady, restarted = tmp_path / "steady", tmp_path / "restarted"
    first = fake(tiny_model)
    make_with(first, steady)
    first.bodies.clear()
    with ThreadPoolExecutor(1) as worker:
        job = worker.submit(make_with, first, restarted)
        until(lambda: len(first.bodies) > 60)
        first.close()
        time.sleep(0.5)
        assert not job.done()
        second = fake(tiny_model, first.port)
        job.result()
    second.close()
    assert second.bodies
    for name in FILES:
        assert lines(restarted, name) == lines(steady, name)
