"""Verdicts on a quiet and on a busy machine: the same pairs, verified cold, in one thread and in many at once.

    python benchmarks/verdicts_under_load.py --data ../shared/verifier/public.jsonl
    python benchmarks/verdicts_under_load.py --pairs 200        (generated pairs, needs no data)

Two fresh processes: one verifies with one thread and one worker; the other with ``--threads`` threads, each over all
the pairs in an order of its own, while ``--busy`` processes do nothing but use the processors. Prints how many verdicts
differ (status or reason); it must be none.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this file's own folder comes first otherwise

from benchmarks.answer_pairs import labelled_pairs  # noqa: E402
from verifier import verify_many  # noqa: E402

Pairs = list[tuple[str, str]]


def load(data: Path | None, count: int) -> Pairs:
    """Return the pairs of a file of labelled answers, or generated ones."""
    if data is None:
        return [(p.prediction, p.gold) for p in labelled_pairs(count or 1000)]
    rows: list[dict[str, Any]] = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    return [(row["prediction"], row["gold"]) for row in rows][: count or None]


def statuses(pairs: Pairs, seed: int, workers: int) -> list[tuple[str, str]]:
    """Verify the pairs in an order that the seed gives; return status and reason in the pairs' own order."""
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    verdicts = verify_many([pairs[i] for i in order], workers=workers)
    return [
        (v.status, v.reason) for _, v in sorted(zip(order, verdicts, strict=True), key=lambda one: one[0])
    ]


def measure(pairs: Pairs, threads: int, workers: int) -> list[list[tuple[str, str]]]:
    """Return what each thread found; all begin at once, and no worker runs before."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda seed: statuses(pairs, seed, workers), range(threads)))


def in_a_fresh_process(arguments: argparse.Namespace, threads: int, workers: int) -> Any:
    command = [sys.executable, __file__, "--measure", f"{threads},{workers}", "--pairs", str(arguments.pairs)]
    command += ["--data", str(arguments.data)] if arguments.data else []
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="labelled pairs as JSON Lines; generated pairs if not given"
    )
    parser.add_argument("--pairs", type=int, default=0, help="how many pairs (0: all, or 1,000 generated)")
    parser.add_argument("--threads", type=int, default=12, help="threads of the busy run")
    parser.add_argument(
        "--busy", type=int, default=12, help="processes beside it that only use the processors"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        threads, workers = map(int, arguments.measure.split(","))
        print(json.dumps(measure(load(arguments.data, arguments.pairs), threads, workers)))
        return
    pairs = load(arguments.data, arguments.pairs)
    before = os.getloadavg()[0]
    (quiet,) = in_a_fresh_process(arguments, 1, 1)
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)]
    try:
        started = time.perf_counter()
        busy = in_a_fresh_process(arguments, arguments.threads, 2)
    finally:
        for process in spinning:
            process.kill()
            process.wait()
    differing = [(i, n) for n, found in enumerate(busy) for i, one in enumerate(found) if one != quiet[i]]
    print(f"{len(pairs)} pairs, one thread at load {before:.0f}; then {arguments.threads} threads beside "
          f"{arguments.busy} busy processes in {time.perf_counter() - started:.0f} s")  # fmt: skip
    print(f"{len(differing)} of {len(pairs) * len(busy)} verdicts differ")
    for index, thread in differing[:20]:
        print(f"  {pairs[index]}: {quiet[index]} but {busy[thread][index]}")
    raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
