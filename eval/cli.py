"""The whole command line: the verbs of ``scdpo.cli``, and those that measure."""

from __future__ import annotations

from scdpo.cli import app, data

__all__ = ["app", "data"]
