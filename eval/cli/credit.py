"""``scdpo credit``: where each model puts credit in a wrong solution."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

from eval.credit_page import page, save_png
from sandbox import Block, Solution
from scdpo.cli.console import console, quiet_libraries, report_errors
from scdpo.cli.options import ExistingRun
from scdpo.data.encoding import SolutionEncoder
from scdpo.data.problems import embedded_model_path
from scdpo.data.prompt_style import sampled_model, sampled_system
from scdpo.data.records import PairRecord
from scdpo.data.runs import Run
from scdpo.errors import MissingFileError
from scdpo.training.credit import Localisation, MeanInterval, TokenCredit, localise, token_credit


def credit(
    run: ExistingRun,
    models: Annotated[
        list[str], typer.Option("--models", help="A trained model, as NAME=FOLDER. May be given again.")
    ],
    reference: Annotated[
        str | None, typer.Option(help="What they were trained from; as for train if not given.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="Id of the pair to show; the first step-controlled one if not given.")
    ] = None,
    beta: Annotated[float, typer.Option(min=0, help="Beta of the training.")] = 0.1,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="A run of other problems: also measure how well credit finds the errors of its pairs."
        ),
    ] = None,
) -> None:
    """Show where each model puts credit in a wrong solution: a page, a picture, and the data for the report.

    Example: [b]scdpo credit runs/mine --models SCDPO=runs/mine/model/scdpo --models DPO=runs/mine/model/dpo[/b]
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    quiet_libraries()
    with report_errors():
        shown = _pair_to_show(run, pair)
        base = reference or sampled_model(Run(run)) or str(embedded_model_path())
        encoder = SolutionEncoder(AutoTokenizer.from_pretrained(base), shown.format, sampled_system(Run(run)))
        before = AutoModelForCausalLM.from_pretrained(base).to(device)
        solution = Solution(tuple(Block(b.type, b.content) for b in [*shown.prefix, *shown.rejected]))
        errors = [p.model_dump() for p in Run(measure).pairs] if measure else []
        found, measured = {}, {}
        for name, folder in _named(models).items():
            trained = AutoModelForCausalLM.from_pretrained(folder).to(device)
            found[name] = token_credit(trained, before, encoder, shown.question, solution, beta)
            if measure:
                measured[name] = localise(trained, before, encoder, errors, beta)
        place = run / "credit"
        _write_credit(place, shown, found)
        if measured:
            _write_measured(place, measured)
    console.print(f"Open [b]{place / 'credit.html'}[/b]; the picture is beside it.")


def _pair_to_show(run: Path, pair: str | None) -> PairRecord:
    wanted = (p for p in Run(run).pairs if (p.id == pair if pair else p.kind == "step_controlled"))
    shown = next(wanted, None)
    if shown is None:
        raise MissingFileError(f"{run} has no pair {pair or 'that is step-controlled'}")
    return shown


def _named(models: list[str]) -> dict[str, str]:
    """Return the folder of each model by its name."""
    folders = {}
    for entry in models:
        name, equals, folder = entry.partition("=")
        if not equals:
            raise typer.BadParameter(f"--models wants NAME=FOLDER, not {entry!r}")
        folders[name] = folder
    return folders


def _write_credit(place: Path, shown: PairRecord, found: dict[str, list[TokenCredit]]) -> None:
    """Write the page, the picture, and the data that the report draws."""
    shared = len(Solution.of([b.model_dump() for b in shown.prefix]).steps)
    title = f"Credit in a wrong solution ({shown.id})"
    place.mkdir(parents=True, exist_ok=True)
    answers = f"The right answer is {shown.gold}; this solution's is {shown.rejected_answer}."
    (place / "credit.html").write_text(page(title, shown.question, found, shared, answers), encoding="utf-8")
    save_png(place / "credit.png", found, shared)
    data = {name: [asdict(token) for token in tokens] for name, tokens in found.items()}
    (place / "credit.json").write_text(
        json.dumps({"title": title, "question": shown.question, "models": data}), encoding="utf-8"
    )


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
