r"""(b) Study C, a small pretrained model on a GPU: SFT, then rejection fine-tuning, DPO on naive pairs, and SCDPO.

    python -m experiments.gpu.end_to_end OUT MODEL --solutions SOLUTIONS.jsonl --problems data/train/gsm8k.jsonl.gz \
        --blocks 6 --limit 500 --tests 2000 --minutes 9
    python -m experiments.gpu.end_to_end OUT embedded --blocks 2 --toy     # on a processor, with the built-in model

SOLUTIONS is a ``solutions.jsonl`` to fine-tune on; without one, MODEL starts as it is. The problems are divided into
tests and disjoint blocks, each with its own samples, pairs and models, so that one fine-tuning gives as many replicates
as blocks; a question that SOLUTIONS holds too is an error, for recorded solutions often answer the test questions of
known benchmarks. Below a share of 8 % solved it stops: there is too little to learn from. Not covered: the tuning of
each method.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from experiments.gpu.budget import Budget
from scdpo.data.problems import Problem, generated, load_problems

_LEAST_SOLVED = 0.08
_TOY = 4
"""Problems of a block, and tests, at toy size."""


def main() -> None:
    """Read the options and run the stages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("model", help="a folder, or embedded")
    parser.add_argument("--solutions", type=Path, help="what to fine-tune on")
    parser.add_argument("--recipe", default="smollm2-135m-sft", help="of the fine-tuning")
    parser.add_argument("--problems", default="embedded", help="for blocks and tests")
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--limit", type=int, default=500, help="problems of a block")
    parser.add_argument("--tests", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--toy", action="store_true", help="a handful of problems, in a minute or two")
    options = parser.parse_args()
    if options.toy:
        options.limit = options.tests = _TOY
    budget = Budget(options.output, options.minutes)
    run_all(options, budget)
    budget.end()


def run_all(options: argparse.Namespace, budget: Budget) -> None:
    """Fine-tune, then run the blocks in order, as far as the time goes."""
    divide(options)
    start = options.model
    if options.solutions:
        start = str(options.output / "sft")
        source = options.output / "solutions"
        source.mkdir(exist_ok=True)
        shutil.copy(options.solutions, source / "solutions.jsonl")
        sft = ["sft", str(source), *_model(options.model), "--config", options.recipe, "--output", start]
        if not budget.command("sft", ["-m", "scdpo", *sft, *_short(options)]):
            return
    for block in range(options.blocks):
        if not run_block(options, budget, block, start):
            return


def divide(options: argparse.Namespace) -> None:
    """Write ``tests.jsonl`` and a file of problems for each block into the output folder.

    Raises:
        SystemExit: if there are too few problems, or the fine-tuning has a question of theirs.
    """
    wanted = options.tests + options.blocks * options.limit
    limit = wanted if generated(options.problems) else None
    problems = load_problems(options.problems, split="preference", limit=limit)
    problems = list({problem.question: problem for problem in problems}.values())
    if len(problems) < wanted:
        raise SystemExit(
            f"{options.problems} has {len(problems)} problems; {wanted} are wanted: lower --blocks, --limit or --tests"
        )
    if options.solutions:
        lines = options.solutions.read_text(encoding="utf-8").splitlines()
        seen = {json.loads(line)["question"] for line in lines}
        shared = [problem.id for problem in problems if problem.question in seen]
        if shared:
            raise SystemExit(
                f"{options.solutions} answers {len(shared)} questions of {options.problems}, {shared[0]} the first: "
                "fine-tune on solutions of others"
            )
    drawn = random.Random(0).sample(problems, wanted)
    _write(options.output / "tests.jsonl", drawn[: options.tests])
    for block in range(options.blocks):
        first = options.tests + block * options.limit
        _write(options.output / f"block-{block}.jsonl", drawn[first : first + options.limit])


def _write(path: Path, problems: Sequence[Problem]) -> None:
    rows = [{"id": p.id, "question": p.question, "answer": p.gold} for p in problems]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_block(options: argparse.Namespace, budget: Budget, block: int, start: str) -> bool:
    """Sample a block, make pairs, train and evaluate; return whether the next one should begin."""
    run = options.output / f"run-{block}"
    problems, tests = (str(options.output / f"{name}.jsonl") for name in (f"block-{block}", "tests"))

    def part(name: str, *command: str) -> bool:
        return budget.command(f"block {block}: {name}", ["-m", "scdpo", *command])

    model = _model(start)
    if not part(
        "sample", "sample", str(run), *model, "--problems", problems, "--at-most", "8", "--pairs", "4"
    ):
        return False
    solved = _solved(run)
    budget.save(f"block {block}: share of solutions that are right", solved)
    if solved < _LEAST_SOLVED:
        return False
    fewer = ["--attempts", "2", "--steps", "1"] if options.toy else []
    if not part("corrupt", "corrupt", str(run), *fewer):
        return False
    models = {"start": start} if block == 0 else {}
    short = _short(options)
    tuned = str(run / "model" / "rft")
    if part("train rft", "sft", str(run), *model, "--config", options.recipe, "--output", tuned, *short):
        models["rft"] = tuned
    for method in ("dpo", "scdpo"):
        if part(f"train {method}", "train", str(run), "--method", method, *model, *short):
            models[method] = str(run / "model" / method)
    for name, path in models.items():
        part(f"evaluate {name}", "evaluate", path, "--run", str(run), "--benchmark", tests, "--name", name)
    for file in sorted((run / "eval").glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        result = {"accuracy": found["accuracy"], "scores": found["scores"]}
        budget.save(f"block {block}: result {found['model']}", result)
    return True


def _model(name: str) -> list[str]:
    return [] if name == "embedded" else ["--model", name]


def _short(options: argparse.Namespace) -> list[str]:
    """Return the settings of a training at toy size."""
    return ["--set", "max_steps=2", "--set", "per_device_train_batch_size=2"] if options.toy else []


def _solved(run: Path) -> float:
    lines = (run / "solutions.jsonl").read_text(encoding="utf-8").splitlines()
    statuses = [json.loads(line)["verdict"]["status"] for line in lines]
    return statuses.count("correct") / max(1, len(statuses))


if __name__ == "__main__":
    main()
