"""OpenEnv: the server as uvicorn starts it, spoken to by OpenEnv's own client."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("openenv", reason="openenv is not installed: make trainers")

from openenv.core import GenericEnvClient

pytestmark = pytest.mark.trainers
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "scdpo.environments.openenv:app", "--factory", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "SCDPO_EPISODES": "4"},
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")


def test_an_episode_keeps_its_variables_and_ends_with_a_reward(url: str) -> None:
    with GenericEnvClient(base_url=url).sync() as env:
        assert env.reset(gold="42").done is False
        env.step({"code": "x = 6"})
        assert env.step({"code": "x * 7"}).observation["output"] == "42"
        end = env.step({"answer": r"It is \boxed{42}."})
        assert (end.reward, end.done) == (1.0, True)
        env.reset(gold="43")
        assert "NameError" in env.step({"code": "x"}).observation["output"]
        assert env.step({"answer": r"It is \boxed{42}."}).reward == 0.0


def test_an_answer_without_a_gold_one_is_not_rewarded(url: str) -> None:
    with GenericEnvClient(base_url=url).sync() as env:
        env.reset()
        assert env.step({"answer": "42"}).reward is None


def test_episodes_at_once_share_nothing(url: str) -> None:
    with GenericEnvClient(base_url=url).sync() as one, GenericEnvClient(base_url=url).sync() as two:
        one.reset()
        two.reset()
        one.step({"code": "x = 1"})
        assert "NameError" in two.step({"code": "x"}).observation["output"]


def test_a_dead_kernel_costs_its_own_episode_its_state(url: str) -> None:
    with GenericEnvClient(base_url=url).sync() as env:
        env.reset()
        env.step({"code": "import os; os._exit(1)"})
        assert env.step({"code": "1 + 1"}).observation["output"] == "2"


def test_the_image_file_copies_what_the_package_needs() -> None:
    recipe = (ROOT / "examples/openenv/Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (.+) \S+$", recipe, re.MULTILINE))
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
    assert {"sandbox", "verifier", "scdpo", "eval"} <= copied
