"""A budget of tokens: where attempts go, what is expected of it, and that a stop or more tokens only go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox import AsyncSandbox
from scdpo.corrupt.budget import OpenPlace, expect, hand_out, wrong_after, wrong_share
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run
from scdpo.jobs.budget import Grants, Spending, spend
from scdpo.jobs.local import NaiveSettings, branch_by_temperature, sample_naive
from scdpo.sampling.sampler import Sampler, SamplerLimits
from tests.scdpo.scripted import ScriptedEngine, adder
from tests.scdpo.test_jobs import Quiet, lines, sums

SURE, UNSURE, HOPELESS = (
    OpenPlace(id, 0, wrong, tokens=100) for id, wrong in (("sure", 0.02), ("unsure", 0.5), ("hopeless", 0.98))
)


def test_the_first_tokens_go_where_the_model_is_unsure() -> None:
    assert hand_out([HOPELESS, SURE, UNSURE], 150) == {"unsure": {0: 1}}
    assert list(hand_out([HOPELESS, SURE, UNSURE], 300)) == ["unsure", "hopeless", "sure"]


def test_a_place_where_attempts_come_out_right_sinks() -> None:
    tried = OpenPlace("tried", 0, 0.5, tokens=100, tried=7, failed=0)
    assert hand_out([tried, UNSURE], 150) == {"unsure": {0: 1}}
    assert hand_out([tried], 1000) == {"tried": {0: 15}}  # the wave doubles


def test_short_continuations_come_first() -> None:
    short = OpenPlace("short", 3, 0.5, tokens=10)
    assert hand_out([UNSURE, short], 100) == {"short": {3: 1}}


def test_nothing_is_handed_out_where_all_is_done_or_spent() -> None:
    done = OpenPlace("done", 0, 0.5, tokens=10, tried=16)
    paired = OpenPlace("paired", 0, 0.5, tokens=10, missing=0)
    assert hand_out([done, paired], 1000) == {}
    assert hand_out([UNSURE], 0) == {}


def test_a_pass_hands_out_half_of_what_is_left() -> None:
    places = [OpenPlace(f"p{i:03}", 0, 0.5, tokens=100) for i in range(1000)]
    assert len(hand_out(places, 20_000)) == 100


def test_what_a_budget_is_expected_to_give() -> None:
    # One attempt each at two places that go wrong half of the time: 200 tokens, one pair.
    two = [OpenPlace(id, 0, 0.5, tokens=100, most=1) for id in "ab"]
    assert expect(two, 1000) == (pytest.approx(1.0), pytest.approx(200))
    # Half a budget, half of it.
    assert expect(two, 100) == (pytest.approx(0.5), pytest.approx(100))
    assert expect(two, 0) == (0, 0)


def test_the_share_of_wrong_ones_is_never_certain() -> None:
    assert wrong_share({"right": 3, "wrong": 1}) == pytest.approx(2 / 6)
    assert 0 < wrong_share({"right": 8}) < wrong_share({}) < wrong_share({"wrong": 8}) < 1


def test_less_of_a_solution_goes_wrong_less_often() -> None:
    assert wrong_after(0.75, 0.5) == pytest.approx(0.5)
    assert (wrong_after(0.3, 0), wrong_after(0.3, 1)) == (pytest.approx(0), pytest.approx(0.3))


class Hearing:
    def __init__(self) -> None:
        self.said: list[tuple[int, Spending]] = []

    def expects(self, left: int, estimate: Spending) -> None:
        self.said.append((left, estimate))

    def came(self, estimate: Spending, spent: Spending) -> None:
        self.said.append((-1, spent))


def corrupted(folder: Path, model: Path, budget: int) -> tuple[int, Hearing, int]:
    """Sample and branch within a budget; return the tokens recorded, what was said, and the passes made."""
    hearing, passes = Hearing(), []

    async def main() -> None:
        with Run(folder) as run:
            async with AsyncSandbox(max_sessions=32) as box:
                sampler = Sampler(ScriptedEngine(model, adder), box, limits=SamplerLimits(in_flight=32))
                await sample_naive(run, sums(4), sampler, NaiveSettings(at_most=16, wave=2), Quiet())
                settings = BranchSettings(attempts=8)

                async def one_pass(grants: Grants) -> None:
                    passes.append(grants)
                    await branch_by_temperature(run, sampler, settings, Quiet(), grants)

                await spend(run, settings, budget, one_pass, hearing)

    asyncio.run(main())
    return sum(branch.tokens for branch in Run(folder).branches), hearing, len(passes)


def test_a_budget_is_kept_goes_on_and_adds(tmp_path: Path, tiny_model: Path) -> None:
    spent, hearing, passes = corrupted(tmp_path, tiny_model, 300)
    assert passes > 0
    assert 0 < spent <= 300 + 200  # the last attempts may take more than was expected of them
    (left, estimate), (_, came) = hearing.said
    assert left == 300
    assert estimate.pairs > 0
    assert came.tokens == spent
    before = lines(tmp_path, "pairs.jsonl")
    assert corrupted(tmp_path, tiny_model, 300)[0] == spent
    assert lines(tmp_path, "pairs.jsonl") == before
    more, _, _ = corrupted(tmp_path, tiny_model, 1500)
    assert more > spent
    assert set(before) < set(lines(tmp_path, "pairs.jsonl"))


def test_without_end_of_tokens_a_budget_makes_what_no_budget_makes(tmp_path: Path, tiny_model: Path) -> None:
    corrupted(tmp_path / "budget", tiny_model, 10**9)

    async def main() -> None:
        with Run(tmp_path / "free") as run:
            async with AsyncSandbox(max_sessions=32) as box:
                sampler = Sampler(ScriptedEngine(tiny_model, adder), box, limits=SamplerLimits(in_flight=32))
                await sample_naive(run, sums(4), sampler, NaiveSettings(at_most=16, wave=2), Quiet())
                await branch_by_temperature(run, sampler, BranchSettings(attempts=8), Quiet())

    asyncio.run(main())
    assert lines(tmp_path / "budget", "pairs.jsonl") == lines(tmp_path / "free", "pairs.jsonl")
