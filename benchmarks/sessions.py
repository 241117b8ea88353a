"""Load test of the service's sessions: many live at once, small cells through HTTP, some of them bad neighbours.

    python benchmarks/sessions.py [--sessions 256] [--seconds 20] [--rate 200] [--bad 0.05] [--json FILE]

Four parts, each with what was lost counted. First all sessions run small cells as fast as they are answered, each
checking its own variable: what the service can carry. Then they do so at a steady rate, as sessions do whose model
writes in between, and a cell's time counts from when it was due. Then a share of them hangs, forks, floods and eats
memory instead, and the others go on at that rate. Last, the peer: what a loop has that sends each turn to a server of
`/run_jupyter`, where every request starts a stock kernel and runs the cells so far again. The peer is called in this
process, without HTTP. Rates are given by the second of processor time of the serving side (the service and all its
sessions), as clients and service share the machine. Ends in about two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder has a sandbox.py of its own
from benchmarks.service import quantile, resident_mb, wait_for_port  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
from sandbox import Limits
from verifier.service import ServiceSettings, serve
most = int(sys.argv[1])
serve(ServiceSettings(port=0, workers=1, max_requests=4 * most, max_sessions=most, session_idle_seconds=3600,
                      limits=Limits(cell_seconds=2, memory_mb=256)))
"""
BAD = [
    "while True: pass",
    "import time; time.sleep(60)",
    "[bytearray(10**8) for _ in range(100)]",
    "import os\nwhile True: os.fork()",
    "while True: print('x' * 10**6)",
    "import os; os._exit(1)",
]
TURNS = 8
"""Cells of a roll-out, for the peer: it runs 1 + 2 + ... + 8 of them."""


@dataclass
class Tally:
    """What was seen."""

    seconds: list[float] = field(default_factory=list)
    bad_seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    lost: int = 0


class Caller:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send a body; return the status and what came back."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        )
        writer.write(f"{head}{len(data)}\r\n\r\n".encode() + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        return int(lines[0].split()[1]), json.loads(await reader.readexactly(length))


async def open_all(port: int, count: int) -> list[tuple[Caller, str]]:
    """Open sessions, 16 at a time."""
    held: list[tuple[Caller, str]] = []
    at_once = asyncio.Semaphore(16)

    async def one() -> None:
        caller = Caller(port)
        async with at_once:
            status, made = await caller.post("/v1/sessions", {})
            assert status == 201, made
            await caller.post(f"/v1/sessions/{made['id']}/cells", {"code": "x = 0"})
        held.append((caller, made["id"]))

    await asyncio.gather(*(one() for _ in range(count)))
    return held


async def count_up(caller: Caller, session: str, until: float, tally: Tally, gap: float = 0) -> None:
    """Run small cells, one every `gap` seconds (0: one after the other), and check that no variable is lost."""
    status, reply = await caller.post(f"/v1/sessions/{session}/cells", {"code": "x"})
    value = int(reply["output"]) if status == 200 else 0
    due = time.monotonic() + gap * random.random()
    while time.monotonic() < until:
        if gap:
            await asyncio.sleep(due - time.monotonic())
        started = due if gap else time.monotonic()
        due += gap
        status, reply = await caller.post(f"/v1/sessions/{session}/cells", {"code": "x += 1; x"})
        tally.seconds.append(time.monotonic() - started)
        value += 1
        tally.statuses[str(status)] += 1
        tally.lost += status != 200 or reply["output"] != str(value)


async def misbehave(caller: Caller, session: str, number: int, until: float, tally: Tally) -> None:
    """Run bad cells, in a new session where the last one was lost."""
    while time.monotonic() < until:
        started = time.monotonic()
        code = BAD[number % len(BAD)]
        status, reply = await caller.post(f"/v1/sessions/{session}/cells", {"code": code})
        tally.bad_seconds.append(time.monotonic() - started)
        tally.statuses[f"bad {reply.get('status', status)}"] += 1
        number += 1
        if status != 200 or reply["state_lost"]:
            path = f"/v1/sessions/{session}"
            assert caller.streams is not None
            caller.streams[1].write(f"DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await caller.streams[0].readuntil(b"\r\n\r\n")
            status, made = await caller.post("/v1/sessions", {})
            if status != 201:
                tally.statuses[f"no session {status}"] += 1
                return
            session = made["id"]


async def load(port: int, args: argparse.Namespace, pid: int) -> dict[str, Any]:
    """Run the three parts against the service."""
    opening = time.monotonic()
    held = await open_all(port, args.sessions)
    opened = time.monotonic() - opening
    full, quiet, noisy = Tally(), Tally(), Tally()
    gap = len(held) / (args.rate * (os.cpu_count() or 1))
    before, started = tree_seconds(pid), time.monotonic()
    until = started + args.seconds
    await asyncio.gather(*(count_up(caller, id, until, full) for caller, id in held))
    used, wall = tree_seconds(pid) - before, time.monotonic() - started
    until = time.monotonic() + args.seconds
    await asyncio.gather(*(count_up(caller, id, until, quiet, gap) for caller, id in held))
    bad = max(1, round(args.bad * len(held))) if args.bad else 0
    until = time.monotonic() + args.seconds
    await asyncio.gather(
        *(misbehave(caller, id, n, until, noisy) for n, (caller, id) in enumerate(held[:bad])),
        *(count_up(caller, id, until, noisy, gap) for caller, id in held[bad:]),
    )
    return {
        "sessions": len(held),
        "seconds_to_open_all": round(opened, 1),
        "cells": len(full.seconds),
        "cells_per_second": round(len(full.seconds) / wall),
        "cells_per_processor_second": round(len(full.seconds) / used),
        "full_load_ms": quantiles(full.seconds),
        "at_a_rate_of": round(len(held) / gap),
        "at_that_rate_ms": quantiles(quiet.seconds),
        "with_bad_neighbours_ms": quantiles(noisy.seconds),
        "bad_sessions": bad,
        "bad_cells_ms": quantiles(noisy.bad_seconds),
        "statuses": dict(sorted((full.statuses + quiet.statuses + noisy.statuses).items())),
        "lost": full.lost + quiet.lost + noisy.lost,
        "service_memory_mb": resident_mb(pid),
    }


def peer(seconds: float) -> dict[str, Any]:
    """Run roll-outs of ``TURNS`` small cells as a loop over `/run_jupyter` does; return its rate."""
    until = time.monotonic() + seconds
    before, useful = children_seconds(), 0
    while time.monotonic() < until:
        for turn in range(1, TURNS + 1):
            manager, client = start_new_kernel(kernel_name="python3")
            for cell in range(turn):
                client.execute_interactive("x = 0" if cell == 0 else "x += 1; x", timeout=60, output_hook=len)
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            useful += 1
            if time.monotonic() > until:
                break
    return {"cells_per_processor_second": round(useful / (children_seconds() - before), 2), "cells": useful}


def quantiles(values: list[float]) -> dict[str, float]:
    """Return quantiles in milliseconds."""
    return {f"p{int(100 * q)}": round(quantile(values, q), 1) for q in (0.5, 0.95, 0.99, 1.0)}


def tree_seconds(pid: int) -> float:
    """Return the processor time of a process and all that it started and that lives."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(fields[1])
            used[int(folder.name)] = sum(int(n) for n in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def inside(one: int) -> bool:
        while one and one != pid:
            one = parents.get(one, 0)
        return one == pid

    return sum(seconds for one, seconds in used.items() if inside(one))


def children_seconds() -> float:
    """Return the processor time of the children of this process that ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """Start the service, load it, print what was seen, and stop it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=20, help="of each of the three parts")
    parser.add_argument("--rate", type=float, default=200, help="cells per second and core")
    parser.add_argument("--bad", type=float, default=0.05, help="share of bad neighbours, 0 to 1")
    parser.add_argument("--peer-seconds", type=float, default=20, help="0 leaves the peer out")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    log = ROOT / ".sessions-benchmark.log"
    numbers: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    numbers["load_before"] = round(os.getloadavg()[0], 1)
    most = str(args.sessions + 16)
    with log.open("w+") as stderr:
        service = subprocess.Popen([sys.executable, "-c", PROGRAM, most], cwd=ROOT, stderr=stderr)
        try:
            numbers |= asyncio.run(load(wait_for_port(service, log), args, service.pid))
            stopped = time.monotonic()
            service.send_signal(signal.SIGTERM)
            numbers["exit_code"] = service.wait(timeout=60)
            numbers["seconds_to_stop"] = round(time.monotonic() - stopped, 1)
        finally:
            if service.poll() is None:
                service.kill()
                service.wait()
            log.unlink()
    if args.peer_seconds:
        numbers["peer"] = peer(args.peer_seconds)
        ours, theirs = (n["cells_per_processor_second"] for n in (numbers, numbers["peer"]))
        numbers["times_the_peer"] = round(ours / theirs, 1)
    text = json.dumps(numbers, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
