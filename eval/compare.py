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

from eval.metrics import Estimate, Interval, Paired, compare, p_words
from eval.plot import Series, line_chart
from eval.results import Evaluation, ResultError, read_result, read_results


@dataclass(frozen=True, slots=True)
class TableCell:
    """One model on one benchmark; ``paired`` is its test against the first model, None for the first itself."""

    evaluation: Evaluation
    accuracy: Estimate
    paired: Paired | None

    @property
    def test(self) -> str:
        """The difference in points and its p-value in words, with how many problems both have where not all."""
        if self.paired is None:
            return ""
        words = f"{100 * self.paired.difference:+.1f}, {p_words(self.paired.p_value)}"
        return words + (f" on the {self.paired.problems} of both" if self.paired.unpaired else "")


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """A table: ``cells[model, benchmark]``, empty where a model was not given a benchmark."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    cells: dict[tuple[str, str], TableCell]

    @property
    def turned(self) -> bool:
        """Whether benchmarks go down and models across: there are more of them than a line has room for."""
        return len(self.benchmarks) > max(3, len(self.models))

    def uneven(self, benchmark: str) -> bool:
        """Whether the models were not given equally many problems of a benchmark."""
        column = [cell for (_, of), cell in self.cells.items() if of == benchmark]
        return len({cell.accuracy.problems for cell in column}) > 1


def load(paths: Iterable[Path]) -> list[Evaluation]:
    """Read evaluations from run folders and result files, in the order given.

    A model's name is made longer by the end of its path where two paths have the same model on the same benchmark.

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
    ends = _shortest_ends({path for (path, _), key in zip(found, keys, strict=True) if keys.count(key) > 1})
    return [
        e.model_copy(update={"model": f"{e.model} ({ends[path]})"}) if path in ends else e
        for path, e in found
    ]


def _shortest_ends(paths: set[Path]) -> dict[Path, str]:
    """Return for each path as many of its last parts as tell all of them apart."""
    parts = {path: path.resolve().parts for path in paths}
    for length in range(1, max(map(len, parts.values()), default=0) + 1):
        ends = {path: "/".join(of[-length:]) for path, of in parts.items()}
        if len(set(ends.values())) == len(ends):
            return ends
    return {path: str(path) for path in paths}


def comparison(evaluations: Sequence[Evaluation]) -> ComparisonTable:
    """Arrange evaluations as a table; the first model is what the others are tested against.

    Evaluations that were not drawn alike (samples, temperature, seed) stand in columns of their own. Two are paired
    on the problems whose id, question and gold answer are the same.

    Raises:
        ResultError: if there are none, one is not finished, or a model is there twice for a benchmark.
    """
    if not evaluations:
        raise ResultError("no evaluations to compare")
    columns = {id(e): e.benchmark + _suffix(e, evaluations) for e in evaluations}
    models = tuple(dict.fromkeys(e.model for e in evaluations))
    first = {columns[id(e)]: e for e in evaluations if e.model == models[0]}
    cells: dict[tuple[str, str], TableCell] = {}
    for e in evaluations:
        key = (e.model, columns[id(e)])
        if e.accuracy is None:
            raise ResultError(f"{e.name} is not finished; run the same evaluation again")
        if key in cells:
            raise ResultError(f"{e.model} has two results for {key[1]}; give one of them")
        base = first.get(key[1])
        paired = None
        if base is not None and e.model != models[0]:
            paired = paired_test(base, e)
        cells[key] = TableCell(e, e.accuracy, paired)
    return ComparisonTable(models, tuple(dict.fromkeys(columns.values())), cells)


def paired_test(base: Evaluation, other: Evaluation) -> Paired | None:
    """Test two evaluations against each other, problem by problem; None if no problem is the same in both.

    Without digests, equal ids will do.
    """
    changed = {
        problem
        for problem in base.problems.keys() & other.problems.keys()
        if base.problems[problem] != other.problems[problem]
    }
    first = {problem: score for problem, score in base.scores.items() if problem not in changed}
    second = {problem: score for problem, score in other.scores.items() if problem not in changed}
    return None if first.keys().isdisjoint(second) else compare(first, second)


def rich_table(table: ComparisonTable) -> Table:
    """Return the comparison for a terminal; names are shown as they are, whatever markup they hold."""
    title = "Accuracy, % [95 % interval]"
    if len(table.models) > 1:
        title += f"\nand difference to {_plain(table.models[0])}"
    head, *rows = _grid(table, "\n")
    return _rich(title, head, rows)


def samples_table(table: ComparisonTable) -> Table | None:
    """Return pass@k and maj@k for a terminal, a row a model, benchmark and k; None where one sample was drawn."""
    grid = _samples_grid(table)
    return _rich("Several samples per problem, % [95 % interval]", grid[0], grid[1:]) if grid else None


def _samples_grid(table: ComparisonTable) -> list[list[str]]:
    several = {key: cell.evaluation for key, cell in table.cells.items() if cell.evaluation.pass_at}
    rows = [
        [_plain(model), _plain(benchmark), str(k), _bootstrapped(passed), _bootstrapped(e.majority_at[k])]
        for (model, benchmark), e in several.items()
        for k, passed in e.pass_at.items()
        if k > 1  # one sample tells what the accuracy tells
    ]
    return [["model", "benchmark", "k", "pass@k", "maj@k"], *rows] if rows else []


def _bootstrapped(found: Estimate) -> str:
    return _with_interval(found, found.bootstrap)


def groups_table(table: ComparisonTable, field: str) -> Table:
    """Return the accuracy by ``level`` or ``subject`` for a terminal, a row a benchmark and value.

    Raises:
        ResultError: if no evaluation's problems have that field.
    """
    found = {
        key: cell.evaluation.by[field] for key, cell in table.cells.items() if field in cell.evaluation.by
    }
    if not found:
        raise ResultError(f"none of these evaluations has problems with a {field}")
    rows = []
    for benchmark in dict.fromkeys(benchmark for _, benchmark in found):
        of = {model: found[model, benchmark] for model in table.models if (model, benchmark) in found}
        for value in sorted({value for by in of.values() for value in by}):
            cells = (_estimate(of[m][value]) if m in of and value in of[m] else "–" for m in table.models)
            rows.append([_plain(benchmark), _plain(value), *cells])
    head = ["benchmark", field, *map(_plain, table.models)]
    return _rich(f"Accuracy by {field}, % [95 % interval] of so many problems", head, rows)


def _estimate(found: Estimate) -> str:
    return f"{_wilson(found)} of {found.problems}"


def _wilson(found: Estimate) -> str:
    return _with_interval(found, found.wilson)


def _with_interval(found: Estimate, interval: Interval) -> str:
    return f"{100 * found.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _rich(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    made = Table(title=title, title_style="bold", title_justify="left")
    for number, name in enumerate(head):
        made.add_column(Text(name), justify="right" if number else "left")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def markdown(table: ComparisonTable) -> str:
    """Return the comparison as a Markdown table with a note under it."""
    lines = _markdown_lines(_grid(table, "<br>"))
    tests = sorted({c.paired.test for c in table.cells.values() if c.paired})
    note = "Accuracy in % with Wilson's 95 % interval"
    if tests:
        first = _plain(table.models[0]).replace("|", r"\|")
        note += f"; difference to {first} in points with its p-value ({', '.join(tests)}, uncorrected)"
    lines += ["", note + "."]
    if several := _samples_grid(table):
        lines += [
            "",
            *_markdown_lines(several),
            "",
            "pass@k and maj@k in % with the bootstrap's 95 % interval.",
        ]
    return "\n".join(lines) + "\n"


def _markdown_lines(grid: Sequence[Sequence[str]]) -> list[str]:
    head, *rows = grid
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


def _grid(table: ComparisonTable, new_line: str) -> list[list[str]]:
    """Return the table in words, its head first."""
    down, across = (table.benchmarks, table.models) if table.turned else (table.models, table.benchmarks)
    grid = [["benchmark" if table.turned else "model", *map(_plain, across)]]
    for name in down:
        keys = ((other, name) if table.turned else (name, other) for other in across)
        grid.append([_plain(name), *(_words(table, key, new_line) for key in keys)])
    return grid


def sweep_plot(evaluations: Sequence[Evaluation]) -> str:
    """Draw accuracy against temperature, one line a model and benchmark, and return it as SVG.

    Raises:
        ResultError: if no model has two temperatures on one benchmark.
    """
    lines: dict[tuple[str, str, int], dict[float, Estimate]] = {}
    for e in evaluations:
        if e.accuracy is not None:
            key = (e.model, e.benchmark, e.settings.seed)
            lines.setdefault(key, {})[e.settings.temperature] = e.accuracy
    swept = {key: points for key, points in lines.items() if len(points) > 1}
    if not swept:
        raise ResultError("a sweep needs one model on one benchmark at two temperatures or more")
    several, seeds = (len({key[part] for key in swept}) > 1 for part in (1, 2))
    series = [
        Series(
            model + (f", {benchmark}" if several else "") + (f", seed {seed}" if seeds else ""),
            [(t, 100 * points[t].value) for t in sorted(points)],
            [(100 * points[t].wilson.low, 100 * points[t].wilson.high) for t in sorted(points)],
        )
        for (model, benchmark, seed), points in swept.items()
    ]
    return line_chart(
        series, "sampling temperature", "accuracy, %", "Accuracy against temperature", y_range=(0, 100)
    )


def _drawn(evaluation: Evaluation) -> tuple[int, float, int]:
    return evaluation.settings.samples, evaluation.settings.temperature, evaluation.settings.seed


def _suffix(evaluation: Evaluation, among: Sequence[Evaluation]) -> str:
    """Return how an evaluation was drawn, where its benchmark's were not all drawn alike."""
    drawn = {_drawn(e) for e in among if e.benchmark == evaluation.benchmark}
    if len(drawn) == 1:
        return ""
    samples, temperature, seed = _drawn(evaluation)
    words = ["greedy"] if not temperature and samples == 1 else [f"T {temperature:g}", f"{samples} a problem"]
    if len({seed for *_, seed in drawn}) > 1:
        words.append(f"seed {seed}")
    return f" ({', '.join(words)})"


def _words(table: ComparisonTable, key: tuple[str, str], new_line: str) -> str:
    cell = table.cells.get(key)
    if cell is None:
        return "–"
    words = _estimate(cell.accuracy) if table.uneven(key[1]) else _wilson(cell.accuracy)
    return words + (new_line + cell.test if cell.test else "")


def _plain(text: str) -> str:
    """Return text without line breaks, control characters and direction marks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
