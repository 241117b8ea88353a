"""What a server refuses ends that solution, not the job; and of several failures at once none is left unread."""

from __future__ import annotations

import asyncio
import gc
import random
from pathlib import Path
from typing import Any

import pytest

from sandbox import AsyncSandbox
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.jobs.local import each
from scdpo.sampling.engines import EngineError, Request, RequestRefused
from scdpo.sampling.engines.endpoint import REFUSALS
from scdpo.sampling.engines.server import ServerEngine
from scdpo.sampling.sampler import Sampler, SamplerLimits, sample_solutions
from tests.scdpo.scripted import adder
from tests.scdpo.test_server_engine import Body, FakeServer

PROBLEMS = [Problem(f"p{i}", f"What is {i} + 5?", str(i + 5)) for i in range(3)]


def test_a_refused_request_is_that_solutions_reason(tiny_model: Path) -> None:
    server = FakeServer(tiny_model)
    server.card["max_model_len"] = 4096
    server.troubles = ["", "", "400"]

    def write(body: Body) -> str:
        return adder(server.vocabulary.tokenizer.decode(body["prompt"]), random.Random(body["seed"]))

    server.write = write

    async def main() -> list[SolutionRecord]:
        engine = ServerEngine([server.url])
        async with AsyncSandbox() as box:
            sampler = Sampler(engine, box, limits=SamplerLimits(in_flight=1))
            records = [record async for record in sample_solutions(PROBLEMS, sampler)]
        await engine.close()
        return records

    records = asyncio.run(main())
    server.close()
    refused = [record for record in records if record.dropped == "unfinished_refused"]
    assert len(records) == 3
    assert len(refused) == 1
    assert "refused a request (400)" in refused[0].verdict.reason
    assert "as told" in refused[0].verdict.reason


def test_a_server_that_refuses_everything_is_no_server_for_us(tiny_model: Path) -> None:
    server = FakeServer(tiny_model)
    server.troubles = ["400"] * (REFUSALS + 1)

    async def main() -> None:
        engine = ServerEngine([server.url])
        request = Request((5, 6), 10, 1.0, 0, ("<|endofblock|>",))
        for _ in range(REFUSALS):
            with pytest.raises(RequestRefused):
                await engine.complete(request)
        with pytest.raises(EngineError, match="takes no requests") as caught:
            await engine.complete(request)
        assert not isinstance(caught.value, RequestRefused)
        await engine.close()

    asyncio.run(main())
    server.close()


def test_of_several_failures_at_once_none_is_left_unread() -> None:
    unread: list[dict[str, Any]] = []

    async def fails(number: int) -> int:
        await asyncio.sleep(0)
        raise EngineError(f"gone {number}")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
        with pytest.raises(EngineError, match="gone"):
            async for _ in each(fails, range(4), 4):
                pass
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert unread == []
