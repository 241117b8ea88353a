"""Fixtures of the sandbox tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import IsolationError, Limits, Sandbox

ROOT = Path(__file__).resolve().parents[2]
ORDINARY_USER = 12345


@pytest.fixture(scope="session")
def strict() -> None:
    """Skip where this machine cannot isolate strictly."""
    try:
        with Sandbox(level="strict", warm=0) as box:
            box.session().close()
    except IsolationError as refusal:
        pytest.skip(f"no strict isolation here: {refusal}")


@pytest.fixture(scope="module")
def box(strict: None) -> Iterator[Sandbox]:
    """A strict sandbox with short limits, shared by the tests of one file."""
    limits = Limits(cell_seconds=2, grace_seconds=0.7, memory_mb=512, disk_mb=16, files=512)
    with Sandbox(limits, level="strict", warm=1) as shared:
        yield shared


@pytest.fixture
def run_script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code or a script in a process of its own, as this user or (as root) as an ordinary one."""

    def run(
        *arguments: str, ordinary: bool = False, lacks: str = "", seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        if lacks:  # as as_host.py says
            command = [sys.executable, str(ROOT / "tests/sandbox/as_host.py"), lacks, *command]
        if ordinary:
            if os.geteuid() != 0:
                pytest.skip("already an ordinary user: the test as oneself covers it")
            command = [sys.executable, str(ROOT / "tests/sandbox/as_user.py"), str(ORDINARY_USER), *command]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment, cwd="/"
        )

    return run
