"""A task with this verifier as its reward and an isolated kernel as its tool, for prime's verifiers (v1).

A taskset, which says where the problems are from, takes a dozen lines more: ``examples/verifiers_env`` is one, packaged
for the hub. The tool is scoped to the task: each roll-out has a server of its own, which is this module run as a
program, and so a kernel of its own.
"""

from __future__ import annotations

import asyncio

import verifiers.v1 as vf

from scdpo.environments.trl import PythonEnvironment
from verifier import verify_many


class MathData(vf.TaskData):  # type: ignore[misc]
    """A problem; ``prompt`` is its question."""

    answer: str


class PythonToolset(vf.Toolset[vf.ToolsetConfig]):  # type: ignore[misc]
    """One tool, ``python``: variables live from call to call."""

    TOOL_PREFIX = None

    def __init__(self, config: vf.ToolsetConfig) -> None:
        super().__init__(config)
        self._environment = PythonEnvironment()
        self._turn = asyncio.Lock()

    @vf.tool  # type: ignore[untyped-decorator]
    async def python(self, code: str) -> str:
        """Run Python code and return what it prints, with the value of its last line. Variables are kept."""
        async with self._turn:  # a kernel runs one cell at a time
            return await asyncio.to_thread(self._environment.python, code)


class MathTaskConfig(vf.TaskConfig):  # type: ignore[misc]
    """Settings of a task."""

    tools: vf.ToolsetConfig = vf.ToolsetConfig()


class MathTask(vf.Task[MathData, vf.State, MathTaskConfig]):  # type: ignore[misc]
    """A problem whose final answer is checked."""

    @classmethod
    def toolsets(cls, config: MathTaskConfig) -> list[vf.Toolset]:
        """Return the kernel of a roll-out."""
        return [PythonToolset(config.tools)]

    @vf.reward(weight=1.0)  # type: ignore[untyped-decorator]
    async def correct(self, trace: vf.Trace) -> float:
        """1.0 for a right final answer, else 0.0; ``unverifiable`` among the metrics says where that is not known."""
        return float(await self._status(trace) == "correct")

    @vf.metric  # type: ignore[untyped-decorator]
    async def unverifiable(self, trace: vf.Trace) -> float:
        """1.0 where it cannot be said whether the answer is right."""
        return float(await self._status(trace) == "unverifiable")

    async def _status(self, trace: vf.Trace) -> str:
        pair = (trace.last_reply, self.data.answer)
        (verdict,) = await asyncio.to_thread(verify_many, [pair])
        return verdict.status


if __name__ == "__main__":
    PythonToolset.run()
