"""The paper's table for any evaluations (models by benchmarks), and accuracy against temperature.

Each model is tested against the first on the problems that both were given. Not covered: correction of the
p-values for the number of models, which is the reader's decision; docs/evaluation.md says how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from eval.metrics import Estimate, Paired, compare
from eval.plot import Series, line_chart
from eval.results import Evaluation, ResultError, read_result, read_results


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one benchmark; ``paired`` is its test against the first model, None for the first itself."""

    evaluation: Evaluation
    accuracy: Estimate
    paired: Paired | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table: ``cells[model, benchmark]``, empty where a model was not given a benchmark."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    @property
    def turned(self) -> bool:
        """Whether benchmarks go down and models across: there are more of them than a line has room for."""
        return len(self.benchmarks) > max(3, len(self.models))


def load(paths: Iterable[Path]) -> list[Evaluation]:
    """Read evaluations from run folders and result files, in the order given.

    A model's name is made longer by its folder's where two folders have the same model on the same benchmark.

    Raises:
        ResultError: if a path holds no finished evaluation, or a name still stands twice.
    """
    found: list[tuple[Path, Evaluation]] = []
    for path in paths:
        results = read_results(path) if path.is_dir() else [read_result(path)]
        if not any(r.finished for r in results):
            raise ResultError(f"{path} holds no finished evaluation; run: scdpo evaluate MODEL --run {path}")
        found += [(path, r) for r in results if r.finished]
    keys = [(e.model, e.benchmark, _drawn(e)) for _, e in found]
    return [
        e.model_copy(update={"model": f"{e.model} ({path.resolve().name})"}) if keys.count(key) > 1 else e
        for (path, e), key in zip(found, keys, strict=True)
    ]


def comparison(evaluations: Sequence[Evaluation]) -> Comparison:
    """Arrange evaluations as a table; the first model is what the others are tested against.

    Evaluations that were not drawn alike (samples, temperature) stand in columns of their own.

    Raises:
        ResultError: if there are none, one is not finished, or a model is there twice for a benchmark.
    """
    if not evaluations:
        raise ResultError("no evaluations to compare")
    columns = {id(e): e.benchmark + _suffix(e, evaluations) for e in evaluations}
    models = tuple(dict.fromkeys(e.model for e in evaluations))
    first = {columns[id(e)]: e for e in evaluations if e.model == models[0]}
    cells: dict[tuple[str, str], Cell] = {}
    for e in evaluations:
        key = (e.model, columns[id(e)])
        if e.accuracy is None:
            raise ResultError(f"{e.name} is not finished; run the same evaluation again")
        if key in cells:
            raise ResultError(f"{e.model} has two results for {key[1]}; give one of them")
        base = first.get(key[1])
        paired = None
        if base is not None and e.model != models[0] and not base.scores.keys().isdisjoint(e.scores):
            paired = compare(base.scores, e.scores)
        cells[key] = Cell(e, e.accuracy, paired)
    return Comparison(models, tuple(dict.fromkeys(columns.values())), cells)


def rich_table(table: Comparison) -> Table:
    """Return the comparison for a terminal; names are shown as they are, whatever markup they hold."""
    title = "Accuracy, % [95 % interval]"
    if len(table.models) > 1:
        title += f"\nand difference to {_plain(table.models[0])}"
    head, *rows = _grid(table, "\n")
    return _rich(title, head, rows)


def samples_table(table: Comparison) -> Table | None:
    """Return pass@k and maj@k for a terminal, a row a model and benchmark; None where one sample was drawn."""
    several = {key: cell.evaluation for key, cell in table.cells.items() if cell.evaluation.pass_at}
    if not several:
        return None
    ks = sorted({k for e in several.values() for k in e.pass_at})
    rows = [
        [_plain(model), _plain(benchmark), *(_pass_and_majority(e, k) for k in ks)]
        for (model, benchmark), e in several.items()
    ]
    return _rich("pass@k / maj@k, %", ["model", "benchmark", *(f"k = {k}" for k in ks)], rows)


def _pass_and_majority(evaluation: Evaluation, k: int) -> str:
    if k not in evaluation.pass_at:
        return "–"
    return f"{100 * evaluation.pass_at[k].value:.1f} / {100 * evaluation.majority_at[k].value:.1f}"


def _rich(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    made = Table(title=title, title_style="bold", title_justify="left")
    for number, name in enumerate(head):
        made.add_column(Text(name), justify="right" if number else "left")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def markdown(table: Comparison) -> str:
    """Return the comparison as a Markdown table with a note under it."""
    head, *rows = _grid(table, "<br>")
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    lines = ["| " + " | ".join(c.replace("|", r"\|") for c in row) + " |" for row in rows]
    tests = sorted({c.paired.test for c in table.cells.values() if c.paired})
    note = "Accuracy in % with Wilson's 95 % interval"
    if tests:
        first = _plain(table.models[0]).replace("|", r"\|")
        note += f"; difference to {first} in points with its p-value ({', '.join(tests)}, uncorrected)"
    return "\n".join([*lines, "", note + "."]) + "\n"


def _grid(table: Comparison, new_line: str) -> list[list[str]]:
    """Return the table in words, its head first."""
    down, across = (table.benchmarks, table.models) if table.turned else (table.models, table.benchmarks)
    grid = [["benchmark" if table.turned else "model", *map(_plain, across)]]
    for name in down:
        keys = ((other, name) if table.turned else (name, other) for other in across)
        grid.append([_plain(name), *(_words(table.cells.get(key), new_line) for key in keys)])
    return grid


def sweep_plot(evaluations: Sequence[Evaluation]) -> str:
    """Draw accuracy against temperature, one line a model and benchmark, and return it as SVG.

    Raises:
        ResultError: if no model has two temperatures on one benchmark.
    """
    lines: dict[tuple[str, str], dict[float, Estimate]] = {}
    for e in evaluations:
        if e.accuracy is not None:
            lines.setdefault((e.model, e.benchmark), {})[e.settings.temperature] = e.accuracy
    swept = {key: points for key, points in lines.items() if len(points) > 1}
    if not swept:
        raise ResultError("a sweep needs one model on one benchmark at two temperatures or more")
    several = len({benchmark for _, benchmark in swept}) > 1
    series = [
        Series(
            f"{model}, {benchmark}" if several else model,
            [(t, 100 * points[t].value) for t in sorted(points)],
            [(100 * points[t].wilson.low, 100 * points[t].wilson.high) for t in sorted(points)],
        )
        for (model, benchmark), points in swept.items()
    ]
    return line_chart(
        series, "sampling temperature", "accuracy, %", "Accuracy against temperature", y_range=(0, 100)
    )


def _drawn(evaluation: Evaluation) -> tuple[int, float]:
    return evaluation.settings.samples, evaluation.settings.temperature


def _suffix(evaluation: Evaluation, among: Sequence[Evaluation]) -> str:
    """Return how an evaluation was drawn, where its benchmark's were not all drawn alike."""
    if len({_drawn(e) for e in among if e.benchmark == evaluation.benchmark}) == 1:
        return ""
    samples, temperature = _drawn(evaluation)
    return " (greedy)" if not temperature and samples == 1 else f" (T {temperature:g}, {samples} a problem)"


def _words(cell: Cell | None, new_line: str) -> str:
    if cell is None:
        return "–"
    interval = cell.accuracy.wilson
    words = f"{100 * cell.accuracy.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    if cell.paired is not None:
        words += f"{new_line}{100 * cell.paired.difference:+.1f}, {p_words(cell.paired.p_value)}"
    return words


def p_words(p: float) -> str:
    """Return a p-value as ``p = 0.031`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _plain(text: str) -> str:
    """Return text without line breaks, control characters and direction marks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
