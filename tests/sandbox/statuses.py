"""How often a cell's status is wrong: of recorded solutions, and of hostile and awkward cells.

    python tests/sandbox/statuses.py --sample 2000                  # recorded solutions, and all hostile cells
    PYTHONPATH=OLD python tests/sandbox/statuses.py --sample 2000   # the same of another version in folder OLD

A recorded cell's status should be `error` where the record ends in an exception, `timeout` where it says so, else `ok`
(or `output`). Of a solution the cells up to the first wrong one count, as later ones follow from it. What a hostile
cell must be stands beside it (`cells/hostile.jsonl`, "a|b" allows either). On a loaded machine cells
that take long are timeouts: raise `--seconds`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import gzip
import itertools
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox import Limits, Sandbox

HERE = Path(__file__).resolve().parent
HOSTILE = HERE / "cells/hostile.jsonl"
FILES = ("mathcoder_gsm8k", "mathcoder_math", "mathcoder_ood", "tora_gsm8k")
_EXCEPTION = re.compile(r"^\s*[A-Za-z_.]*(Error|Exception|Interrupt|Exit)\b.*\Z", re.M)


def recorded(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """Yield each recorded solution as its cells, with what the record says of each."""
    for name in FILES:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                blocks = [(b["type"], b["content"]) for b in json.loads(line)["blocks"]]
                pairs = itertools.pairwise(blocks)
                yield [(a[1], b[1]) for a, b in pairs if a[0] == "code" and b[0] == "execution"]


def expected(output: str) -> str:
    """Return the statuses that a recorded output allows."""
    if "Timed Out" in output or "TimeoutError" in output:
        return "timeout"
    last = output.strip().rpartition("\n")[2]
    return "error" if _EXCEPTION.match(last) else "ok|output"


def wrong_recorded(box: Sandbox, cells: list[tuple[str, str]]) -> tuple[int, dict[str, Any] | None]:
    """Run a solution; return how many of its cells were judged, and the first that was wrong."""
    with box.session() as session:
        for number, (code, output) in enumerate(cells, 1):
            result = session.run(code)
            if result.status not in expected(output).split("|"):
                return number, {
                    "kind": f"{expected(output)} is {result.status}",
                    "code": code,
                    "error": result.error,
                }
    return len(cells), None


def wrong_hostile(box: Sandbox, row: dict[str, Any]) -> tuple[str, list[str]] | None:
    """Run a hostile row; return its name and its statuses where they are not what they must be."""
    with box.session() as session:
        got = [session.run(code).status for code in row["cells"]]
    fits = all(status in must.split("|") for status, must in zip(got, row["must"], strict=True))
    return None if fits else (row["name"], got)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = Path(os.environ.get("SCDPO_SHARED", "../shared")) / "data/tir"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--sample", type=int, default=2000, help="recorded solutions, 0 for none")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="hostile cells whose names begin so")
    options = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(options.workers) as threads:
        if options.sample:
            chosen = random.Random(0).sample(list(recorded(options.data)), options.sample)
            with Sandbox(Limits(cell_seconds=options.seconds)) as box:
                found = list(threads.map(lambda cells: wrong_recorded(box, cells), chosen))
            cells, wrong = sum(count for count, _ in found), [each for _, each in found if each]
            print(f"recorded: {len(wrong)} of {cells} cells wrong ({len(wrong) / cells:.2%})")
            print(json.dumps(Counter(each["kind"] for each in wrong)))
        rows = [json.loads(line) for line in HOSTILE.read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row["name"].startswith(options.only)]
        results: list[tuple[str, list[str]] | None] = []
        for cpu, group in itertools.groupby(rows, lambda row: row.get("cpu_seconds", 600)):
            # Little memory, which even a loaded machine fills in time.
            limits = Limits(cell_seconds=options.seconds, memory_mb=128, cpu_seconds=cpu)
            with Sandbox(limits if cpu == 600 else Limits(cell_seconds=90, cpu_seconds=cpu)) as box:
                results += threads.map(lambda row: wrong_hostile(box, row), group)
    failed = [each for each in results if each]
    print(f"hostile: {len(failed)} of {len(rows)} wrong ({len(failed) / len(rows):.1%})")
    for name, got in failed:
        print(f"  {name}: {' '.join(got)}")


if __name__ == "__main__":
    main()
