"""(b) A small model from fine-tuning to evaluation on a GPU: SFT, DPO on as many naive pairs, and SCDPO.

    python -m experiments.gpu.end_to_end OUT MODEL --solutions SOLUTIONS.jsonl --minutes 9
    python -m experiments.gpu.end_to_end OUT embedded --toy      # on a processor, with the built-in model

SOLUTIONS is a ``solutions.jsonl`` to fine-tune on; without one, MODEL starts as it is. Samples and pairs are of
problems that it does not hold (``--problems``), and tests of others. Below a share of 8 % solved it stops: there is too
little to learn from. Not covered: several seeds; the figures are of one, and differences of a few points mean nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from experiments.gpu.budget import Budget

_LEAST_SOLVED = 0.08


def main() -> None:
    """Read the options and run the stages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("model", help="a folder, or embedded")
    parser.add_argument("--solutions", type=Path, help="what to fine-tune on")
    parser.add_argument("--problems", default="embedded")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--toy", action="store_true", help="a handful of problems, in a minute or two")
    options = parser.parse_args()
    budget = Budget(options.output, options.minutes)
    run_all(options, budget)
    budget.end()


def run_all(options: argparse.Namespace, budget: Budget) -> None:
    """Run the stages in order, as far as the time goes."""
    run = options.output / "run"
    start = [] if options.model == "embedded" else ["--model", options.model]
    limit = "4" if options.toy else str(options.limit)
    branches = ["--attempts", "2", "--steps", "1"] if options.toy else []
    short = ["--set", "max_steps=2", "--set", "per_device_train_batch_size=2"] if options.toy else []
    if options.solutions:
        run.mkdir(exist_ok=True)
        source = options.output / "solutions"
        source.mkdir(exist_ok=True)
        shutil.copy(options.solutions, source / "solutions.jsonl")
        fine_tuned = str(options.output / "sft")
        sft = [
            "-m",
            "scdpo.cli",
            "sft",
            str(source),
            *start,
            "--config",
            "smollm2-135m-sft",
            "--output",
            fine_tuned,
        ]
        if not budget.command("sft", sft):
            return
        start = ["--model", fine_tuned]
    sample = ["sample", str(run), *start, "--problems", options.problems, "--limit", limit, "--at-most", "8"]
    if not budget.command("sample", ["-m", "scdpo", *sample]):
        return
    solved = _solved(run)
    budget.save("share of solutions that are right", solved)
    if solved < _LEAST_SOLVED:
        return
    if not budget.command("corrupt", ["-m", "scdpo", "corrupt", str(run), *branches]):
        return
    for method in ("dpo", "scdpo"):
        train = ["train", str(run), "--method", method, *start, *short]
        budget.command(f"train {method}", ["-m", "scdpo", *train])
    models = {"start": start[-1] if start else "embedded"}
    models |= {method: str(run / "model" / method) for method in ("dpo", "scdpo")}
    for name, model in models.items():
        evaluate = ["evaluate", model, "--run", str(run), "--limit", limit, "--name", name]
        budget.command(f"evaluate {name}", ["-m", "scdpo", *evaluate])
    for file in sorted((run / "eval").glob("*.json")):
        budget.save(f"result {file.stem}", json.loads(file.read_text()).get("metrics"))


def _solved(run: Path) -> float:
    lines = (run / "solutions.jsonl").read_text(encoding="utf-8").splitlines()
    statuses = [json.loads(line)["verdict"]["status"] for line in lines]
    return statuses.count("correct") / max(1, len(statuses))


if __name__ == "__main__":
    main()
