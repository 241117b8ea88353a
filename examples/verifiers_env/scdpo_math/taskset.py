"""The taskset: problems from any source that ``scdpo sample --problems`` takes."""

import verifiers.v1 as vf

from scdpo.data.problems import load_problems
from scdpo.environments.verifiers import MathData, MathTask, MathTaskConfig


class MathConfig(vf.TasksetConfig):
    """What a run may set."""

    problems: str = "embedded"
    limit: int = 500
    task: MathTaskConfig = MathTaskConfig()


class MathTaskset(vf.Taskset[MathTask, MathConfig]):
    """Problems with their gold answers."""

    def load(self) -> list[MathTask]:
        """Return the tasks."""
        problems = load_problems(self.config.problems, limit=self.config.limit)
        return [
            MathTask(MathData(id=p.id, prompt=p.question, answer=p.gold), self.config.task) for p in problems
        ]
