"""inspect_ai: its own checks of a sandbox provider, its ``python`` tool, and an evaluation with the scorer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: make trainers")

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import python
from inspect_ai.util._sandbox import self_check

from sandbox import AsyncSandbox
from scdpo.environments.inspect import LIMITS, ScdpoSandbox, verified

pytestmark = pytest.mark.trainers
NEEDS_PROGRAMS = {
    "test_exec_as_user", "test_exec_env_vars", "test_exec_input_binary", "test_exec_large_command", "test_exec_output",
    "test_exec_output_utf", "test_exec_permission_error", "test_exec_returncode", "test_exec_stderr",
    "test_exec_stderr_utf", "test_exec_timeout_kills_child_processes", "test_exec_timeout_kills_process",
    "test_exec_timeout_not_raised_on_fast_signal_death", "test_write_text_file_without_permissions",
    "test_write_binary_file_without_permissions", "test_read_file_not_allowed", "test_cwd_custom",
    "test_read_file_is_directory",
}  # fmt: skip
"""Their checks that start a shell, chmod, printf or adduser, or look into /etc or /usr/bin: there are none inside."""
CHECKS = sorted(set(self_check.__all__) - NEEDS_PROGRAMS)


@pytest.fixture(scope="module")
def box() -> Iterator[AsyncSandbox]:
    made = AsyncSandbox(LIMITS)
    yield made
    asyncio.run(made.close())


def run(box: AsyncSandbox, check: Any) -> Any:
    async def work() -> Any:
        environment = ScdpoSandbox(box)
        try:
            return await check(environment)
        finally:
            await environment.close()

    return asyncio.run(work())


@pytest.mark.parametrize("name", CHECKS)
def test_their_check_passes(box: AsyncSandbox, name: str) -> None:
    run(box, getattr(self_check, name))


def test_no_check_of_theirs_is_left_out_but_for_those_that_need_programs() -> None:
    assert set(self_check.__all__) >= NEEDS_PROGRAMS
    for name in NEEDS_PROGRAMS:
        source = inspect.getsource(getattr(self_check, name))
        assert any(word in source for word in ('"sh"', "chmod", "adduser", "printf", "/usr/bin", "/etc"))


def test_python_runs_apart_each_time_and_its_files_stay(box: AsyncSandbox) -> None:
    async def check(sandbox: ScdpoSandbox) -> None:
        first = await sandbox.exec(["python3", "-c", "x = 1; open('kept', 'w').write('here'); print('out')"])
        assert (first.success, first.stdout) == (True, "out\n")
        second = await sandbox.exec(
            ["python3", "-"], input="import sys\nprint(open('kept').read())\nsys.exit(7)"
        )
        assert (second.returncode, second.stdout) == (7, "here\n")
        third = await sandbox.exec(["bash", "--login", "-c", "python3 -"], input="x")
        assert third.returncode == 1
        assert "NameError" in third.stderr
        await sandbox.write_file("program.py", "import sys\nprint(sys.argv[1:])")
        assert (await sandbox.exec(["python", "program.py", "a b"])).stdout == "['a b']\n"

    run(box, check)


@pytest.mark.parametrize("cmd", [["bash", "-c", "ls | wc -l"], ["gcc", "x.c"], ["bash", "-c", "echo $(ls)"]])
def test_a_program_is_one_that_is_not_there(box: AsyncSandbox, cmd: list[str]) -> None:
    async def check(sandbox: ScdpoSandbox) -> None:
        assert (await sandbox.exec(cmd)).returncode == 127

    run(box, check)


def test_a_cell_that_hangs_or_dies_costs_its_own_command(box: AsyncSandbox) -> None:
    async def check(sandbox: ScdpoSandbox) -> None:
        with pytest.raises(TimeoutError):
            await sandbox.exec(["python3", "-c", "while True: pass"], timeout=1)
        assert not (await sandbox.exec(["python3", "-c", "import os; os._exit(1)"])).success
        assert (await sandbox.exec(["python3", "-c", "print(1)"])).stdout == "1\n"

    run(box, check)


def test_an_evaluation_with_the_tool_and_the_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(text: str) -> int:  # theirs fetches a table
        return len(text.split())

    monkeypatch.setattr("inspect_ai.model._model.count_text_tokens", count)

    def call() -> ModelOutput:
        return ModelOutput.for_tool_call("mockllm/model", "python", {"code": "print(6 * 7)"})

    def say(text: str) -> ModelOutput:
        return ModelOutput.from_content("mockllm/model", text)

    task = Task(
        dataset=[Sample("What is 6 * 7?", target="42"), Sample("What is 1/2?", target="0.5")],
        solver=[use_tools(python()), generate()],
        scorer=verified(),
        sandbox="scdpo",
    )
    said = [call(), say(r"It is \boxed{42}."), call(), say(r"It is \boxed{\frac{1}{3}}.")]
    (log,) = inspect_ai.eval(
        task, model=get_model("mockllm/model", custom_outputs=said), log_dir=str(tmp_path), display="none",
        max_samples=1, max_tasks=1,
    )  # fmt: skip
    assert log.status == "success", log.error
    assert log.samples is not None
    assert [sample.scores["verified"].value for sample in log.samples if sample.scores] == ["C", "I"]
    assert log.samples[0].scores is not None
    assert log.samples[0].scores["verified"].answer == "42"
    shown = [message.text for message in log.samples[0].messages if message.role == "tool"]
    assert shown == ["42\n"]
