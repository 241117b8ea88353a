"""Measure the sandbox against a stock ipykernel and a loop that starts one for every solution, in one run.

    python benchmarks/sandbox.py --quick                 # about two minutes
    python benchmarks/sandbox.py --out results/sandbox   # every figure, with plots; wants a quiet machine

Prints a table of medians and ratios; with --out also writes it as JSON and plots how cost grows with sessions, cells
and prefix length. The stock kernel is driven by its public client, as its users drive it; the reference loop starts a
fresh one for each solution and shuts it down politely, as code that generates training data was found to do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# ruff: noqa: E402
# Run as a script, this file's own folder comes first, and this file would stand in for the package it measures.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil
from jupyter_client.manager import KernelManager, start_new_kernel

from sandbox import AsyncSandbox, Limits, Sandbox

SOLUTION = (
    "from sympy import *\nx = symbols('x')",
    "roots = solve(x**2 - 5*x + 6, x)\nroots",
    "sum(roots)",
)


def median(work: Callable[[], Any], repeats: int) -> float:
    """Return the median milliseconds of `repeats` calls."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def run_stock(client: Any, code: str) -> None:
    client.execute_interactive(code, timeout=60, output_hook=lambda message: None)


def stock_first_result() -> None:
    manager, client = start_new_kernel()
    run_stock(client, "print(1)")
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def reference_solution() -> None:
    manager = KernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    for code in SOLUTION:
        run_stock(client, code)
    client.stop_channels()
    manager.shutdown_kernel()


def first_result(box: Sandbox) -> None:
    with box.session() as session:
        assert session.run("print(1)").output == "1"


def solution(box: Sandbox) -> None:
    with box.session() as session:
        assert [session.run(code).output for code in SOLUTION][-1] == "5"


def percentile(times: list[float], share: float) -> float:
    """Return the value below which `share` of `times` lie."""
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def pool_and_forks(repeats: int) -> dict[str, float]:
    """A session taken from the pool, a hundred forks of one state with NumPy, and what live sessions take."""
    found: dict[str, float] = {}
    with Sandbox(level="strict", warm=8) as box:
        first_result(box)
        times = []
        for _ in range(repeats):
            time.sleep(0.1)
            started = time.perf_counter()
            session = box.session()
            times.append((time.perf_counter() - started) * 1e3)
            session.close()
        found["a session from the pool, median, ms"] = percentile(times, 0.5)
        found["a session from the pool, 99 %, ms"] = percentile(times, 0.99)
    with Sandbox(level="strict", warm=0, max_sessions=512) as box:
        with box.session() as session:
            session.run("import numpy as np\na = np.arange(10_000.0)\nnp.linalg.inv(np.eye(50))")

            times = []
            for _ in range(5):
                started = time.perf_counter()
                copies = session.fork(100)
                times.append((time.perf_counter() - started) * 1e3)
                for copy in copies:
                    assert copy.origin.kind == "fork"
                    copy.close()
            found["a hundred forks of one state, ready, ms"] = statistics.median(times)
        base = pss_mib(psutil.Process().children(recursive=True))
        held = [box.session() for _ in range(100)]
        for each in held:
            each.run("import numpy as np\nnp.arange(10).sum()")
        grown = pss_mib(psutil.Process().children(recursive=True)) - base
        found["a live session that has used NumPy, MiB"] = grown / len(held)
        for each in held:
            each.close()
    return found


def pss_mib(processes: list[psutil.Process]) -> float:
    """Proportional memory of those of `processes` that have not ended since they were listed."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**20


def single(repeats: int) -> dict[str, Any]:
    """Figures of one session at a time."""
    found: dict[str, Any] = {}
    found["stock: start to first result, ms"] = median(stock_first_result, max(repeats // 4, 3))
    manager, client = start_new_kernel()
    run_stock(client, "1+1")
    found["stock: warm cell, ms"] = median(lambda: run_stock(client, "1+1"), repeats * 5)
    found["stock: idle kernel, MiB"] = pss_mib([psutil.Process(manager.provisioner.pid)])
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    found["reference loop: solution, ms"] = median(reference_solution, max(repeats // 4, 3))

    with Sandbox(level="strict", warm=0) as box:
        first_result(box)
        found["start to first result, ms"] = median(lambda: first_result(box), repeats)
        found["solution, ms"] = median(lambda: solution(box), repeats)
        with box.session() as session:
            session.run("1+1")
            found["warm cell, ms"] = median(lambda: session.run("1+1"), repeats * 5)
            for code in SOLUTION:
                session.run(code)

            def fork() -> None:
                with session.fork() as copy:
                    assert copy.run("x").output == "x"

            found["fork to first continuation result, ms"] = median(fork, repeats)
        base = pss_mib(psutil.Process().children(recursive=True))
        held = [box.session() for _ in range(24)]
        found["idle session, MiB"] = (pss_mib(psutil.Process().children(recursive=True)) - base) / len(held)
        for each in held:
            each.close()
    with Sandbox(level="strict", warm=4) as box:
        first_result(box)

        def rested() -> None:
            first_result(box)

        times = []
        for _ in range(repeats):
            time.sleep(0.1)
            times.append(median(rested, 1))
        found["start to first result from the warm pool, ms"] = statistics.median(times)
    return found


async def rate(count: int, hang: float = 0.0, concurrency: int = 16) -> tuple[float, int]:
    """Run `count` solutions at once, a share `hang` of which never ends; return solutions a second and how many
    came back with what they should."""
    limits = Limits(cell_seconds=2.0, grace_seconds=0.5)
    async with AsyncSandbox(limits, level="strict", max_sessions=concurrency) as box:

        async def one(i: int) -> bool:
            hangs = hang and i % round(1 / hang) == 0
            async with box.session() as session:
                if hangs:
                    return (await session.run("while True: pass")).status == "timeout"
                outputs = [(await session.run(code)).output for code in SOLUTION]
                return outputs[1:] == ["[2, 3]", "5"]

        await one(1)
        started = time.perf_counter()
        right = await asyncio.gather(*(one(i) for i in range(count)))
        return count / (time.perf_counter() - started), sum(right)


def growth(repeats: int) -> dict[str, list[tuple[int, float]]]:
    """How cost grows with live sessions, cells in a session, and cells before a fork."""
    curves: dict[str, list[tuple[int, float]]] = {
        "sessions": [],
        "cells": [],
        "prefix: fork": [],
        "prefix: replay": [],
    }
    with Sandbox(level="strict", warm=0) as box:
        first_result(box)
        held: list[Any] = []
        for count in (1, 8, 32, 64, 128):
            held += [box.session() for _ in range(count - len(held))]
            curves["sessions"].append((count, median(lambda: first_result(box), repeats)))
        for each in held:
            each.close()
        with box.session() as session:
            done = 0
            for count in (1, 10, 100, 1000):
                for i in range(count - done):
                    session.run(f"v{i} = {i}")
                done = count
                curves["cells"].append((count, median(lambda: session.run("1+1"), repeats)))
        for length in (1, 2, 4, 8, 16):
            prefix = [
                SOLUTION[0],
                *(f"r{i} = solve(x**2 - {i + 5}*x + {i + 1}, x)\nr{i}" for i in range(length - 1)),
            ]

            def replay(cells: list[str] = prefix) -> None:
                with box.session() as fresh:
                    for code in cells:
                        fresh.run(code)
                    fresh.run("x")

            with box.session() as session:
                for code in prefix:
                    session.run(code)

                def fork(parent: Any = session) -> None:
                    with parent.fork() as copy:
                        copy.run("x")

                curves["prefix: fork"].append((length, median(fork, repeats)))
            curves["prefix: replay"].append((length, median(replay, max(repeats // 4, 2))))
    return curves


def plot(curves: dict[str, list[tuple[int, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
    groups = (
        ("sessions already live", ["sessions"], "start to first result, ms"),
        ("cells run before", ["cells"], "warm cell, ms"),
        ("cells in the prefix", ["prefix: fork", "prefix: replay"], "to first continuation result, ms"),
    )
    for axis, (label, names, unit) in zip(axes, groups, strict=True):
        for name in names:
            axis.plot(*zip(*curves[name], strict=True), marker="o", label=name.removeprefix("prefix: "))
        axis.set_xlabel(label)
        axis.set_ylabel(unit)
        axis.set_xscale("log")
        if len(names) > 1:
            axis.set_yscale("log")
            axis.legend()
        else:
            axis.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no growth curves")
    parser.add_argument("--out", type=Path, help="folder for sandbox.json and sandbox.png")
    options = parser.parse_args()
    repeats = 12 if options.quick else 60
    load = os.getloadavg()[0]
    found = {**single(repeats), **pool_and_forks(repeats)}
    reference = 1000 / found["reference loop: solution, ms"]
    found["solutions a second, 16 at once"], _ = asyncio.run(rate(100 if options.quick else 600))
    count = 100 if options.quick else 1000
    _, right = asyncio.run(rate(count, hang=0.05, concurrency=32))
    found[f"of {count} at once with 5 % hanging, accounted for"] = right
    ratios = {
        "start: stock / ours": found["stock: start to first result, ms"] / found["start to first result, ms"],
        "warm cell: stock / ours": found["stock: warm cell, ms"] / found["warm cell, ms"],
        "solutions a second: ours / reference loop": found["solutions a second, 16 at once"] / reference,
        "solution, one at a time: reference loop / ours": found["reference loop: solution, ms"]
        / found["solution, ms"],
    }
    print(f"strict isolation, {os.cpu_count()} cores, load at start {load:.1f}\n")
    for name, value in {**found, **ratios}.items():
        print(f"| {name} | {value:.4g} |")
    report: dict[str, Any] = {"load": load, "figures": found, "ratios": ratios}
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        if not options.quick:
            report["growth"] = growth(repeats // 3)
            plot(report["growth"], options.out / "sandbox.png")
        (options.out / "sandbox.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
