"""Hand a large run over: time and peak memory of ``scdpo status`` and ``scdpo export`` on many pairs.

    python benchmarks/handover.py --pairs 1000000    # 5 GB in a temporary folder, minutes

The pairs are synthetic, of the size of sampled ones (5 KB a line, token ids included), half of them step-controlled;
the folder is removed at the end. Not measured: ``--tokenizer``, which is the
tokenizer's work.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

# ruff: noqa: E402
# Run as a script, this file's own folder comes first, and this file's neighbours would stand in for packages.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from sandbox.blocks import BlockType
from scdpo.data.records import BlockRecord, OriginRecord, PairRecord

ROOT = Path(__file__).resolve().parents[1]
PAIRS_PER_PROBLEM = 8


def main() -> None:
    """Make the run, hand it over, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="Where the run is made; a temporary folder if not given.")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="handover-", dir=arguments.folder))
    try:
        write_pairs(folder / "pairs.jsonl", arguments.pairs)
        size = (folder / "pairs.jsonl").stat().st_size
        print(f"{arguments.pairs:,} pairs, {size / 1e9:.2f} GB")
        for verb in ("status", "export"):
            seconds, peak = measure(verb, folder)
            print(f"| scdpo {verb} | {seconds:.0f} s | {peak:.2f} GiB |")
    finally:
        shutil.rmtree(folder)


def write_pairs(path: Path, count: int) -> None:
    """Write synthetic pairs: one is made in full, the others differ in ids, problem and kind."""
    lines = [json.dumps(_pair(kind).model_dump(mode="json")) for kind in ("naive", "step_controlled")]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            line = lines[number % 2].replace("PROBLEM", f"set/train/{number // PAIRS_PER_PROBLEM}")
            file.write(line.replace("NUMBER", str(number)) + "\n")


def _pair(kind: Literal["naive", "step_controlled"]) -> PairRecord:
    stream = random.Random(kind)
    words = [stream.choice(["apples", "and", "twelve", "so", "x = 3 * 4", "then", "she"]) for _ in range(400)]

    def side(first: int) -> list[BlockRecord]:
        types: list[BlockType] = ["text", "code", "execution", "text"]
        return [
            BlockRecord(type=type, content=" ".join(words[first + 25 * i : first + 25 * i + 25]))
            for i, type in enumerate(types)
        ]

    def tokens(blocks: list[BlockRecord]) -> list[list[int]]:
        return [[stream.randrange(32_000) for _ in block.content.split()] for block in blocks]

    prefix = side(300)[:1] if kind == "step_controlled" else []
    chosen, rejected = side(0), side(100)
    return PairRecord(
        id="PROBLEM#0.NUMBER>#0.1",
        problem_id="PROBLEM",
        kind=kind,
        branch_step=0 if prefix else None,
        question=" ".join(words[200:260]),
        gold="12",
        format="mathcoder",
        prefix=prefix,
        chosen=chosen,
        rejected=rejected,
        chosen_answer="12",
        rejected_answer="13",
        prefix_tokens=tokens(prefix),
        chosen_tokens=tokens(chosen),
        rejected_tokens=tokens(rejected),
        origin=OriginRecord(
            chosen_id="PROBLEM#0.0",
            rejected_id="PROBLEM#0.NUMBER",
            corruptor="temperature" if prefix else "sampling",
            temperatures=[1.1, 1.15, 1.2, 1.25],
        ),
    )


MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measure(verb: str, folder: Path) -> tuple[float, float]:
    """Return seconds and peak memory in GiB of a verb on a run."""
    started = time.monotonic()
    command = [sys.executable, "-m", "scdpo", verb, str(folder)]
    # In a process between, which has no other child: the peak is that of all children.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return time.monotonic() - started, int(done.stdout) * _RSS_UNIT / 2**30


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024

if __name__ == "__main__":
    main()
