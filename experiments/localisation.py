r"""How well the credit of trained models finds the step where a solution goes wrong, over several seeds.

    python -m experiments.localisation runs/replication/code-integrated \
        --models DPO=models/dpo --models SCDPO=models/scdpo

The folder holds ``seed-*`` run folders, each with its pairs and the models trained on them (paths within it). The
models of a seed are measured on step-controlled pairs of another seed whose questions theirs do not have: first
on all, then on those that roll-outs of the built-in model confirm, where the step that is called erroneous is. A
figure is the mean over seeds with Student's 95 % interval; a difference is the mean of the seeds' differences to
the first model.

Not covered: which steps after the branch are wrong too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from experiments.report import mean_and_half_width
from experiments.studies import is_confirmed
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.problems import embedded_model_path
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.training.credit import Localisation, localise

PAIRS = 120
"""Step-controlled pairs of a seed that are measured, from the first on."""
SOURCES = 3
"""Seeds whose pairs are measured on, from the first on; each seed takes the next of them."""
FIGURES: Mapping[str, Callable[[Localisation], float]] = {
    "rank of the error": lambda one: one.rank.value,
    "ranked first, %": lambda one: 100 * one.first.value,
    "AUROC": lambda one: one.auroc.value,
}
BySeed = dict[str, list[Localisation]]  # model -> one localisation a seed


def wanted(seed: Path) -> list[PairRecord]:
    """Return the pairs of a seed that are measured."""
    return [pair for pair in Run(seed).pairs if pair.kind == "step_controlled"][:PAIRS]


def measure(seeds: Sequence[Path], models: Mapping[str, str]) -> dict[str, BySeed]:
    """Return the localisation of every model and seed, for all pairs and for confirmed ones."""
    found: dict[str, BySeed] = {}
    reference = AutoModelForCausalLM.from_pretrained(embedded_model_path())
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(embedded_model_path()))
    for number, seed in enumerate(seeds):
        source = seeds[(number + 1) % min(SOURCES, len(seeds))]
        seen = {pair.question for pair in Run(seed).pairs}
        pairs = [pair for pair in wanted(source) if pair.question not in seen]
        for name, place in models.items():
            trained = AutoModelForCausalLM.from_pretrained(seed / place)
            for which, chosen in (("all", pairs), ("confirmed", list(filter(is_confirmed, pairs)))):
                one = localise(trained, reference, encoder, [pair.model_dump() for pair in chosen])
                found.setdefault(which, {}).setdefault(name, []).append(one)
            print(f"{seed.name}: {name}", flush=True)
    return found


def table(by_model: BySeed) -> str:
    """Return the figures of the models as a Markdown table."""
    first, *others = by_model
    chance, _ = mean_and_half_width([one.chance_rank for one in by_model[first]])
    lines = [f"| model (chance: rank {chance:.2f}, AUROC 0.5) | {' | '.join(FIGURES)} |", "|---" * 4 + "|"]
    for name, measured in by_model.items():
        lines.append(_row(name, [[figure(one) for one in measured] for figure in FIGURES.values()]))
    for name in others:
        both = list(zip(by_model[name], by_model[first], strict=True))
        gains = [[figure(one) - figure(base) for one, base in both] for figure in FIGURES.values()]
        lines.append(_row(f"{name} less {first}", gains))
    return "\n".join(lines)


def _row(name: str, figures: Sequence[list[float]]) -> str:
    cells = (f"{mean:.3f} ± {half:.3f}" for mean, half in map(mean_and_half_width, figures))
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Roll out, measure, print the tables, and keep every seed's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a run folder for each seed")
    parser.add_argument(
        "--models", action="append", required=True, help="NAME=PATH in a seed's folder; again"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "localisation.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    models = dict(entry.split("=", 1) for entry in options.models)
    seeds = sorted(options.folder.glob("seed-*"))
    if len(seeds) < 2:
        raise SystemExit(f"{options.folder} holds {len(seeds)} seeds; two are needed")
    found = measure(seeds, models)
    for which, by_model in found.items():
        solutions = [one.solutions for one in next(iter(by_model.values()))]
        print(f"\n{which}: {sum(solutions)} solutions in {len(solutions)} seeds\n\n{table(by_model)}")
    options.out.write_text(json.dumps(found, indent=1, default=asdict) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
