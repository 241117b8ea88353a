"""Run the code of interleaved solutions in isolated kernels: see `Sandbox`."""

from .core import Origin
from .limits import CellResult, IsolationError, Level, Limits, SandboxError, SessionClosed, Status
from .session import AsyncSandbox, AsyncSession, Sandbox, Session
from .solution import Block, Solution, Step

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
