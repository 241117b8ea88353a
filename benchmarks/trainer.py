"""Pairs per second and peak memory of our trainer against stock TRL: same pairs, same model, one run.

    python benchmarks/trainer.py --solutions ../shared/data/tir/mathcoder_gsm8k.jsonl.gz

Makes pairs from recorded solutions (`question`, `answer`, `blocks`, `recorded_correct` a line): a naive
pair for each problem that has a right and a wrong one, and step-controlled pairs by branching from the
right one into the wrong one's last steps, in the paper's proportions (2.4 a problem as for MATH, 0.9 as for
GSM8K). Only the lengths matter here, and they are real. Both sides train the same small Llama with
reference scores computed beforehand; stock TRL counts every completion token, ours leaves the kernel's
output out. Each measurement is its own process; the two sides alternate. The time is that of the optimizer
steps after the first; on a machine that others use too, read the figure by processor time. Not covered:
the quality of what is trained.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

Blocks = list[dict[str, str]]
MIXES = {"MATH": 2.4, "GSM8K": 0.9}
BATCH = 8


def make_pairs(solutions: Path, mix: float, problems: int) -> list[dict[str, Any]]:
    """Return pair records with ``mix`` step-controlled pairs a problem on average."""
    from sandbox import Block, Solution

    by_problem: dict[str, dict[bool, dict[str, Any]]] = defaultdict(dict)
    with gzip.open(solutions, "rt") if solutions.suffix == ".gz" else open(solutions) as lines:
        for line in lines:
            row = json.loads(line)
            if row["recorded_correct"] is not None:
                by_problem[row["problem_id"]].setdefault(row["recorded_correct"], row)
    generator = random.Random(0)
    both = [sides for _, sides in sorted(by_problem.items()) if len(sides) == 2]
    generator.shuffle(both)
    records, owed = [], 0.0
    for sides in both[:problems]:
        right, wrong = (
            Solution(tuple(Block.from_dict(b) for b in sides[r]["blocks"])) for r in (True, False)
        )
        last = len(right.steps) - 2
        owed += mix
        branches = generator.sample(range(last + 1), min(int(owed), last + 1)) if last >= 0 else []
        owed -= len(branches)
        for k in [None, *sorted(branches)]:
            records.append(_record(sides[True], right, wrong, k, len(records)))
    return records


def _record(row: dict[str, Any], right: Any, wrong: Any, k: int | None, number: int) -> dict[str, Any]:
    if k is None:
        prefix, chosen, rejected = [], right.to_dicts(), wrong.to_dicts()
    else:
        prefix, chosen = right.prefix(k).to_dicts(), right.rest(k).to_dicts()
        steps = [
            b.to_dict() for step in wrong.steps[-max(1, len(right.steps) - 1 - k) :] for b in step.blocks
        ]
        rejected = steps
    return {
        "id": str(number), "problem_id": row["problem_id"], "kind": "naive" if k is None else "step_controlled",
        "question": row["question"], "prefix": prefix, "chosen": chosen, "rejected": rejected,
    }  # fmt: skip


def make_model(records: list[dict[str, Any]], folder: Path, width: int, layers: int, vocabulary: int) -> None:
    """Save a random Llama and a byte-level BPE tokenizer of the pairs' own text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from sandbox.formats import get_format

    special = ["<|pad|>", *get_format("mathcoder").special_tokens]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [b["content"] for r in records for side in ("prefix", "chosen", "rejected") for b in r[side]]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|endofmessage|>",
        additional_special_tokens=special[1:],
    )
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=width // 64, num_key_value_heads=width // 64, max_position_embeddings=2048,
        pad_token_id=fast.pad_token_id, eos_token_id=fast.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


def measure(side: str, pairs: Path, model: Path, checkpointing: bool) -> dict[str, float]:
    """Train one epoch with one trainer; return its figures."""
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer

    from sandbox import Block
    from scdpo.data.encoding import SolutionEncoder, encode_pairs
    from scdpo.training.config import SCDPOConfig
    from scdpo.training.trainer import SCDPOTrainer

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.steps: list[tuple[float, float]] = []

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.steps.append((time.perf_counter(), time.process_time()))

    records = [json.loads(line) for line in pairs.read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = SolutionEncoder(tokenizer)
    encoded, report = encode_pairs(records, encoder, 1024)
    kept = set(encoded["id"])
    common = {
        "output_dir": tempfile.mkdtemp(), "per_device_train_batch_size": BATCH, "num_train_epochs": 1, "bf16": False,
        "gradient_checkpointing": checkpointing, "precompute_ref_log_probs": True, "report_to": "none",
        "save_strategy": "no", "max_length": 1024, "use_cpu": True, "disable_tqdm": True, "logging_steps": 1000,
    }  # fmt: skip
    clock = Clock()
    start = time.perf_counter()
    if side == "ours":
        args = SCDPOConfig(**common)
        trainer = SCDPOTrainer(str(model), args, encoded, processing_class=tokenizer, callbacks=[clock])
    else:
        texts = [
            {
                "prompt": encoder._context_text(r["question"], [Block.from_dict(b) for b in r["prefix"]]),
                **{s: encoder.text([Block.from_dict(b) for b in r[s]])[0] for s in ("chosen", "rejected")},
            }
            for r in records
            if r["id"] in kept
        ]
        trainer = DPOTrainer(
            str(model), args=DPOConfig(**common), train_dataset=Dataset.from_list(texts), processing_class=tokenizer,
            callbacks=[clock],
        )  # fmt: skip
    prepared = time.perf_counter() - start
    trainer.train()
    pairs_timed = len(encoded) - BATCH
    (first, first_cpu), (last, last_cpu) = clock.steps[0], clock.steps[-1]
    return {
        "pairs_per_second": pairs_timed / (last - first),
        "pairs_per_cpu_second": pairs_timed / (last_cpu - first_cpu),
        "preparation_seconds": prepared,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tokens": trainer._total_train_tokens,
        "pairs": len(encoded),
        "dropped": sum(report.dropped.values()),
    }


def compare(options: argparse.Namespace) -> None:
    """Measure both sides on both mixes and print a table and, last, one JSON object."""
    results: dict[str, Any] = {}
    for name in options.mix or MIXES:
        mix = MIXES[name]
        with tempfile.TemporaryDirectory() as folder:
            pairs, model = Path(folder) / "pairs.jsonl", Path(folder) / "model"
            records = make_pairs(options.solutions, mix, options.problems)
            pairs.write_text("".join(json.dumps(record) + "\n" for record in records))
            if options.model is None:
                make_model(records, model, options.width, options.layers, options.vocabulary)
            else:
                model = options.model
            runs: dict[str, list[dict[str, float]]] = {"stock": [], "ours": []}
            for _ in range(options.repeats):
                for side in runs:
                    runs[side].append(_in_own_process(side, pairs, model, options.checkpointing))
        figures = {
            side: {key: statistics.median(run[key] for run in of_side) for key in of_side[0]}
            for side, of_side in runs.items()
        }
        results[name] = figures
        speed, work, memory = (
            figures["ours"][key] / figures["stock"][key]
            for key in ("pairs_per_second", "pairs_per_cpu_second", "peak_megabytes")
        )
        print(f"{name}: {mix} step-controlled pairs a problem, {figures['ours']['pairs']:.0f} pairs")
        for side, row in figures.items():
            print(
                f"  {side:5}  {row['pairs_per_second']:7.2f} pairs/s  {row['pairs_per_cpu_second']:7.2f} pairs/cpu-s  "
                f"peak {row['peak_megabytes']:6.0f} MB  {row['tokens']:8.0f} tokens encoded  "
                f"preparation {row['preparation_seconds']:5.1f} s"
            )
        print(
            f"  ours / stock: {speed:.2f}x pairs per second, {work:.2f}x pairs per second of processor time, "
            f"{memory:.2f}x peak memory",
            flush=True,
        )
    print(json.dumps(results))


def _in_own_process(side: str, pairs: Path, model: Path, checkpointing: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", side, "--pairs", str(pairs), "--model", str(model)]
    if checkpointing:
        command.append("--checkpointing")
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return result


def main() -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--solutions", type=Path, help="recorded solutions, JSON Lines")
    parser.add_argument("--mix", choices=list(MIXES), action="append", help="only this mix (default: all)")
    parser.add_argument("--model", type=Path, help="a checkpoint to use instead of a random model")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing on both sides")
    parser.add_argument("--measure", choices=["stock", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.pairs, options.model, options.checkpointing)))
    elif options.solutions:
        compare(options)
    else:
        parser.error("--solutions is needed")


if __name__ == "__main__":
    main()
