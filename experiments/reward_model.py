"""A small reward model of steps, trained on values as labels, and how well it finds the error of a wrong solution.

    python -m experiments.reward_model runs/reward

The policy of `experiments.routes` samples problems, ``scdpo values`` estimates the value of every place in the
solutions of naive pairs, and ``scdpo export --values`` makes soft labels of them. The policy's own layers with one more
output learn these labels at the end of each move. Measured is, on confirmed step-controlled pairs of other problems,
how often the move that holds the error scores below a move before it (AUROC, as for token credit). Not covered: several
seeds.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from experiments.dose import POLICY, RESULTS
from experiments.routes.problems import routes_problems
from experiments.stages import Policy, branch, estimate_values, one_thread, sample
from experiments.studies import is_confirmed
from sandbox import Solution
from sandbox.formats import Format, get_format
from scdpo.corrupt.temperature import BranchSettings
from scdpo.corrupt.values import ValueSettings
from scdpo.data.export_values import export_values, move_texts
from scdpo.data.moves import move_at
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import NaiveSettings
from scdpo.training.credit import ErrorScores, Localisation, error_scores, summarise

SEEDS = {"train": 300, "test": 301}
PROBLEMS = {"train": 80, "test": 60}
STEPS = 3
"""After which a right solution is branched off."""
EPOCHS = 4
BATCH = 16
RATE = 3e-4
"""Of AdamW. Nothing was tuned."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A solution as tokens: where its moves end, and how sound each is, 0 to 1."""

    ids: list[int]
    ends: list[int]
    labels: list[float]


def labelled(run: Run, policy: Policy) -> list[Labelled]:
    """Estimate the values of a run's naive pairs and return its solutions with their labels."""
    estimate_values(run, policy, ValueSettings(seed=SEEDS["train"]))
    file = run.folder / "values.parquet"
    export_values(run, file)
    tokenizer = AutoTokenizer.from_pretrained(policy.path)
    made = []
    for row in pq.read_table(file).to_pylist():
        pieces = [tokenizer(text)["input_ids"] for text in (row["prompt"], *row["completions"])]
        made.append(Labelled(*_joined(pieces), row["soft_labels"]))
    return made


def _joined(pieces: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return the ids of a prompt and its moves in a row, and the place of the last id of each move."""
    ids: list[int] = []
    ends: list[int] = []
    for piece in pieces:
        ids += piece
        ends.append(len(ids) - 1)
    return ids, ends[1:]


def learn(policy: Policy, solutions: Sequence[Labelled], seed: int = 0) -> PreTrainedModel:
    """Return a reward model: the policy's layers, and a score of each token, that has learned the labels."""
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(policy.path, num_labels=1, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    rng = random.Random(seed)
    for _ in range(EPOCHS):
        order = rng.sample(solutions, len(solutions))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            logits = torch.cat([_logits(model, one.ids, one.ends) for one in batch])
            wanted = torch.tensor([label for one in batch for label in one.labels])
            binary_cross_entropy_with_logits(logits, wanted).backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


def _logits(model: PreTrainedModel, ids: Sequence[int], ends: Sequence[int]) -> torch.Tensor:
    """Return the score at each of these places, shape (places,)."""
    logits: torch.Tensor = model(torch.tensor([ids])).logits[0, list(ends), 0]
    return logits


def scored(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, form: Format, pair: PairRecord
) -> ErrorScores | None:
    """Return where the move with the error stands among those before it; None if there is none before it.

    Args:
        model: a reward model.
        tokenizer: of the policy.
        form: how the policy writes.
        pair: step-controlled; its rejected side begins with the error, or with the text that announces it.
    """
    wrong = Solution.of(block.model_dump() for block in (*pair.prefix, *pair.rejected))
    error = move_at(wrong, len(pair.prefix))
    if not error:
        return None
    texts = [form.prompt(pair.question), *move_texts(wrong, form)]
    ids, places = _joined([tokenizer(text)["input_ids"] for text in texts])
    with torch.inference_mode():
        return error_scores(_logits(model, ids, places).tolist(), error)


def measure(model: PreTrainedModel, policy: Policy, pairs: Sequence[PairRecord]) -> Localisation:
    """Measure a reward model on pairs whose error roll-outs place at the branch."""
    tokenizer, form = AutoTokenizer.from_pretrained(policy.path), get_format(policy.format)
    found: dict[str, list[ErrorScores]] = {}
    for pair in pairs:
        one = scored(model, tokenizer, form, pair)
        if one is not None:
            found.setdefault(pair.problem_id, []).append(one)
    return summarise(found)


def sampled(folder: Path, policy: Policy, part: str) -> Run:
    """Return a part's run with naive pairs."""
    run = Run(folder / part)
    wanted = [item.problem for item in islice(routes_problems("preference", SEEDS[part]), PROBLEMS[part])]
    sample(run, policy, wanted, NaiveSettings(at_most=16, seed=SEEDS[part]))
    return run


def main() -> None:
    """Make labels and pairs, learn, measure, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the run folders")
    parser.add_argument("--out", type=Path, default=RESULTS / "reward_model.json")
    options = parser.parse_args()
    one_thread()
    with sampled(options.folder, POLICY, "train") as run:
        solutions = labelled(run, POLICY)
    with sampled(options.folder, POLICY, "test") as run:
        branch(run, POLICY, BranchSettings(steps=STEPS, attempts=8, confirm=8, seed=SEEDS["test"]))
        pairs = [pair for pair in run.pairs if pair.kind == "step_controlled" and is_confirmed(pair)]
    found = measure(learn(POLICY, solutions), POLICY, pairs)
    kept = {"labelled solutions": len(solutions), **asdict(found)}
    options.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(kept))


if __name__ == "__main__":
    main()
