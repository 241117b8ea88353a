"""``scdpo verify``: verdicts for a file of answers, solutions or another program's results; what changes, and tests."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from eval.metrics import p_words, wilson
from eval.rescore import Rescored, Score, paired, recorded, rescore, scores, verified
from scdpo.cli.console import STOPPED, Bar, console, report_errors, say_layout, visible
from scdpo.cli.fields import ROWS, AnswerField, SolutionField
from scdpo.errors import SettingsError
from verifier import extract_answer
from verifier.files.fields import Fields
from verifier.files.inputs import read_items
from verifier.files.item import Item

SHOWN = 20  # changes that are printed; all are in the file of verdicts
JUDGE_CALLS = 8  # to the judge at once: few answers are left to it, and a server batches them
CHANGES = ("now right", "now wrong", "now open")


class Rounding(StrEnum):
    """What a rounded decimal counts as, see ``verifier.verify``."""

    exact = "exact"
    sigfigs = "sigfigs"


class Require(StrEnum):
    """How strongly an answer must be stated, see ``verifier.verify``."""

    boxed = "boxed"
    stated = "stated"
    weak = "weak"


class Against(StrEnum):
    """Another verifier to compare with."""

    math_verify = "math-verify"


def verify(
    file: Annotated[str, typer.Argument(help=f"Answers, solutions or results: {ROWS}.")],
    out: Annotated[Path | None, typer.Option(help="Verdicts; FILE.verdicts.jsonl if not given.")] = None,
    answer_field: AnswerField = None,
    solution_field: SolutionField = None,
    compare: Annotated[
        str | None, typer.Option(help="Another model's file of the same problems: test the two.")
    ] = None,
    against: Annotated[
        Against | None, typer.Option(help="Also ask this verifier; where they differ goes to a queue.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Ask an OpenAI-compatible server (http://HOST/v1) about what stays unverifiable."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="Name of the judge's model.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="Processor time for one answer.")] = 5.0,
    rounding: Annotated[
        Rounding,
        typer.Option(help="sigfigs: a decimal of 3 digits or more may be the other answer rounded."),
    ] = Rounding.exact,
    require: Annotated[
        Require,
        typer.Option(help="How an answer must be stated: in a box, by a phrase or last line, in a sentence."),
    ] = Require.weak,
) -> None:
    """Say of each answer of a file whether it is right, with the reason; a table by kind at the end.

    Reads prediction and gold, our own records, the known layouts of data sets and of models' outputs, and the logs of
    lm-eval (--log_samples), lighteval (--save-details) and inspect_ai; how a file is read is said at the start. Where
    a row has no gold answer, it is the one that its own solution states. Where it holds a score, says what changes.

    The judge's key is read from the environment variable SCDPO_JUDGE_KEY. What it says stands beside the verdict.

    Example: [b]scdpo verify answers.jsonl --against math-verify[/b]

    Example: [b]scdpo verify new/samples_gsm8k_DATE.jsonl --compare old/samples_gsm8k_DATE.jsonl[/b]
    """
    target = out or _beside(file)
    started = time.monotonic()
    with report_errors():
        if (judge is None) != (judge_model is None):
            raise SettingsError("--judge and --judge-model belong together")
        fields = Fields(answer=answer_field, solution=solution_field)
        items = _read(file, fields)
        others = _read(compare, fields) if compare is not None else []
        scored = partial(
            rescore, workers=workers, seconds=seconds, rounding=rounding.value, require=require.value
        )
        with _written(target) as lines:
            results = _verified(items, scored, target, lines)
        rivals = list(scored(others))
        differing = _ask_other(results, target) if against else set()
        judged = _ask_judge(results, target, judge, judge_model) if judge and judge_model else {}
        _show_verdicts(results, differing, judged)
        _show_changes(results)
        console.print(
            f"{len(results)} verdicts in {time.monotonic() - started:.1f} s: [b]{escape(str(target))}[/b]"
        )
        if compare is not None:
            _show_test(file, results, compare, rivals)


def _read(source: str, fields: Fields) -> list[Item]:
    """Read a source, and say how it was read, and how many of its rows were left out."""
    dropped: Counter[str] = Counter()
    items = list(read_items(source, fields, dropped, say_layout(source)))
    if dropped:
        console.print(
            f"{dropped.total()} rows left out: they hold no gold answer, and their solution states none"
        )
    if not items:
        raise SettingsError(f"{source} holds no answers")
    return items


def _beside(source: str) -> Path:
    """Return where the verdicts of a source go: beside it, or here for a data set of the hub."""
    place = Path(source) if Path(source).exists() else Path(Path(source).name)
    name = place.name[: -len(".gz")] if place.name.endswith(".gz") else place.name
    return place.with_name((name if place.is_dir() else Path(name).stem) + ".verdicts.jsonl")


@contextmanager
def _written(target: Path) -> Iterator[IO[str]]:
    """Open a file that takes the place of ``target`` when it is whole; until then it is ``target`` with ``.part``."""
    part = target.with_name(target.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as lines:
            yield lines
        part.replace(target)
    except OSError as error:
        raise SettingsError(
            f"{target} cannot be written: {error.strerror}; --out names another file"
        ) from error


def _verified(
    items: Sequence[Item],
    scored: Callable[[Sequence[Item]], Iterator[Rescored]],
    target: Path,
    lines: IO[str],
) -> list[Rescored]:
    """Verify the items, and write each verdict as it comes.

    Ctrl-C ends the command: verifying is fast, and a file that changed in between must not keep old verdicts.
    """
    results: list[Rescored] = []
    try:
        with Bar("right") as bar:
            bar.start("verify", len(items), 0)
            for one in scored(items):
                results.append(one)
                lines.write(json.dumps(_record(one)) + "\n")
                bar.advance(int(one.verdict.correct))
    except KeyboardInterrupt as stop:
        console.print(
            f"\nStopped after {len(results)} of {len(items)} answers; their verdicts are in {escape(str(target))}.part."
            " The same command begins anew."
        )
        raise typer.Exit(STOPPED) from stop
    return results


def _record(one: Rescored) -> dict[str, Any]:
    record = {"id": one.item.id, "kind": one.item.kind, **one.verdict.to_dict()}
    return record if one.item.label is None else record | {"recorded": one.item.label}


# --- other opinions


def _ask_other(results: Sequence[Rescored], target: Path) -> set[int]:
    """Ask Math-Verify, write where it says otherwise to a queue, and return which these are."""
    try:
        from math_verify import parse
        from math_verify import verify as theirs
    except ImportError as error:
        raise SettingsError("--against math-verify needs it: pip install math-verify==0.9.0") from error

    queue = target.with_name(f"{target.name.removesuffix('.jsonl')}.disagreements.jsonl")
    differing = set()
    with _written(queue) as lines:
        for number, one in enumerate(results):
            said = one.item.prediction
            text = said if isinstance(said, str) else said.render("markdown")
            # Its own time limits need the main thread's alarm, which is where the command line runs.
            right = bool(theirs(parse(f"${one.item.gold}$"), parse(text)))
            if right == one.verdict.correct:
                continue
            differing.add(number)
            entry = {
                "id": one.item.id,
                "prediction": extract_answer(said),
                "gold": one.item.gold,
                "ours": one.verdict.to_dict(),
                "math_verify": right,
            }
            lines.write(json.dumps(entry) + "\n")
    console.print(f"Where the two differ, to be labelled: [b]{escape(str(queue))}[/b]")
    return differing


def _ask_judge(results: Sequence[Rescored], target: Path, url: str, model: str) -> dict[int, str]:
    """Ask the judge about what is unverifiable, record its calls, and return what it says, by place in ``results``."""
    try:
        from verifier.judge import Judge, JudgeCall
    except ImportError as error:
        raise SettingsError(str(error)) from error

    calls = target.with_name(f"{target.name.removesuffix('.jsonl')}.judge.jsonl")
    lock = Lock()
    with _written(calls) as lines:

        def record(call: JudgeCall) -> None:
            with lock:
                lines.write(json.dumps(call.to_dict()) + "\n")
                lines.flush()

        asked = Judge(url, model, record, key=os.environ.get("SCDPO_JUDGE_KEY"))
        try:
            with ThreadPoolExecutor(JUDGE_CALLS) as threads:
                says = threads.map(
                    lambda one: asked.says(one.item.id, one.item.question, one.verdict), results
                )
                judged: dict[int, str] = {
                    number: said for number, said in enumerate(says) if said is not None
                }
        finally:
            asked.close()
    console.print(f"Calls to the judge: [b]{escape(str(calls))}[/b]")
    return judged


# --- what is printed


def _show_verdicts(results: Sequence[Rescored], differing: set[int], judged: dict[int, str]) -> None:
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for number, one in enumerate(results):
        row = rows[one.item.kind]
        row[one.verdict.status] += 1
        if one.item.label is not None:
            row["recorded right"] += one.item.label
            row[one.change or "as recorded"] += 1
        row["differ"] += number in differing
        if number in judged:
            row[f"judged {judged[number]}"] += 1
    total = sum(rows.values(), Counter[str]())
    columns = ["correct", "incorrect", "unverifiable"]
    columns += [name for name in ("recorded right", *CHANGES, "differ") if total[name]]
    columns += [f"judged {word}" for word in ("same", "different", "unclear") if total[f"judged {word}"]]
    table = Table(title="Verdicts by kind", title_justify="left")
    table.add_column("kind")
    for name in columns:
        table.add_column(name, justify="right")
    for kind, row in sorted(rows.items()):
        table.add_row(Text(visible(kind)), *(str(row[name]) for name in columns))
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in columns))
    console.print(table)


def _show_changes(results: Sequence[Rescored]) -> None:
    """Print the answers whose recorded score does not hold."""
    changed = [one for one in results if one.change]
    if not changed:
        return
    table = Table(title="What changes", title_justify="left")
    for name in ("id", "", "answer", "gold", "reason"):
        table.add_column(name, overflow="fold")
    for one in sorted(changed, key=lambda one: CHANGES.index(str(one.change)))[:SHOWN]:
        verdict = one.verdict
        cells = (one.item.id, str(one.change), verdict.prediction or "–", verdict.gold or "–", verdict.reason)
        table.add_row(*(Text(visible(cell)[:200]) for cell in cells))
    console.print(table)
    if len(changed) > SHOWN:
        console.print(f"{len(changed) - SHOWN} more: the lines whose `correct` is not `recorded`.")


def _show_test(first: str, results: Sequence[Rescored], second: str, rivals: Sequence[Rescored]) -> None:
    """Print the paired test by verdict and, where both files hold scores, as recorded."""
    ways: list[tuple[str, Score]] = [("verified", verified)]
    if any(one.item.label is not None for one in results) and any(o.item.label is not None for o in rivals):
        ways.append(("recorded", recorded))
    table = Table(title="The two logs, % [95 % interval]", title_justify="left")
    table.add_column("")
    for name, _ in ways:
        table.add_column(name, justify="right")
    names = (
        f"first: {first}", f"second: {second}", "difference", "p-value", "problems in both", "in one only",
        "only first right", "only second right",
    )  # fmt: skip
    columns = [_test_cells(results, rivals, score) for _, score in ways]
    for name, *cells in zip(names, *columns, strict=True):
        table.add_row(Text(visible(name), overflow="fold"), *cells)
    console.print(table)


def _test_cells(results: Sequence[Rescored], rivals: Sequence[Rescored], score: Score) -> tuple[str, ...]:
    found = paired(results, rivals, score)
    low, high = found.interval.low, found.interval.high
    return (
        _share(scores(results, score)),
        _share(scores(rivals, score)),
        f"{100 * found.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
        f"{p_words(found.p_value)}, {found.test}",
        *map(str, (found.problems, found.unpaired, found.first_only, found.second_only)),
    )


def _share(values: dict[str, float]) -> str:
    total = sum(values.values())
    interval = wilson(total, len(values))
    return f"{100 * total / len(values):.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
