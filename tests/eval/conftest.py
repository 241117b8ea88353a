"""Problems, settings and a folder with a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.results import Settings
from scdpo.data.problems import Problem
from tests.eval.make_run import make_run


@pytest.fixture
def problems() -> list[Problem]:
    """Ten problems, p0 … p9, whose gold is their number; two levels, three subjects."""
    return [
        Problem(f"p{i}", f"What is {i}?", str(i), "test", level=str(1 + i % 2), subject="abc"[i % 3])
        for i in range(10)
    ]


@pytest.fixture
def greedy() -> Settings:
    return Settings(engine="fake", checkpoint="fake-model", format="mathcoder")


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything in it, hostile text included; not to be changed."""
    return make_run(tmp_path_factory.mktemp("runs") / "example")
