"""(a) Every row of ``benchmarks/trainer.py`` on a GPU, after losses of tree and plain path were compared.

    python -m experiments.gpu.speed OUT --minutes 9
    python -m experiments.gpu.speed OUT --toy          # on a processor

First 0.5 B parameters in full, then 7 B with LoRA; each row is a part of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.trainer import ROWS
from experiments.gpu.budget import Budget


def main() -> None:
    """Read the options and run the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--toy", action="store_true", help="a tiny model on a processor")
    options = parser.parse_args()
    budget = Budget(options.output, options.minutes)
    base = ["benchmarks/trainer.py", "--mix", "MATH", "--device", "cpu" if options.toy else "cuda"]
    sizes = {
        "0.5 B": ["--size", "0.5b", "--problems", "120", "--steps", "20"],
        "7 B LoRA": ["--size", "7b", "--lora", "--checkpointing", "--problems", "60", "--steps", "6"],
    }
    if options.toy:
        sizes = {"toy": ["--size", "toy", "--problems", "8", "--steps", "2"]}
    first = next(iter(sizes.values()))
    budget.command("tree and plain path", [*base, *first, "--check"], last_line=True)
    for size, chosen in sizes.items():
        for row in ("ours", *(row for row in ROWS if row != "ours")):
            budget.command(f"{size}, {row}", [*base, *chosen, "--row", row], last_line=True)
    budget.end()


if __name__ == "__main__":
    main()
