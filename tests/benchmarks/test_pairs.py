"""The yield of a corruptor: its pairs are confirmed anew, its tokens are those of its branches."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.pairs import Yield, measure
from sandbox import AsyncSandbox
from scdpo.data.runs import Run
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import ScriptedEngine
from tests.scdpo.test_first_pit import RIGHT, WRONG, filled, goes_on, search


def test_a_confirmed_pit_is_confirmed_by_other_roll_outs_too(tiny_model: Path, tmp_path: Path) -> None:
    filled(tmp_path, RIGHT, WRONG)
    search(tmp_path, tiny_model)

    async def main() -> dict[str, Yield]:
        async with AsyncSandbox() as box:
            return await measure(Run(tmp_path), Sampler(ScriptedEngine(tiny_model, goes_on), box), 2)

    (found,) = asyncio.run(main()).values()
    assert (found.pairs, found.tried, found.confirmed) == (1, 1, 1)
    assert found.tokens == sum(branch.tokens for branch in Run(tmp_path).branches) > 0


def test_a_rate_is_per_million_tokens() -> None:
    assert Yield(tokens=500_000).per_million(3) == "6"
