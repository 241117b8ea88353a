"""TRL's environment: a kernel per roll-out, its tool as TRL reads it, and a reward that saw the kernel."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from transformers.utils import get_json_schema

import scdpo.environments.trl as trl_module
from sandbox import Limits, Sandbox
from scdpo.environments.trl import PythonEnvironment, branch, reward_from_tool


@pytest.fixture
def environment() -> Iterator[PythonEnvironment]:
    made = PythonEnvironment()
    made.reset(prompt=[{"role": "user", "content": "What is 2 + 2?"}], answer="4")
    yield made
    made.reset()


def test_variables_live_from_call_to_call_and_end_with_the_reset(environment: PythonEnvironment) -> None:
    assert environment.python("x = 20") == ""
    assert environment.python("x + 1") == "21"
    environment.reset()
    assert "NameError" in environment.python("x")


def test_two_roll_outs_share_nothing(environment: PythonEnvironment) -> None:
    other = PythonEnvironment()
    other.reset()
    environment.python("x = 1")
    assert "NameError" in other.python("x")
    other.reset()


def test_trl_sees_one_tool_with_its_argument_described() -> None:
    public = [
        n for n, _ in inspect.getmembers(PythonEnvironment, inspect.isfunction) if not n.startswith("_")
    ]
    assert public == ["python", "reset"]
    schema = get_json_schema(PythonEnvironment().python)["function"]
    assert schema["name"] == "python"
    assert schema["parameters"]["properties"]["code"]["type"] == "string"
    assert schema["parameters"]["required"] == ["code"]


def test_a_dead_kernel_costs_the_roll_out_its_state_and_nothing_else(environment: PythonEnvironment) -> None:
    environment.python("x = 1")
    environment.python("import os; os._exit(1)")
    assert environment.python("1 + 1") == "2"
    assert "NameError" in environment.python("x")


def test_branches_go_on_from_the_state_and_diverge(environment: PythonEnvironment) -> None:
    environment.python("x = 1")
    one, two = branch(environment, 2)
    assert one.python("x += 1; x") == "2"
    assert two.python("x") == "1"
    assert environment.python("x") == "1"
    for made in (one, two):
        made.reset()


def test_branches_of_a_kernel_that_was_lost_between_calls_are_told(environment: PythonEnvironment) -> None:
    environment.python("x = 1")
    assert environment._session is not None
    environment._session.close()  # as the host does where it is short of memory
    (one,) = branch(environment, 1)
    for made in (one, environment):
        assert "lost with all variables" in made.python("x")
        assert "NameError" in made.python("x")
        assert made.python("1 + 1") == "2"
    one.reset()


def test_the_reward_pays_for_an_answer_that_the_kernel_printed(environment: PythonEnvironment) -> None:
    environment.python("print('so'); 6 * 7")
    silent = PythonEnvironment()
    said = [{"role": "assistant", "content": r"It is \boxed{42}."}]
    guessed = [{"role": "assistant", "content": r"It is \boxed{41}."}]
    assert reward_from_tool([said, guessed, said], [environment, environment, silent]) == [1.0, 0.0, 0.0]


def test_a_cell_that_hangs_is_told_of_and_costs_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    # a kernel of its own, whose limit is short
    with Sandbox(limits=Limits(cell_seconds=1.0)) as box:
        monkeypatch.setitem(trl_module._boxes, os.getpid(), box)
        hung = PythonEnvironment()
        hung.python("x = 7")
        assert "limit" in hung.python("while True: pass")
        assert hung.python("x") == "7"
        hung.reset()


TRAINER = """
import os, sys, time
from scdpo.environments.trl import PythonEnvironment
environment = PythonEnvironment()
environment.python("x = 1")
print("ready", flush=True)
environment.python("import time; time.sleep(9)")
"""


def test_sessions_end_with_a_trainer_that_is_killed() -> None:
    trainer = subprocess.Popen([sys.executable, "-c", TRAINER], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == "ready\n"
    started = psutil.Process(trainer.pid).children(recursive=True)
    assert started
    trainer.kill()
    trainer.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
