"""``python -m scdpo.cli``: this package's verbs, for launchers such as ``accelerate launch -m scdpo.cli train``."""

from scdpo.cli import app, data, tools, train

__all__ = ["data", "tools", "train"]

app()
