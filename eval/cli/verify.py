"""``scdpo verify``: verdicts for a file of answers, solutions or another program's results."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from errno import EISDIR
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Annotated, Any

import typer
from rich.markup import escape

from eval.cli.verify_tables import show_changes, show_test, show_verdicts
from eval.rescore import Rescored, rescore
from scdpo.cli.console import STOPPED, Bar, console, report_errors, say_layout
from scdpo.cli.fields import ROWS, AnswerField, SolutionField
from scdpo.errors import SettingsError
from verifier import extract_answer
from verifier.files.fields import Fields
from verifier.files.inputs import read_items
from verifier.files.item import Item
from verifier.files.jsonl import STDIN

JUDGE_CALLS = 8  # to the judge at once: few answers are left to it, and a server batches them


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
        show_verdicts(results, differing, judged)
        show_changes(results)
        words = "1 verdict" if len(results) == 1 else f"{len(results)} verdicts"
        console.print(f"{words} in {time.monotonic() - started:.1f} s: [b]{escape(str(target))}[/b]")
        if compare is not None:
            show_test(file, results, compare, rivals)


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
    """Return where the verdicts of a source go: beside it, or here for standard input and a data set of the hub."""
    place = (
        Path(source)
        if Path(source).exists()
        else Path("stdin" if Path(source) == STDIN else Path(source).name)
    )
    name = place.name[: -len(".gz")] if place.name.endswith(".gz") else place.name
    return place.with_name((name if place.is_dir() else Path(name).stem) + ".verdicts.jsonl")


@contextmanager
def _written(target: Path) -> Iterator[IO[str]]:
    """Open a file that takes the place of ``target`` when it is whole; until then it is ``target`` with ``.part``."""
    part = target.with_name(target.name + ".part")
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")  # said before the work and not after it
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
        with Bar("correct") as bar:
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
