"""What the page says above the records: overview, funnel, accuracy, training curves, credit heat-maps.

Everything is read from the files of the run folder; a part whose files are not there is left out, and the page
says which command makes them. Not covered: runs still being written (the page shows the state at one moment).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.compare import ComparisonTable, comparison, sweep_plot
from eval.heat import HeatMap, heat_map
from eval.metrics import Estimate
from eval.plot import Series, line_chart
from eval.results import Evaluation, ResultError
from scdpo.data.runs import RunError

_CURVES = ("loss", "rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected")
_TITLES = {
    "loss": ("Loss", "loss"),
    "rewards/accuracies": ("Pairs told apart: chosen side gained more than rejected", "share of pairs"),
    "rewards/margins": ("Reward margin: chosen minus rejected", "reward (β × nats)"),
    "rewards/chosen": ("Reward of the chosen sides", "reward (β × nats)"),
    "rewards/rejected": ("Reward of the rejected sides", "reward (β × nats)"),
    "eval_loss": ("Loss on held-out pairs", "loss"),
    "grad_norm": ("Norm of the gradient", "norm"),
    "learning_rate": ("Learning rate", "learning rate"),
}
"""What a logged quantity is called, and its unit."""
_KINDS = {"_naive": "naive pairs", "_step_controlled": "step-controlled pairs"}


@dataclass(frozen=True, slots=True)
class Drop:
    """Why something was left out, how often, and what share of the stage's input that is (0 to 1)."""

    reason: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the run: what came in, what was kept, what was dropped and why."""

    name: str
    taken: int
    kept: int
    share: float
    drops: tuple[Drop, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Score:
    """A cell of the accuracy table, in per cent; the test's words are empty for the first model."""

    value: float
    low: float
    high: float
    problems: int
    test: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy table and what goes under it."""

    first: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Score | None, ...]], ...]
    tests: str
    groups: tuple[tuple[str, str, tuple[tuple[str, Score], ...]], ...]
    several: tuple[tuple[str, tuple[tuple[int, Score, Score], ...]], ...]
    costs: tuple[Evaluation, ...]
    sweep: Markup | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity of training over the steps, one line a model, with its numbers for those who cannot see it."""

    name: str
    chart: Markup
    rows: tuple[tuple[str, float, float, float, float], ...]


class ReportError(RunError):
    """A file of the run folder cannot be shown; the message names it."""


def stages(run_dir: Path) -> list[Stage]:
    """Read ``stages.json`` in the order in which the stages were entered.

    Raises:
        ReportError: if it is not as documented.
    """
    found = []
    for name, counts in _object(run_dir / "stages.json").items():
        try:
            taken, kept = int(counts["in"]), int(counts["kept"])
            whole = max(taken, kept, 1)
            drops = tuple(
                Drop(str(r).replace("_", " "), int(n), int(n) / whole) for r, n in counts["dropped"].items()
            )
            seconds = float(counts["seconds"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReportError(
                f"{run_dir / 'stages.json'}: stage {name!r} needs in, kept, dropped, seconds"
            ) from error
        found.append(Stage(name.replace("_", " "), taken, kept, kept / whole, drops, seconds))
    return found


def accuracy(evaluations: Sequence[Evaluation]) -> Accuracy | None:
    """Arrange the evaluations of a run; None where there are none.

    Raises:
        ResultError: if one model has two results for a benchmark.
    """
    if not evaluations:
        return None
    table = comparison(evaluations)
    corner, columns, rows = _laid_out(table)
    groups = tuple(
        (e.title, field, tuple((value, _of(found, "")) for value, found in by.items()))
        for e in evaluations
        for field, by in e.by.items()
    )
    several = tuple(
        (
            e.title,
            # One sample tells what the accuracy tells.
            tuple((k, _boot(e.pass_at[k]), _boot(e.majority_at[k])) for k in e.pass_at if k > 1),
        )
        for e in evaluations
        if max(e.pass_at, default=1) > 1
    )
    tests = ", ".join(sorted({c.paired.test for c in table.cells.values() if c.paired}))
    try:
        sweep = Markup(sweep_plot(evaluations))
    except ResultError:  # a run without a sweep has no such plot
        sweep = None
    return Accuracy(table.models[0], corner, columns, rows, tests, groups, several, tuple(evaluations), sweep)


def _laid_out(
    table: ComparisonTable,
) -> tuple[str, tuple[str, ...], tuple[tuple[str, tuple[Score | None, ...]], ...]]:
    """Return what stands in the table's corner, its columns, and its rows."""
    if table.turned:
        turned = tuple((b, tuple(_score(table, m, b) for m in table.models)) for b in table.benchmarks)
        return "Benchmark", table.models, turned
    straight = tuple((m, tuple(_score(table, m, b) for b in table.benchmarks)) for m in table.models)
    return "Model", table.benchmarks, straight


def _score(table: ComparisonTable, model: str, benchmark: str) -> Score | None:
    cell = table.cells.get((model, benchmark))
    if cell is None:
        return None
    problems = f"{cell.accuracy.problems} problems"
    words = [problems] if not cell.test or table.uneven(benchmark) else []
    return _of(cell.accuracy, "; ".join([*words, cell.test] if cell.test else words))


def _of(found: Estimate, test: str) -> Score:
    return Score(100 * found.value, 100 * found.wilson.low, 100 * found.wilson.high, found.problems, test)


def _boot(found: Estimate) -> Score:
    """Return an estimate with the bootstrap's interval, which pass@k and maj@k have."""
    low, high = 100 * found.bootstrap.low, 100 * found.bootstrap.high
    return Score(100 * found.value, low, high, found.problems, "")


def curves(run_dir: Path, evaluations: Sequence[Evaluation] = ()) -> list[Curve]:
    """Draw what the trainers logged: of each ``model/NAME``, its longest log (checkpoints have one too).

    Args:
        run_dir: the run.
        evaluations: those of the run; a model is called as in them.

    Raises:
        ReportError: if a ``trainer_state.json`` has no log.
    """
    logs: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(run_dir.glob("model/**/trainer_state.json")):
        name, log = path.relative_to(run_dir / "model").parts[0], _log(path)
        if len(log) > len(logs.get(name, [])):
            logs[name] = log
    shown = {Path(e.settings.checkpoint).name: e.model for e in evaluations if _is_of(run_dir, e)}
    names = sorted(
        {key for log in logs.values() for entry in log for key in entry if _is_curve(key)},
        key=lambda key: (_rank(key), key),
    )
    drawn = []
    for name in names:
        # Also those that logged no such figure: a model has one colour in all charts.
        lines = [Series(shown.get(model, model), _points(log, name)) for model, log in logs.items()]
        # One point is no line.
        lines = [line if len(line.points) > 1 else Series(line.name, ()) for line in lines]
        logged = [line for line in lines if line.points]
        if logged:
            title, unit = _title(name)
            y_range = (0.0, 1.0) if unit == "share of pairs" else None
            chart = line_chart(lines, "optimizer step", unit, f"{title}, over training", y_range=y_range)
            drawn.append(Curve(title, Markup(chart), tuple(_summary(line) for line in logged)))
    return drawn


def _is_of(run_dir: Path, evaluation: Evaluation) -> bool:
    """Whether an evaluation is of a model that was trained in this run."""
    return Path(evaluation.settings.checkpoint).absolute().parent == (run_dir / "model").absolute()


def _title(name: str) -> tuple[str, str]:
    """Return what a logged quantity is called, and its unit; its own name where it is not known."""
    kind = next((end for end in _KINDS if name.endswith(end)), "")
    title, unit = _TITLES.get(name.removesuffix(kind), (name, ""))
    return (f"{title} ({_KINDS[kind]})" if kind else title), unit


def _log(path: Path) -> list[Mapping[str, Any]]:
    log = _object(path).get("log_history")
    if not isinstance(log, list) or not all(isinstance(entry, dict) for entry in log):
        raise ReportError(f"{path}: log_history is missing")
    return log


def _is_curve(key: str) -> bool:
    return key.startswith(_CURVES) or key in _TITLES


def _rank(key: str) -> int:
    return next((i for i, start in enumerate(_TITLES) if key.startswith(start)), len(_TITLES))


def _points(log: Iterable[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    found = [(entry.get("step"), entry.get(name)) for entry in log]
    numbers = [(float(x), float(y)) for x, y in found if isinstance(x, int) and isinstance(y, int | float)]
    return [point for point in numbers if math.isfinite(point[1])]


def _summary(line: Series) -> tuple[str, float, float, float, float]:
    values = [y for _, y in line.points]
    return line.name, values[0], values[-1], min(values), max(values)


def heat_maps(run_dir: Path) -> list[HeatMap]:
    """Read ``credit/*.json``, which ``scdpo credit`` writes; its other files there are no heat-maps.

    Raises:
        ReportError: if a file is not such an object.
    """
    paths = sorted(path for path in run_dir.glob("credit/*.json") if path.name != "localisation.json")
    return [_heat_map(path) for path in paths]


def _heat_map(path: Path) -> HeatMap:
    try:
        return heat_map(_object(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReportError(
            f"{path}: needs title, question, and models with text, credit and own of each token"
        ) from error


def _object(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ReportError(f"{path} must hold a JSON object")
    return value
