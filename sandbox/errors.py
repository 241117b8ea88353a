"""The errors callers of the sandbox can meet. None is ever raised for what a cell did.

Each package has one root error in a module of this name: `verifier` must not load `sandbox`, and neither may import
what stands to its right, so a root for all four would have to be a fifth package. The command line, which knows them
all, turns each root into one line.
"""

from __future__ import annotations


class SandboxError(RuntimeError):
    """The sandbox itself cannot go on; the root of this package's errors.

    SandboxError (a RuntimeError)
    ├── IsolationError   a layer that the level needs is missing on this machine; the message holds the fix
    └── SessionClosed    the session was closed, or has lost its state and cannot run another cell

    Arguments out of range raise ValueError.
    """


class IsolationError(SandboxError):
    """A required isolation layer is missing on this machine; the message holds the fix."""


class SessionClosed(SandboxError):
    """The session was closed, or its state was lost and it cannot run another cell."""
