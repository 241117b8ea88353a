"""Measure a model: benchmarks, intervals, comparisons and the report page."""

from importlib.metadata import version
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("scdpo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
