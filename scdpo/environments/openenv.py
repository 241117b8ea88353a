r"""An OpenEnv server: a kernel an episode, and this verifier's verdict as the reward of its end.

    uvicorn scdpo.environments.openenv:app --factory --port 8000

``examples/openenv`` has the image file. A client resets with the gold answer, then steps with ``code`` as often as it
likes and at last with ``answer``:

    env.reset(gold="42")
    env.step({"code": "x = 6 * 7; x"})            # observation.output == "42"
    env.step({"answer": r"It is \boxed{42}."})     # reward == 1.0, done

The server asks for no key and listens where uvicorn is told to: on another address than loopback put a proxy before it.
Not covered: OpenEnv's own web page, which needs its ``web`` extra.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

from fastapi import FastAPI
from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app
from pydantic import Field

from scdpo.environments.trl import PythonEnvironment
from verifier import verify_many

MOST_EPISODES = 256
"""Episodes at once; ``SCDPO_EPISODES`` sets another bound."""


class PythonAction(Action):  # type: ignore[misc]
    """Run ``code``, or end the episode with ``answer``; with both, the code runs first."""

    code: str | None = Field(default=None, description="Python source")
    answer: str | None = Field(default=None, description="the final answer, or a solution that states it")


class PythonObservation(Observation):  # type: ignore[misc]
    """What the kernel showed, or why the answer is right or wrong."""

    output: str = ""


class MathEnvironment(Environment[PythonAction, PythonObservation, State]):  # type: ignore[misc]
    """One episode: one kernel, one gold answer."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._kernel = PythonEnvironment()
        self._gold: Any = None
        self._state = State()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, gold: Any = None, **kwargs: Any
    ) -> PythonObservation:
        """Begin an episode with an empty kernel.

        Args:
            seed: no effect.
            episode_id: a name for the episode.
            gold: the gold answer, a text, a number or a list of alternatives; without one no answer is rewarded.
            **kwargs: the other columns of a row; no effect.
        """
        self._kernel.reset()
        self._gold = gold
        self._state = State(episode_id=episode_id or uuid.uuid4().hex)
        return PythonObservation()

    def step(self, action: PythonAction, timeout_s: float | None = None, **kwargs: Any) -> PythonObservation:
        """Run code, or check the answer; a reward of None means that it could not be verified."""
        self._state.step_count += 1
        output = "" if action.code is None else self._kernel.python(action.code)
        if action.answer is None:
            return PythonObservation(output=output)
        (verdict,) = verify_many([(action.answer, self._gold)])
        reward = None if verdict.status == "unverifiable" else float(verdict.correct)
        self._kernel.reset()
        return PythonObservation(output=output or verdict.reason, reward=reward, done=True)

    @property
    def state(self) -> State:
        """The episode's name and its number of steps."""
        return self._state

    def close(self) -> None:
        """End the kernel."""
        self._kernel.reset()


def app() -> FastAPI:
    """Return the server."""
    most = int(os.environ.get("SCDPO_EPISODES", MOST_EPISODES))
    made: FastAPI = create_fastapi_app(
        MathEnvironment, PythonAction, PythonObservation, max_concurrent_envs=most, env_name="scdpo"
    )
    return made
