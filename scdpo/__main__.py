"""``python -m scdpo``: the command line, for launchers such as ``accelerate launch -m scdpo train``."""

from scdpo.cli import app

app(prog_name="scdpo")
