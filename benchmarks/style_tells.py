"""Whether style alone tells the rejected side of pairs from the chosen one: it must not, more than it does in nature.

    python benchmarks/style_tells.py --pairs runs/a/pairs.jsonl --recorded ../shared/data/tir/mathcoder_gsm8k.jsonl.gz

A linear classifier sees surface features of both sides (lengths, numbers, long decimals, fractions, signs, hedges,
how the answer is written) and guesses which one is rejected; accuracy is that of ten folds over problems. Recorded
right and wrong solutions of one problem give the measure of what is natural.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

# ruff: noqa: E402
sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder has a sandbox.py of its own

import numpy as np
from numpy.typing import NDArray

from eval.metrics import wilson
from verifier.files.jsonl import read_lines

FOLDS = 10
Vector = NDArray[np.float64]
Sides = tuple[str, Vector]
"""A problem, and the features of its chosen side less those of its rejected one."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_COUNTED = [
    re.compile(r"\d\.\d{3,}"),  # long decimals
    re.compile(r"\d\.\d"),
    re.compile(r"\\[dt]?frac|\d/\d"),
    re.compile(r"(?<![\w)])-\d"),
    re.compile(r"\b(?:approximately|about|rounded|nearest)\b|\\approx", re.IGNORECASE),
    re.compile(r"\b(?:so|therefore|thus|hence)\b", re.IGNORECASE),
    re.compile(r"\\boxed"),
    re.compile(r"[!?]"),
    re.compile(r"\n"),
]


def features(blocks: Sequence[dict[str, str]]) -> Vector:
    """Return the surface features of a side."""
    text = "\n".join(block["content"] for block in blocks if block["type"] != "execution")
    shown = "\n".join(block["content"] for block in blocks if block["type"] == "execution")
    answers = re.findall(r"\\boxed\{([^{}]*)\}", text)
    answer = answers[-1] if answers else ""
    numbers = [number.group() for number in _NUMBER.finditer(text)]
    whole = "\n".join([text, shown])
    return np.array(
        [
            np.log1p(len(text)),
            np.log1p(len(shown)),
            len(blocks),
            len(numbers),
            np.mean([len(number) for number in numbers]) if numbers else 0,
            len(answer),
            "." in answer,
            "frac" in answer or "/" in answer,
            answer.startswith("-"),
            answer.endswith("0"),
            *(len(form.findall(whole)) for form in _COUNTED),
        ],
        dtype=np.float64,
    )


def of_pairs(rows: Iterable[dict[str, Any]]) -> Iterator[Sides]:
    """Yield the sides of step-controlled pairs."""
    for row in rows:
        if row.get("kind", "step_controlled") == "step_controlled":
            yield row["problem_id"], features(row["chosen"]) - features(row["rejected"])


def of_recorded(rows: Iterable[dict[str, Any]]) -> Iterator[Sides]:
    """Yield right and wrong solutions of each problem that has both, by whatever model."""
    known: dict[str, dict[bool, list[Vector]]] = defaultdict(lambda: {True: [], False: []})
    for row in rows:
        if row["recorded_correct"] is not None and "simuleq" not in row["problem_id"]:
            known[row["problem_id"]][row["recorded_correct"]].append(features(row["blocks"]))
    for problem, solutions in known.items():
        for right, wrong in zip(solutions[True], solutions[False], strict=False):
            yield problem, right - wrong


def told_apart(sides: Sequence[Sides]) -> tuple[int, int]:
    """Return how many pairs of how many a classifier that never saw their problem orders rightly."""
    problems = sorted({problem for problem, _ in sides})
    random.Random(0).shuffle(problems)
    fold = {problem: index % FOLDS for index, problem in enumerate(problems)}
    right = 0
    for held in range(FOLDS):
        train = np.array([vector for problem, vector in sides if fold[problem] != held])
        test = np.array([vector for problem, vector in sides if fold[problem] == held])
        if len(test):
            scale = train.std(axis=0) + 1e-9
            weights = _logistic(train / scale)
            right += int(((test / scale) @ weights > 0).sum())
    return right, len(sides)


def _logistic(differences: Vector, ridge: float = 1.0, steps: int = 200) -> Vector:
    """Fit weights under which the chosen side's features outweigh the rejected one's; no intercept, by Newton's way."""
    weights = np.zeros(differences.shape[1])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(differences @ weights, -30, 30)))
        slope = differences.T @ (1 - chance) - ridge * weights
        curve = (differences * (chance * (1 - chance))[:, None]).T @ differences + ridge * np.eye(
            len(weights)
        )
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def main(pairs: Sequence[Path], recorded: Sequence[Path]) -> None:
    """Print the share that is told apart, of each file of pairs and of the recorded solutions."""
    sources = [(str(file), list(of_pairs(row for _, row in read_lines(file)))) for file in pairs]
    rows = (row for file in recorded for _, row in read_lines(file))
    sources.append(("recorded right and wrong", list(of_recorded(rows))))
    for name, sides in sources:
        if sides:
            right, tried = told_apart(sides)
            share = wilson(right, tried)
            print(f"{right / tried:6.1%} [{share.low:.1%}, {share.high:.1%}] of {tried:5} told apart: {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="files of pairs")
    parser.add_argument(
        "--recorded", type=Path, nargs="*", default=[], help="recorded solutions, right and wrong"
    )
    arguments = parser.parse_args()
    main(arguments.pairs, arguments.recorded)
