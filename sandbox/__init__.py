"""Run the code of interleaved solutions in isolated kernels: see `Sandbox`."""

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
