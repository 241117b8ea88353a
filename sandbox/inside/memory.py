"""The bound on a session's address space, with a reserve above it for what must be said when it is met.

A cell runs under the soft limit, everything of ours under the hard one, so that a `MemoryError` can be shown and the
session goes on. Does not cover setting the limits (`isolation.levels`).
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class AddressSpace:
    """The session's two limits, as they were when it began."""

    def __init__(self) -> None:
        """Read the limits of this process and take the reserve into use."""
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_AS)
        self.use_reserve()

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Hold a cell to its limit."""
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (self._soft, self._hard))
        try:
            yield
        finally:
            self.use_reserve()

    def use_reserve(self) -> None:
        """Let this process have the reserve too, until the next cell."""
        with suppress(ValueError):  # the cell has given the reserve up for good
            resource.setrlimit(resource.RLIMIT_AS, (self._hard, self._hard))
