"""Run the code of interleaved solutions in isolated kernels: see `Sandbox`."""

from importlib.metadata import version
from typing import Any

from sandbox.blocks import Block, Step
from sandbox.core import Origin
from sandbox.errors import IsolationError, SandboxError, SessionClosed
from sandbox.limits import CellResult, Level, Limits, Status
from sandbox.session import AsyncSandbox, AsyncSession, Sandbox, Session
from sandbox.solution import Solution

__all__ = [
    "AsyncSandbox",
    "AsyncSession",
    "Block",
    "CellResult",
    "IsolationError",
    "Level",
    "Limits",
    "Origin",
    "Sandbox",
    "SandboxError",
    "Session",
    "SessionClosed",
    "Solution",
    "Status",
    "Step",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("scdpo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
