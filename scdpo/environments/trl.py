"""An isolated, stateful Python tool for TRL's ``GRPOTrainer``, and a reward that sees where an answer came from.

    from scdpo.environments.trl import PythonEnvironment, reward_from_tool
    from verifier import accuracy_reward

    trainer = GRPOTrainer(
        model="Qwen/Qwen3-0.6B",
        train_dataset=dataset,  # a conversational prompt, and the gold answer in a column ``answer``
        reward_funcs=[accuracy_reward, reward_from_tool],
        environment_factory=PythonEnvironment,
    )

TRL makes one environment per roll-out of a batch and resets it for the next batch; it never closes one. So a session is
closed at the reset, and what is left ends with the process. Not covered: rollouts in other processes than the
trainer's; each process has a sandbox of its own.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from typing import Any

from sandbox import Limits, Sandbox, Session, SessionClosed
from verifier import verify_many
from verifier.rewards import Completion, completion_text

MOST_SESSIONS = 1024
"""Roll-outs that may hold a kernel at once in one process: more than any batch has."""
_boxes: dict[int, Sandbox] = {}
"""The sandbox of this process, by its process id: a forked child must not use its parent's."""


def shared_sandbox() -> Sandbox:
    """Return this process's sandbox; started when first asked for, closed when the process ends.

    Raises:
        SandboxError: if no isolation level can be had here (``scdpo doctor`` says why).
    """
    box = _boxes.get(os.getpid())
    if box is None:
        box = _boxes[os.getpid()] = Sandbox(limits=PythonEnvironment.limits, max_sessions=MOST_SESSIONS)
        atexit.register(box.close)
    return box


class PythonEnvironment:
    """One roll-out's kernel: variables live from call to call. TRL calls ``reset``; the policy calls ``python``.

    Attributes:
        limits: of each session; set it on the class before the trainer is made.
    """

    limits = Limits(cell_seconds=10, memory_mb=1024, output_chars=2000)

    def __init__(self) -> None:
        self._session: Session | None = None
        self._outputs: list[str] = []
        self._lost = False  # whether the kernel was lost and the policy has not been told

    def reset(self, **_: Any) -> None:
        """Begin another roll-out with an empty kernel; the columns of its row are not used."""
        self._close()
        self._outputs = []
        self._lost = False

    def python(self, code: str) -> str:
        """Run Python code and return what it prints, with the value of its last line. Variables are kept.

        Args:
            code: Python source, such as "x = 2**10" or "print(x)".

        Returns:
            The output, or the error.
        """
        try:
            result = None if self._lost else self._opened().run(code)
        except SessionClosed:  # its code, or the host short of memory, ended the kernel
            result = None
        if result is None:
            self._close()
            self._lost = False
            return "The kernel was lost with all variables. The next call starts a new one."
        self._outputs.append(result.output)
        if result.state_lost:
            self._close()
        return result.output

    def _opened(self) -> Session:
        if self._session is None:
            self._session = shared_sandbox().session()
        return self._session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def branch(environment: PythonEnvironment, count: int) -> list[PythonEnvironment]:
    """Return environments that go on from this one's state: forks of its kernel, so that no cell runs twice.

    Args:
        environment: stays as it is; if its kernel was lost, it and its branches are told so at their next calls.
        count: 1 or more.

    Raises:
        SandboxError: if no session can be had.
    """
    branches = [type(environment)() for _ in range(count)]
    session = environment._session
    forks: Sequence[Session | None] = [None] * count
    if session is not None:
        try:
            forks = session.fork(count)
        except SessionClosed:  # it was lost between two calls: each branch is told at its next one
            environment._close()
            environment._lost = True
    for one, fork in zip(branches, forks, strict=True):
        one._session, one._outputs, one._lost = fork, list(environment._outputs), environment._lost
    return branches


def reward_from_tool(
    completions: Sequence[Completion], environments: Sequence[PythonEnvironment], **_: Any
) -> list[float | None]:
    """Return 1.0 where the answer that a completion states is the last line of an output of its kernel, else 0.0.

    Give it beside ``accuracy_reward``: it pays for computing what is answered, not for being right.

    Args:
        completions: texts or conversations, one a roll-out.
        environments: of the roll-outs, as TRL passes them.
    """
    texts = [completion_text(completion) for completion in completions]
    asked = [
        (index, (text, line))
        for index, (text, environment) in enumerate(zip(texts, environments, strict=True))
        for line in dict.fromkeys(_last_lines(environment))
    ]
    verdicts = verify_many([pair for _, pair in asked])
    found = {index for (index, _), verdict in zip(asked, verdicts, strict=True) if verdict.correct}
    return [1.0 if index in found else 0.0 for index in range(len(texts))]


def _last_lines(environment: PythonEnvironment) -> list[str]:
    """Return the last line of each output: what a call was made for."""
    lines = (output.strip().splitlines()[-1:] for output in environment._outputs)
    return [line[0] for line in lines if line]
