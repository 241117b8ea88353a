"""On-policy rounds: each makes its pairs with the model of the round before, and a stop loses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from eval.pipelines.rounds import RoundPlan, on_policy_rounds
from sandbox import AsyncSandbox
from scdpo.cli import app
from scdpo.corrupt.temperature import BranchSettings
from scdpo.data.runs import Run, RunError
from scdpo.jobs.backend import Backend, LocalJobs
from scdpo.jobs.local import NaiveSettings
from scdpo.sampling.engines import EngineError
from scdpo.sampling.sampler import Sampler
from tests.scdpo.scripted import ScriptedEngine, adder


@dataclass(frozen=True)
class ScriptedBackend(Backend):
    """Samples with a script, and notes for which models it was asked."""

    asked: list[str] = field(default_factory=list)
    fails_at: int = 99

    @asynccontextmanager
    async def jobs(self, format: str, system: str) -> AsyncIterator[LocalJobs]:
        assert self.model is not None
        self.asked.append(self.model)
        if len(self.asked) == self.fails_at:
            raise EngineError("no memory left")
        async with AsyncSandbox() as box:
            yield LocalJobs(
                Sampler(ScriptedEngine(Path(self.model), adder), box, format=format, system=system)
            )


@pytest.fixture
def plan(tmp_path: Path) -> RoundPlan:
    problems = tmp_path / "sums.jsonl"
    lines = (f'{{"id": "{i}", "question": "What is {i + 2} + 5?", "answer": "{i + 7}"}}\n' for i in range(4))
    problems.write_text("".join(lines), encoding="utf-8")
    training = {"max_steps": 3, "learning_rate": 1e-2, "use_cpu": True, "disable_tqdm": True}
    naive, branches = NaiveSettings(at_most=8, seed=5), BranchSettings(attempts=4, seed=5)
    return RoundPlan(str(problems), "preference", 4, "mathcoder", "", naive, branches, training)


@pytest.mark.long
def test_each_round_starts_from_the_model_of_the_round_before(
    plan: RoundPlan, tiny_model: Path, tmp_path: Path
) -> None:
    runs, quiet = tmp_path / "runs", Console(quiet=True)
    place = ScriptedBackend(str(tiny_model), fails_at=2)
    with pytest.raises(EngineError):
        on_policy_rounds(runs, 2, place, plan, quiet)
    # Called again after the stop, the first round is not done again.
    again = ScriptedBackend(str(tiny_model))
    newest = on_policy_rounds(runs, 2, again, plan, quiet)
    assert newest == runs / "round-2" / "model" / "scdpo"
    assert again.asked == [str(runs / "round-1" / "model" / "scdpo")]
    weights = [
        (folder / "model.safetensors").read_bytes()
        for folder in (tiny_model, runs / "round-1" / "model" / "scdpo", newest)
    ]
    assert len(set(weights)) == 3
    first, second = ({s.id: s for s in Run(runs / f"round-{r}").solutions} for r in (1, 2))
    assert {id.split("#")[1].split(".")[0] for id in first} == {"5"}
    assert {id.split("#")[1].split(".")[0] for id in second} == {"6"}
    assert {s.sampling.model for s in second.values()} == {"script"}
    # A finished folder takes further rounds, and no other plan.
    more = ScriptedBackend(str(tiny_model))
    on_policy_rounds(runs, 3, more, plan, quiet)
    assert more.asked == [str(newest)]
    with pytest.raises(RunError, match="begun with"):
        on_policy_rounds(runs, 3, ScriptedBackend("another"), plan, quiet)


def test_a_wrong_setting_is_told_before_anything_is_sampled(plan: RoundPlan, tmp_path: Path) -> None:
    wrong = replace(plan, training={"learning_rate": "much"})
    place = ScriptedBackend("unused")
    with pytest.raises(ValueError, match=r"'learning_rate' is a number, not 'much'"):
        on_policy_rounds(tmp_path / "runs", 1, place, wrong, Console(quiet=True))
    assert place.asked == []


def test_a_model_server_is_refused(tmp_path: Path) -> None:
    servers = ["--engine", "server", "--server", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, ["rounds", str(tmp_path), *servers])
    assert result.exit_code == 2
    assert "model server" in result.output
