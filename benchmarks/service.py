"""Load test of the HTTP service: many clients at once on loopback, some of them hostile.

    python benchmarks/service.py [--clients 200] [--hostile 0.05] [--seconds 15] [--workers 2] [--json FILE]

Starts a service process of its own with its usual settings and drives it from this process over kept-alive
connections, each client sending its next request when the last one is answered. Ordinary requests are labelled pairs,
whose verdict is checked; hostile ones are costly mathematics, huge or nested texts and broken bodies. Clients and
service share the machine, so the rate is that of both together; the processor time that the serving process took for
a request is given beside it, as it depends less on what else the machine does.
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
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (
    "import sys; from verifier.service import *; serve(ServiceSettings(port=0, workers=int(sys.argv[1])))"
)

HEAD = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

HOSTILE = [
    json.dumps({"prediction": prediction, "gold": gold}).encode()
    for prediction, gold in [
        (r"\boxed{9^{9^{9^{9}}}}", "7"),
        (r"\boxed{((1000!)!)!}", "6"),
        (r"\boxed{\int_0^\infty \frac{x^3}{e^x-1} dx}", r"\frac{\pi^4}{15}"),
        (r"\boxed{\sum_{n=1}^{\infty} \frac{1}{n^2}}", r"\frac{\pi^2}{6}"),
        (r"\boxed{(x+y+z+1)^{300}}", r"(1+x+y+z)^{300}"),
        (r"\boxed{" + r"\sqrt{2+" * 300 + "2" + "}" * 300 + "}", "2"),
        ("(" * 30_000 + "1" + ")" * 30_000, "1"),
        (r"\boxed{" * 20_000, "1"),
        (" ".join(rf"\boxed{{{n}}}" for n in range(20_000)), "1"),
        ("9" * 100_000, "1"),
        ("1+" * 50_000 + "1", "50001"),
        (r"\boxed{__import__('os').system('sleep 9')}", "1"),
    ]
] + [b"[" * 100_000, b'{"prediction": "\\ud800", "gold": "1"}', b"\xff" * 1000, b" " * 1_100_000, b"{}"]


def ordinary(rng: random.Random) -> tuple[bytes, bool]:
    """Return a labelled pair as a request body, and whether it is correct."""
    a, b = rng.randint(1, 999), rng.randint(2, 99)
    gold, same = rng.choice(
        [
            (rf"\frac{{{a}}}{{{b}}}", rf"\frac{{{2 * a}}}{{{2 * b}}}"),
            (str(a), f"{a}.0"),
            (rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}"),
            (f"({a}, {b})", rf"\left({a},{b}\right)"),
            (f"{a}x+{b}", f"{b} + {a} x"),
            (rf"{a}\%", rf"{a}\%"),
        ]
    )
    correct = rng.random() < 0.7
    answer = same if correct else str(1000 + a)
    text = f"First we look at the numbers. Then, after some work, the answer is $\\boxed{{{answer}}}$."
    return json.dumps({"prediction": text, "gold": gold}).encode(), correct


@dataclass
class Tally:
    """What was seen."""

    ordinary: list[float] = field(default_factory=list)
    hostile: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    broken: int = 0


async def ask(port: int, body: bytes, streams: list[Any]) -> tuple[int, bytes]:
    """Send one request over the client's connection, opening one where there is none."""
    if not streams:
        streams.extend(await asyncio.open_connection("127.0.0.1", port))
    reader, writer = streams
    writer.write(HEAD % len(body) + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    answer = await reader.readexactly(length)
    if b"connection: close" in lines:
        writer.close()
        streams.clear()
    return int(lines[0].split()[1]), answer


async def client(number: int, port: int, hostile: float, until: float, tally: Tally) -> None:
    """Send requests one after the other."""
    rng = random.Random(number)
    streams: list[Any] = []
    while time.monotonic() < until:
        is_hostile = rng.random() < hostile
        body, correct = (rng.choice(HOSTILE), False) if is_hostile else ordinary(rng)
        started = time.monotonic()
        try:
            status, answer = await ask(port, body, streams)
        except (OSError, asyncio.IncompleteReadError):
            tally.broken += 1
            streams.clear()
            continue
        seconds = time.monotonic() - started
        tally.statuses[f"{'hostile' if is_hostile else 'ordinary'} {status}"] += 1
        (tally.hostile if is_hostile else tally.ordinary).append(seconds)
        if status in (429, 503):
            await asyncio.sleep(1)
        elif not is_hostile and (status != 200 or json.loads(answer)["correct"] != correct):
            tally.wrong += 1
    if streams:
        streams[1].close()


def quantile(values: list[float], share: float) -> float:
    """Return a quantile in milliseconds, or 0 of nothing."""
    ordered = sorted(values)
    return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


async def load(port: int, args: argparse.Namespace) -> Tally:
    """Run all clients."""
    tally = Tally()
    until = time.monotonic() + args.seconds
    await asyncio.gather(*(client(n, port, args.hostile, until, tally) for n in range(args.clients)))
    return tally


def main() -> None:
    """Start the service, load it, print what was seen, and stop it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--hostile", type=float, default=0.05, help="share of hostile requests, 0 to 1")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    log = ROOT / ".service-benchmark.log"
    with log.open("w+") as stderr:
        service = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(args.workers)], cwd=ROOT, stderr=stderr
        )
        try:
            port = wait_for_port(service, log)
            before, used = os.getloadavg()[0], cpu_seconds(service.pid)
            started = time.monotonic()
            tally = asyncio.run(load(port, args))
            elapsed = time.monotonic() - started
            counters = scrape(port)
            used, memory = cpu_seconds(service.pid) - used, resident_mb(service.pid)
            service.send_signal(signal.SIGTERM)
            exit_code = service.wait(timeout=60)
        finally:
            if service.poll() is None:
                service.kill()
                service.wait()
            log.unlink()
    answered = len(tally.ordinary) + len(tally.hostile)
    numbers = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load before {before:.1f}",
        "clients": args.clients,
        "hostile_share": args.hostile,
        "seconds": round(elapsed, 1),
        "requests": answered,
        "requests_per_second": round(answered / elapsed, 1),
        "serving_cpu_ms_per_request": round(1000 * used / answered, 2),
        "ordinary_ms": {
            f"p{int(100 * q)}": round(quantile(tally.ordinary, q), 1) for q in (0.5, 0.95, 0.99, 1.0)
        },
        "hostile_ms": {
            f"p{int(100 * q)}": round(quantile(tally.hostile, q), 1) for q in (0.5, 0.95, 0.99, 1.0)
        },
        "statuses": dict(sorted(tally.statuses.items())),
        "wrong_or_failed_ordinary": tally.wrong,
        "broken_connections": tally.broken,
        "checks_moved_to_the_slow_lane": counters["scdpo_checks_moved_total"],
        "workers_replaced": counters["scdpo_workers_replaced_total"],
        "service_memory_mb": memory,
        "exit_code": exit_code,
    }
    text = json.dumps(numbers, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


def wait_for_port(service: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port that the service's log names."""
    for _ in range(600):
        for line in log.read_text().splitlines():
            if line.startswith("{") and (entry := json.loads(line))["event"] == "listening":
                return int(entry["port"])
        if service.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"the service did not start:\n{log.read_text()}")


def scrape(port: int) -> dict[str, int]:
    """Return the service's counters."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: int(float(value)) for name, value in found if name.endswith("_total")}


def cpu_seconds(pid: int) -> float:
    """Return the processor time of the serving process alone, without its workers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> int:
    """Return the memory of the serving process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
