"""An agent loop for verl: one isolated kernel a roll-out, that keeps its variables from call to call.

verl makes and releases a tool around every call, so a tool of its own kind forgets; a loop lives as long as its
roll-out. Name it in the file of ``actor_rollout_ref.rollout.agent.agent_loop_config_path``
(``examples/verl/agent_loops.yaml``) and in the data's column ``agent_name``. The reward is
``verifier.rewards.compute_score``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from transformers.utils import get_json_schema
from verl.experimental.agent_loop.agent_loop import register
from verl.experimental.agent_loop.tool_agent_loop import ToolAgentLoop
from verl.tools.function_tool import FunctionTool
from verl.tools.schemas import OpenAIFunctionToolSchema

from scdpo.environments.trl import PythonEnvironment

AGENT_NAME = "scdpo_python"


@register(AGENT_NAME)
class PythonAgentLoop(ToolAgentLoop):  # type: ignore[misc]
    """verl's ``tool_agent`` with the tool ``python`` beside those of the configuration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._environment = PythonEnvironment()
        self._turn = asyncio.Lock()
        schema = OpenAIFunctionToolSchema.model_validate(get_json_schema(self._environment.python))
        tool = FunctionTool("python", self._python, schema, is_async=True)
        self.tools[tool.name] = tool
        self.tool_schemas.append(schema.model_dump(exclude_unset=True, exclude_none=True))

    async def _python(self, code: str) -> str:
        async with self._turn:  # calls of one turn come at once, and a kernel runs one cell at a time
            return await asyncio.to_thread(self._environment.python, code)

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> Any:
        """Run the roll-out; its kernel ends with it, however it ends."""
        try:
            return await super().run(sampling_params, **kwargs)
        finally:
            await asyncio.to_thread(self._environment.reset)
