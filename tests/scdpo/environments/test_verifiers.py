"""prime's verifiers: the task's reward, the tool's server as they start it, and the packaged taskset."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("verifiers", reason="verifiers is not installed: make trainers")

import verifiers.v1 as vf
from mcp import Client

from scdpo.environments.verifiers import MathData, MathTask, MathTaskConfig, PythonToolset

pytestmark = pytest.mark.trainers
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("reply", "correct", "unverifiable"),
    [(r"It is \boxed{\frac{1}{2}}.", 1.0, 0.0), (r"It is \boxed{2}.", 0.0, 0.0), ("", 0.0, 0.0)],
)
def test_the_reward_is_the_verdict(reply: str, correct: float, unverifiable: float) -> None:
    task = MathTask(MathData(prompt="What is a half?", answer="0.5"), MathTaskConfig())
    trace: Any = SimpleNamespace(last_reply=reply)
    assert asyncio.run(task.correct(trace)) == correct
    assert asyncio.run(task.unverifiable(trace)) == unverifiable


def test_each_roll_out_has_a_toolset_of_its_own() -> None:
    first, second = (MathTask.toolsets(MathTaskConfig())[0] for _ in range(2))
    assert isinstance(first, PythonToolset)
    assert first is not second


def test_the_server_of_the_tool_keeps_variables(tmp_path: Path) -> None:
    port = tmp_path / "port"
    server = subprocess.Popen(
        [sys.executable, "-m", PythonToolset.__module__],
        env={**os.environ, "MCP_PORT_FILE": str(port), "VF_CONFIG": vf.ToolsetConfig().model_dump_json()},
        cwd=ROOT,
    )
    try:
        asyncio.run(_use(port, server))
    finally:
        server.kill()
        server.wait()


async def _use(port: Path, server: subprocess.Popen[bytes]) -> None:
    while not port.exists() or not port.read_text():
        assert server.poll() is None
        await asyncio.sleep(0.2)
    await _until_it_answers(int(port.read_text()))
    async with Client(f"http://127.0.0.1:{port.read_text()}/mcp") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["python"]
        await client.call_tool("python", {"code": "x = 20"})
        reply = await client.call_tool("python", {"code": "x + 1"})
        assert reply.content[0].text == "21"


async def _until_it_answers(port: int) -> None:
    """Wait: the port is told before the server listens there."""
    for _ in range(300):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.2)
        else:
            writer.close()
            return
    raise AssertionError("the server did not answer")


def test_the_packaged_taskset_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples/verifiers_env"))
    from scdpo_math import MathTaskset
    from scdpo_math.taskset import MathConfig

    tasks = list(MathTaskset(MathConfig(limit=3)))
    assert len(tasks) == 3
    assert all(isinstance(task, MathTask) and task.data.prompt and task.data.answer for task in tasks)
    assert len({task.key for task in tasks}) == 3
