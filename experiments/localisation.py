r"""How well the credit of trained models finds the move where a solution goes wrong, over several seeds.

    python -m experiments.reward_model runs/reward        # makes the pairs, among other things
    python -m experiments.localisation runs/dose --pairs runs/reward/test \
        --models "DPO, data-equal"=models/equal-30 --models SCDPO=models/scdpo-30

The folder holds ``seed-*`` run folders of Study A with the models trained in them (paths within each); a seed that
lacks one of these is left out. All are measured on the step-controlled pairs of one run, of problems that no seed
trained on: first on all, then on those that roll-outs of the policy confirm, where the move that is called erroneous
is. A figure is the mean over seeds with Student's 95 % interval; a difference is the mean of the seeds' differences
to the first model.

Not covered: which moves after the branch are wrong too; other pairs than these, which the intervals do not know of.
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

from experiments.dose import POLICY, RESULTS
from experiments.report import mean_and_half_width
from experiments.studies import is_confirmed
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.training.credit import Localisation, localise

FIGURES: Mapping[str, Callable[[Localisation], float]] = {
    "rank of the error": lambda one: one.rank.value,
    "ranked first, %": lambda one: 100 * one.first.value,
    "AUROC": lambda one: one.auroc.value,
}
BySeed = dict[str, list[Localisation]]  # model -> one localisation a seed


def measure(
    seeds: Sequence[Path], models: Mapping[str, str], pairs: Sequence[PairRecord]
) -> dict[str, BySeed]:
    """Return the localisation of every model and seed, for all pairs and for confirmed ones.

    Raises:
        SystemExit: if a seed was trained on a question of the pairs.
    """
    found: dict[str, BySeed] = {}
    reference = AutoModelForCausalLM.from_pretrained(POLICY.path)
    encoder = SolutionEncoder(AutoTokenizer.from_pretrained(POLICY.path), POLICY.format)
    for seed in seeds:
        if {pair.question for pair in Run(seed).pairs} & {pair.question for pair in pairs}:
            raise SystemExit(
                f"{seed} was trained on questions of the pairs; measure on those of other problems"
            )
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
    """Measure, print the tables, and keep every seed's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a run folder for each seed")
    parser.add_argument("--pairs", type=Path, required=True, help="a run folder of other problems")
    parser.add_argument(
        "--models", action="append", required=True, help="NAME=PATH in a seed's folder; again"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "localisation.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    models = dict(entry.rsplit("=", 1) for entry in options.models)
    seeds = [
        seed
        for seed in sorted(options.folder.glob("seed-*"))
        if all((seed / place / "model.safetensors").exists() for place in models.values())
    ]
    if len(seeds) < 2:
        raise SystemExit(
            f"{options.folder} holds {len(seeds)} seeds with all of these models; two are needed"
        )
    pairs = [pair for pair in Run(options.pairs).pairs if pair.kind == "step_controlled"]
    found = measure(seeds, models, pairs)
    for which, by_model in found.items():
        solutions = next(iter(by_model.values()))[0].solutions
        print(f"\n{which}: {solutions} solutions, {len(seeds)} seeds\n\n{table(by_model)}")
    options.out.write_text(json.dumps(found, indent=1, default=asdict) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
