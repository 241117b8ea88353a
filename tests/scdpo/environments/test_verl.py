"""verl's agent loop: one kernel a roll-out, its calls in order, closed at the end.

verl needs a GPU to run a roll-out, so the loop runs on stand-ins for its base classes; the last test holds their
signatures against verl 0.9.1's.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

ROOT = Path(__file__).parents[3]
NAME = "scdpo.environments.verl"


class Schema(BaseModel):
    """verl.tools.schemas.OpenAIFunctionToolSchema."""

    type: str
    function: dict[str, Any]


@dataclass
class Tool:
    """verl.tools.function_tool.FunctionTool."""

    name: str
    fn: Any
    tool_schema: Any
    is_async: bool = False

    async def call(self, parameters: dict[str, Any]) -> Any:
        return (
            await self.fn(**parameters) if self.is_async else await asyncio.to_thread(self.fn, **parameters)
        )


class Loop:
    """verl's ToolAgentLoop: a turn is a list of calls, all awaited at once."""

    def __init__(self, *args: Any, tools: Any = None, **kwargs: Any) -> None:
        self.tools: dict[str, Any] = {}
        self.tool_schemas: list[dict[str, Any]] = []

    async def run(self, sampling_params: dict[str, Any], priority: int = 0, **kwargs: Any) -> Any:
        shown = []
        for turn in kwargs["turns"]:
            shown.append(await asyncio.gather(*(self.tools["python"].call({"code": code}) for code in turn)))
        if kwargs.get("fails"):
            raise RuntimeError("the model server went away")
        return shown


@pytest.fixture
def verl(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    registered: dict[str, type] = {}

    def register(name: str) -> Any:
        def keep(loop: type) -> type:
            registered[name] = loop
            return loop

        return keep

    for path, names in {
        "verl": {},
        "verl.experimental": {},
        "verl.experimental.agent_loop": {},
        "verl.experimental.agent_loop.agent_loop": {"register": register, "registered": registered},
        "verl.experimental.agent_loop.tool_agent_loop": {"ToolAgentLoop": Loop},
        "verl.tools": {},
        "verl.tools.function_tool": {"FunctionTool": Tool},
        "verl.tools.schemas": {"OpenAIFunctionToolSchema": Schema},
    }.items():
        stand_in = ModuleType(path)
        stand_in.__dict__.update(names)
        monkeypatch.setitem(sys.modules, path, stand_in)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    yield importlib.import_module(NAME)
    sys.modules.pop(NAME, None)


def run(loop: Any, turns: list[list[str]], **kwargs: Any) -> Any:
    return asyncio.run(loop.run({"temperature": 1.0}, turns=turns, **kwargs))


def test_variables_live_from_turn_to_turn_and_end_with_the_roll_out(verl: ModuleType) -> None:
    loop = verl.PythonAgentLoop()
    assert run(loop, [["x = 20"], ["x + 1"]]) == [[""], ["21"]]
    assert loop._environment._session is None
    assert "NameError" in run(loop, [["x"]])[0][0]


def test_calls_of_one_turn_run_in_their_order(verl: ModuleType) -> None:
    turns = [["import time; time.sleep(0.2); x = [1]", "x.append(2)", "x"]]
    assert run(verl.PythonAgentLoop(), turns) == [["", "", "[1, 2]"]]


def test_two_roll_outs_share_nothing(verl: ModuleType) -> None:
    one, two = verl.PythonAgentLoop(), verl.PythonAgentLoop()

    async def both() -> Any:
        return await asyncio.gather(one.run({}, turns=[["x = 1"], ["x"]]), two.run({}, turns=[[""], ["x"]]))

    first, second = asyncio.run(both())
    assert first[1] == ["1"]
    assert "NameError" in second[1][0]


def test_the_kernel_ends_when_the_roll_out_fails(verl: ModuleType) -> None:
    loop = verl.PythonAgentLoop()
    with pytest.raises(RuntimeError, match="went away"):
        run(loop, [["x = 1"]], fails=True)
    assert loop._environment._session is None


def test_the_policy_is_told_of_the_tool(verl: ModuleType) -> None:
    (schema,) = verl.PythonAgentLoop().tool_schemas
    assert schema["type"] == "function"
    assert schema["function"]["name"] == "python"
    assert schema["function"]["parameters"]["required"] == ["code"]


def test_the_loop_has_the_name_that_the_example_gives_it(verl: ModuleType) -> None:
    (named,) = yaml.safe_load((ROOT / "examples/verl/agent_loops.yaml").read_text())
    registered = sys.modules["verl.experimental.agent_loop.agent_loop"].registered
    assert named == {"name": verl.AGENT_NAME, "_target_": f"{NAME}.PythonAgentLoop"}
    assert registered == {verl.AGENT_NAME: verl.PythonAgentLoop}


@pytest.mark.trainers
def test_the_stand_ins_have_the_signatures_of_verl() -> None:
    pytest.importorskip("verl", reason="verl is not installed: make trainers")
    from verl.experimental.agent_loop.tool_agent_loop import ToolAgentLoop
    from verl.tools.function_tool import FunctionTool
    from verl.tools.schemas import OpenAIFunctionToolSchema

    for stand_in, real in ((Loop.__init__, ToolAgentLoop.__init__), (Tool.__init__, FunctionTool.__init__)):
        assert list(inspect.signature(stand_in).parameters) == list(inspect.signature(real).parameters)
    ours, theirs = (list(inspect.signature(kind.run).parameters) for kind in (Loop, ToolAgentLoop))
    assert ours == theirs
    from transformers.utils import get_json_schema

    from scdpo.environments.trl import PythonEnvironment

    schema = OpenAIFunctionToolSchema.model_validate(get_json_schema(PythonEnvironment().python))
    assert schema.model_dump(exclude_unset=True, exclude_none=True)["function"]["name"] == "python"
