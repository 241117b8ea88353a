"""Pairs per second, tokens and peak memory of our trainer against its peers: same pairs, same tokens, same model.

    python benchmarks/trainer.py --solutions ../shared/data/tir/mathcoder_gsm8k.jsonl.gz
    python benchmarks/trainer.py --device cuda --size 0.5b --problems 200

Makes pairs from recorded solutions (`question`, `answer`, `blocks`, `recorded_correct` a line; made-up ones of like
lengths where none are given): a naive pair for each problem that has a right and a wrong one, and step-controlled
pairs by branching from the right one into the wrong one's last steps, in the paper's proportions (2.4 per problem as
for MATH, 0.9 as for GSM8K). Only the lengths matter here. The rows:

    stock    trl.DPOTrainer as it is; on a processor its head works on every position, on a GPU on the counted ones
    grouped  the same, with batches of like lengths (train_sampling_strategy: group_by_length)
    compact  the same, with the head on counted positions only on a processor too
    shared   the prefix that the two sides of a pair share stands once: what flash-pref and dpo-prefix-sharing publish,
             on our attention (flash-pref 0.1.1 needs transformers below 4.52 and a GPU; the other is in no index)
    ours     what all pairs of a problem share stands once

Each measurement is its own process; the rows alternate. The time is that of the optimizer steps after the first; on a
machine that others use too, read the figure by processor time. Encoded tokens include padding, real ones do not;
`allowed` is how much faster than stock the encoded tokens alone would make a row. `--check` compares loss and gradient
of our tree with the plain path on one batch. Random weights, reference scores beforehand. Not covered: the quality of
what is trained.
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
ROWS = ("stock", "grouped", "compact", "shared", "ours")
# Width, layers and vocabulary; the number is that of the parameters.
SIZES = {
    "toy": (64, 2, 1000), "0.005b": (256, 6, 4000), "0.03b": (512, 8, 8000), "0.1b": (768, 14, 16000),
    "0.5b": (1152, 24, 32000), "7b": (4096, 32, 32000),
}  # fmt: skip
BATCH = 8


def read_solutions(path: Path) -> list[dict[str, Any]]:
    """Return recorded solutions whose answer is known to be right or wrong."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as lines:
        return [row for row in map(json.loads, lines) if row["recorded_correct"] is not None]


def made_up_solutions(problems: int) -> list[dict[str, Any]]:
    """Return a right and a wrong solution for each of so many problems, as long as recorded ones are."""
    draw = random.Random(0)
    # Short words of a small vocabulary: about three characters per token, as recorded solutions have.
    vocabulary = [
        "".join(draw.choices("etaoinshrdlu0123456789", k=draw.choice((1, 2, 3)))) for _ in range(400)
    ]

    def words(characters: float) -> str:
        return " ".join(draw.choices(vocabulary, k=max(1, int(characters / 3))))

    def step() -> Blocks:
        lengths = {"text": 220, "code": 260, "execution": 40}
        return [
            {"type": kind, "content": words(n * draw.lognormvariate(0, 0.5))} for kind, n in lengths.items()
        ]

    rows = []
    for number in range(problems):
        question, shared = words(300), [block for _ in range(draw.randrange(0, 2)) for block in step()]
        for right in (True, False):
            blocks = [*shared, *step(), *step(), {"type": "text", "content": words(120)}]
            rows.append(
                {"problem_id": str(number), "question": question, "recorded_correct": right, "blocks": blocks}
            )
    return rows


def make_pairs(solutions: list[dict[str, Any]], mix: float, problems: int) -> list[dict[str, Any]]:
    """Return pair records with ``mix`` step-controlled pairs per problem on average."""
    from sandbox import Block, Solution

    by_problem: dict[str, dict[bool, dict[str, Any]]] = defaultdict(dict)
    for row in solutions:
        by_problem[row["problem_id"]].setdefault(row["recorded_correct"], row)
    generator = random.Random(0)
    both = [sides for _, sides in sorted(by_problem.items()) if len(sides) == 2]
    generator.shuffle(both)
    records: list[dict[str, Any]] = []
    owed = 0.0
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


def make_tokenizer(records: list[dict[str, Any]], folder: Path, vocabulary: int) -> None:
    """Save a byte-level BPE tokenizer of the pairs' own text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from sandbox.formats import get_format

    special = ["<|pad|>", *get_format("mathcoder").special_tokens]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [b["content"] for r in records for side in ("prefix", "chosen", "rejected") for b in r[side]]
    # A larger vocabulary than this would know whole sentences of the few texts by heart.
    known = min(vocabulary, 8000)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=known, special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|endofmessage|>",
        additional_special_tokens=special[1:],
    )
    fast.save_pretrained(folder)


def make_model(options: argparse.Namespace, seed: int = 0) -> Any:
    """Return a random Llama of the size asked for, on its device; with LoRA in bfloat16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    width, layers, vocabulary = SIZES[options.size]
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=width // 64, num_key_value_heads=width // 64, max_position_embeddings=2048,
        pad_token_id=0, eos_token_id=8,
    )  # fmt: skip
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.bfloat16 if options.lora else torch.float32)
    with torch.device(options.device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return model


class Counter:
    """A collator that counts what passes through another: positions that are encoded, and those that are no padding."""

    def __init__(self, collator: Any) -> None:
        self._collator = collator
        self.encoded = self.real = 0

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self._collator(rows)
        self.encoded += batch.get("tree_ids", batch["input_ids"]).numel()
        self.real += int(batch["attention_mask"].sum())
        return batch


def side_by_side(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Collate as ``TreeCollator`` does, but share within each pair only, not between pairs."""
    import torch

    from scdpo.training.batching import TreeCollator, sides
    from scdpo.training.layout import Segment, TreeLayout
    from scdpo.training.trunk import pack

    packed = [pack(sides([row])) for row in rows]
    segments: list[Segment] = []
    chosen: list[list[int]] = []
    rejected: list[list[int]] = []
    slots = depth = 0
    ids, positions, slot_positions, labels = (list[int]() for _ in range(4))
    for tree in packed:
        at = len(ids)
        segments += [
            Segment(s.start + at, s.end + at, tuple((a + at, b + at) for a, b in s.context))
            for s in tree.layout.segments
        ]
        ids += tree.token_ids
        positions += tree.positions
        slot_positions += [place + at for place in tree.slot_positions]
        labels += tree.slot_labels
        for side, found in zip((chosen, rejected), tree.rows, strict=True):
            side.append([slot + slots for slot in found])
        slots += len(tree.slot_labels)
        depth = max(depth, tree.layout.depth)
    batch = TreeCollator()(rows)
    row_slots = torch.full_like(batch["row_slots"], slots)
    for row, found in enumerate(chosen + rejected):
        row_slots[row, : len(found)] = torch.tensor(found)
    return {
        **batch,
        "tree": TreeLayout(segments, depth),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        "tree_ids": torch.tensor([ids]),
        "tree_positions": torch.tensor([positions]),
        "slot_positions": torch.tensor(slot_positions),
        "slot_labels": torch.tensor(labels),
        "row_slots": row_slots,
    }


def trainer_of(row: str) -> Any:
    """Return the class of a row's trainer; all of them take the same token ids."""
    import torch
    from trl import DPOTrainer

    from scdpo.training.trainer import SCDPOTrainer

    class Stock(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset.add_column("length", [_longest(pair) for pair in dataset])

    class Compact(Stock):
        """Gives the head the hidden states of counted positions, as TRL does on a GPU."""

        def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
            return super()._compute_loss(_counted_only(model), inputs, return_outputs)

        def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
            return super().compute_ref_log_probs(_counted_only(model), inputs)

    def _counted_only(model: Any) -> Any:
        def call(input_ids: Any, labels: Any, **inputs: Any) -> Any:
            ahead = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100)
            counted = ahead != -100

            def keep(module: Any, args: Any, output: Any) -> Any:
                output.last_hidden_state = output.last_hidden_state[counted].unsqueeze(0)
                return output

            hook = model.base_model.register_forward_hook(keep)
            try:
                outputs = model(input_ids=input_ids, shift_labels=ahead[counted].unsqueeze(0), **inputs)
            finally:
                hook.remove()
            for name in ("log_probs", "entropy", "mean_logits", "is_top1"):
                if name in outputs:
                    spread = outputs[name].new_zeros(counted.shape)
                    outputs[name] = spread.masked_scatter(counted, outputs[name][0])[:, :-1]
            return outputs

        return call

    class Shared(SCDPOTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return torch.utils.data.RandomSampler(self.train_dataset)

    return {"stock": Stock, "grouped": Stock, "compact": Compact, "shared": Shared, "ours": SCDPOTrainer}[row]


def _longest(pair: dict[str, Any]) -> int:
    return len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that all rows share."""
    gpu = options.device == "cuda"
    return {
        "output_dir": tempfile.mkdtemp(), "per_device_train_batch_size": BATCH, "num_train_epochs": 1, "bf16": gpu,
        "gradient_checkpointing": options.checkpointing, "precompute_ref_log_probs": True, "report_to": "none",
        "save_strategy": "no", "max_length": 1024, "use_cpu": not gpu, "disable_tqdm": True, "logging_steps": 1000,
        "dataloader_pin_memory": gpu, "max_steps": options.steps, "remove_unused_columns": False,
    }  # fmt: skip


def encode(options: argparse.Namespace) -> tuple[Any, Any]:
    """Return the pairs as token ids, and the tokenizer."""
    from transformers import AutoTokenizer

    from scdpo.data.encoding import SolutionEncoder, encode_pairs

    records = [json.loads(line) for line in options.pairs.read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    return encode_pairs(records, SolutionEncoder(tokenizer), 1024)[0], tokenizer


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Train one epoch, or so many steps, with one trainer; return its figures."""
    import torch
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import DPOConfig

    from scdpo.training.batching import TreeCollator
    from scdpo.training.config import SCDPOConfig

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.steps: list[tuple[float, float]] = []

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.steps.append((time.perf_counter(), time.process_time()))

    row = options.measure
    encoded, tokenizer = encode(options)
    common = settings_of(options)
    if row == "grouped":
        common["train_sampling_strategy"] = "group_by_length"
    config = SCDPOConfig if row in ("shared", "ours") else DPOConfig
    clock = Clock()
    start = time.perf_counter()
    trainer = trainer_of(row)(
        model=make_model(options),
        args=config(**common),
        train_dataset=encoded,
        processing_class=tokenizer,
        callbacks=[clock],
        peft_config=LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
        if options.lora
        else None,
    )
    collator = side_by_side if row == "shared" else TreeCollator() if row == "ours" else trainer.data_collator
    trainer.data_collator = counter = Counter(collator)
    prepared = time.perf_counter() - start
    trainer.train()
    if len(clock.steps) < 2:
        raise SystemExit(
            f"{len(encoded)} pairs give one step, and times are taken after the first: more --problems"
        )
    (first, first_cpu), (last, last_cpu) = clock.steps[0], clock.steps[-1]
    timed = min(BATCH * len(clock.steps), len(encoded)) - BATCH
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1024**2
    return {
        "pairs_per_second": timed / (last - first),
        "pairs_per_cpu_second": timed / (last_cpu - first_cpu),
        "preparation_seconds": prepared,
        "peak_megabytes": peak,
        "encoded_tokens": counter.encoded / (len(clock.steps) * BATCH),
        "real_tokens": counter.real / (len(clock.steps) * BATCH),
        "pairs": len(encoded),
    }


def check(options: argparse.Namespace) -> dict[str, float]:
    """Compare loss and gradient of our tree with the plain path on the first pairs; reference and policy differ."""
    import torch

    from scdpo.training.config import SCDPOConfig
    from scdpo.training.trainer import SCDPOTrainer

    encoded, tokenizer = encode(options)
    found = []
    for share in (False, True):
        trainer = SCDPOTrainer(
            model=make_model(options), ref_model=make_model(options, seed=1),
            args=SCDPOConfig(**settings_of(options), share_trunk=share),
            train_dataset=encoded.select(range(min(BATCH, len(encoded)))), processing_class=tokenizer,
        )  # fmt: skip
        trainer.model.train()
        batch = trainer._prepare_inputs(trainer.data_collator(list(trainer.train_dataset)))
        with trainer.compute_loss_context_manager():
            loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
        gradient = torch.cat([p.grad.flatten().float().cpu() for p in trainer.model.parameters()])
        found.append((loss.item(), gradient))
        del trainer
    (plain, of_plain), (tree, of_tree) = found
    return {
        "plain_loss": plain,
        "tree_loss": tree,
        "loss_apart": abs(tree - plain) / abs(plain),
        "gradient_apart": float((of_tree - of_plain).norm() / of_plain.norm()),
    }


def compare(options: argparse.Namespace) -> None:
    """Measure the rows on the mixes and print a table and, last, one JSON object."""
    results: dict[str, Any] = {}
    solutions = (
        read_solutions(options.solutions) if options.solutions else made_up_solutions(options.problems)
    )
    for name in options.mix or MIXES:
        with tempfile.TemporaryDirectory() as folder:
            options.pairs, options.tokenizer = Path(folder) / "pairs.jsonl", Path(folder) / "tokenizer"
            records = make_pairs(solutions, MIXES[name], options.problems)
            options.pairs.write_text("".join(json.dumps(record) + "\n" for record in records))
            make_tokenizer(records, options.tokenizer, SIZES[options.size][2])
            if options.check:
                results[name] = _in_own_process("--check", options)
                print(f"{name}: {results[name]}", flush=True)
                continue
            runs: dict[str, list[dict[str, float]]] = {row: [] for row in options.row or ROWS}
            for _ in range(options.repeats):
                for row, done in runs.items():
                    done.append(_in_own_process(row, options))
        results[name] = {
            row: {key: statistics.median(run[key] for run in done) for key in done[0]}
            for row, done in runs.items()
        }
        _show(name, results[name])
    print(json.dumps(results))


def _show(name: str, figures: dict[str, dict[str, float]]) -> None:
    first = next(iter(figures.values()))
    print(
        f"{name}: {MIXES[name]} step-controlled pairs per problem, {first['pairs']:.0f} pairs; × are to the first row"
    )
    for row, f in figures.items():
        speed, work, memory = (
            f[key] / first[key] for key in ("pairs_per_second", "pairs_per_cpu_second", "peak_megabytes")
        )
        allowed = first["encoded_tokens"] / f["encoded_tokens"]
        rates = f"{f['pairs_per_second']:8.2f} pairs/s {speed:5.2f}×"
        rates += f"  {f['pairs_per_cpu_second']:8.2f} pairs/cpu-s {work:5.2f}×"
        tokens = f"per pair {f['encoded_tokens']:6.0f} encoded, {f['real_tokens']:6.0f} real"
        peak = f"peak {f['peak_megabytes']:7.0f} MB {memory:4.2f}×"
        prepared = f"preparation {f['preparation_seconds']:5.1f} s"
        print(f"  {row:8} {rates}  allowed {allowed:5.2f}×  {peak}  {tokens}  {prepared}", flush=True)


def _in_own_process(row: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--pairs", str(options.pairs), "--tokenizer", str(options.tokenizer)]
    command += ["--size", options.size, "--device", options.device, "--steps", str(options.steps)]
    command += ["--check"] if row == "--check" else ["--measure", row]
    command += [flag for flag in ("--checkpointing", "--lora") if getattr(options, flag[2:])]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(f"{row} ended with {finished.returncode}:\n{finished.stderr[-3000:]}")
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
    parser.add_argument("--row", choices=ROWS, action="append", help="only this row (default: all)")
    parser.add_argument(
        "--size", choices=list(SIZES), default="0.005b", help="parameters of the random model"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda trains in bf16")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--steps", type=int, default=-1, help="optimizer steps (default: one epoch)")
    parser.add_argument("--lora", action="store_true", help="LoRA on weights in bfloat16")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing in all rows")
    parser.add_argument("--check", action="store_true", help="compare losses and gradients instead of times")
    parser.add_argument("--measure", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tokenizer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pairs:
        print(json.dumps(measure(options) if options.measure else check(options)))
    else:
        compare(options)


if __name__ == "__main__":
    main()
