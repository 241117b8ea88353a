"""``scdpo credit``: where each model puts credit in a wrong solution."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

from eval.credit_picture import save_png
from eval.heat import heat_map
from eval.report import credit_page
from sandbox import Block, Solution
from scdpo.cli.console import console, quiet_libraries, report_errors
from scdpo.cli.options import ExistingRun
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.models import check_model
from scdpo.data.problems import embedded_model_path
from scdpo.data.prompt_style import sampled_model, sampled_system
from scdpo.data.records import BlockRecord, PairRecord
from scdpo.data.runs import Run
from scdpo.errors import MissingFileError, SettingsError
from scdpo.training.credit import (
    Localisation,
    MeanInterval,
    TokenCredit,
    first_difference,
    localise,
    token_credit,
)


def credit(
    run: ExistingRun,
    models: Annotated[
        list[str], typer.Option("--models", help="A trained model, as NAME=FOLDER. May be given again.")
    ],
    reference: Annotated[
        str | None, typer.Option(help="What they were trained from; as for train if not given.")
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(
            help="Id of the pair to show; if not given, the first step-controlled one whose first differing step "
            "roll-outs confirm to be the error."
        ),
    ] = None,
    beta: Annotated[float, typer.Option(min=0, help="Beta of the training.")] = 0.1,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="A run of other problems: also measure how well credit finds the errors of its pairs. Pairs of "
            "problems that were trained on are left out."
        ),
    ] = None,
) -> None:
    """Show where each model puts credit in a wrong solution: a page, a picture, and the data for the report.

    Example: [b]scdpo credit runs/mine --models SCDPO=runs/mine/model/scdpo --models DPO=runs/mine/model/dpo[/b]
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    quiet_libraries()
    with report_errors():
        folders = _named(models)
        for folder in folders.values():
            check_model(folder)
        shown = _pair_to_show(run, pair)
        errors = _unseen(measure, run, folders.values()) if measure else []
        base = reference or sampled_model(Run(run)) or str(embedded_model_path())
        encoder = SolutionEncoder(AutoTokenizer.from_pretrained(base), shown.format, sampled_system(Run(run)))
        before = AutoModelForCausalLM.from_pretrained(base).to(device)
        wrong, right = (_solution(shown, side) for side in (shown.rejected, shown.chosen))
        found, measured = {}, {}
        for name, folder in folders.items():
            trained = AutoModelForCausalLM.from_pretrained(folder).to(device)
            found[name] = token_credit(trained, before, encoder, shown.question, wrong, beta)
            if measure:
                measured[name] = localise(trained, before, encoder, errors, beta)
        place = run / "credit"
        first = first_difference(encoder, shown.question, wrong, right)
        _write_credit(place, _described(shown, found, first, beta))
        if measured:
            _write_measured(place, measured)
    console.print(f"Open [b]{place / 'credit.html'}[/b]; the picture is beside it.")


def _pair_to_show(run: Path, wanted: str | None) -> PairRecord:
    """Return the pair asked for, else the first of those that show best where an error begins."""
    best: tuple[int, PairRecord] | None = None
    for pair in Run(run).pairs:
        if pair.id == wanted:
            return pair
        if wanted is None and pair.kind == "step_controlled":
            rank = _clearness(pair)
            if best is None or rank > best[0]:
                best = rank, pair
    if best is None:
        raise MissingFileError(f"{run} has no pair {wanted or 'that is step-controlled'}")
    return best[1]


def _clearness(pair: PairRecord) -> int:
    """Return how clearly a pair shows where its error begins: 0, in no step that could be named, to 4, confirmed."""
    chosen, rejected = (
        Solution.of([b.model_dump() for b in side]).steps[:1] for side in (pair.chosen, pair.rejected)
    )
    if not chosen or not rejected or chosen[0].blocks == rejected[0].blocks:
        return 0  # the error is in a later step
    if pair.confirmation.confirmed is not None:
        return 4 if pair.confirmation.confirmed else 1
    # For: "boys - 4" and "boys - 8", whose outputs differ. Less clear: "more" and "print(more)", which say the same.
    return 3 if chosen[0].blocks[-1] != rejected[0].blocks[-1] else 2


def _unseen(measure: Path, run: Path, folders: Iterable[str]) -> list[dict[str, Any]]:
    """Return the pairs of a run whose problems the models were not trained on, as far as their runs tell.

    Raises:
        SettingsError: if none is left.
    """
    runs = {run, *(parent for folder in folders for parent in Path(folder).parents[:2])}
    seen = {pair.question for of in runs for pair in Run(of).pairs}
    pairs = [pair for pair in Run(measure).pairs if pair.kind == "step_controlled"]
    unseen = [pair.model_dump() for pair in pairs if pair.question not in seen]
    left_out = len(pairs) - len(unseen)
    if pairs and not unseen:
        raise SettingsError(
            f"--measure {measure}: the models were trained on all of its problems, so their credit there proves "
            "nothing; sample a run of other problems: scdpo sample RUN --seed 1"
        )
    if left_out:
        words = f"{left_out} of {len(pairs)} pairs of {measure} are left out: their problems were trained on."
        console.print(words, soft_wrap=True)
    return unseen


def _solution(pair: PairRecord, side: list[BlockRecord]) -> Solution:
    return Solution(tuple(Block(b.type, b.content) for b in [*pair.prefix, *side]))


def _named(models: list[str]) -> dict[str, str]:
    """Return the folder of each model by its name."""
    folders = {}
    for entry in models:
        name, equals, folder = entry.partition("=")
        if not equals:
            raise typer.BadParameter(f"--models wants NAME=FOLDER, not {entry!r}")
        folders[name] = folder
    return folders


_CONFIRMED = {
    True: "Roll-outs confirm that the error begins there.",
    False: "Roll-outs do not confirm that the error begins there.",
    None: "No roll-outs were made to see whether the error begins there (scdpo corrupt --confirm 4 makes them).",
}


def _described(
    pair: PairRecord, found: dict[str, list[TokenCredit]], first: int | None, beta: float
) -> dict[str, Any]:
    """Return what is kept of a pair's credit; see ``eval.heat.heat_map``."""
    answer = pair.rejected_answer or "not stated"
    return {
        "title": f"Credit in a wrong solution ({pair.id})",
        "question": pair.question,
        "answers": f"The right answer is {pair.gold}; this solution's is {answer}.",
        "there": "The framed token is the first that the right solution does not have. "
        + _CONFIRMED[pair.confirmation.confirmed],
        "first": first,
        "beta": beta,
        "models": {name: [asdict(token) for token in tokens] for name, tokens in found.items()},
    }


def _write_credit(place: Path, data: dict[str, Any]) -> None:
    """Write the data that the report draws, the page and the picture."""
    heat = heat_map(data)
    place.mkdir(parents=True, exist_ok=True)
    (place / "credit.json").write_text(json.dumps(data), encoding="utf-8")
    (place / "credit.html").write_text(credit_page(heat), encoding="utf-8", errors="replace")
    save_png(place / "credit.png", heat)


def _write_measured(place: Path, measured: dict[str, Localisation]) -> None:
    """Print how well each model's credit finds the erroneous step, and keep the figures."""

    def cell(interval: MeanInterval, scale: float = 1, digits: int = 2) -> str:
        low, value, high = (f"{scale * v:.{digits}f}" for v in (interval.low, interval.value, interval.high))
        return f"{value} \\[{low}, {high}]"

    some = next(iter(measured.values()))
    table = Table(
        title=f"How well credit finds the erroneous step of {some.solutions} solutions of {some.problems} problems,\n"
        f"with 95 % intervals over problems (by chance: rank {some.chance_rank:.2f}, AUROC 0.500)",
        title_justify="left",
    )
    table.add_column("model")
    for column in ("error's rank", "first, %", "AUROC"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in measured.items():
        table.add_row(name, cell(one.rank), cell(one.first, 100, 1), cell(one.auroc, digits=3))
    console.print(table)
    figures = {name: asdict(one) for name, one in measured.items()}
    (place / "localisation.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
