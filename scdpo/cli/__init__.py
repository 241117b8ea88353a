"""The command line: a table of verbs. A verb's module is loaded when the verb is called.

So ``scdpo verify`` needs no torch, and a verb whose packages are missing says which extra brings them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from scdpo.cli import console


class Verb(NamedTuple):
    """Where a verb is, what it does in a line, and the extra of the distribution that it needs."""

    module: str
    summary: str
    extra: str = "train"

    @property
    def function(self) -> Any:
        """Return the function of the verb: the one that its module is named after."""
        return getattr(import_module(self.module), self.module.rpartition(".")[2])


VERBS = {
    "quickstart": Verb(
        "eval.cli.quickstart", "Do the whole job on the built-in model, in minutes.", "quickstart"
    ),
    "sample": Verb("scdpo.cli.sample", "Sample solutions and make naive pairs of them."),
    "corrupt": Verb(
        "scdpo.cli.corrupt", "Make step-controlled pairs: right solutions go wrong after a step."
    ),
    "values": Verb("scdpo.cli.values", "Estimate how often the model succeeds from every step."),
    "status": Verb("scdpo.cli.status", "Show how far a run is and what was dropped."),
    "import": Verb("scdpo.cli.import_pairs", "Bring pairs that others made into a run, each verified."),
    "export": Verb("scdpo.cli.export", "Write a run's pairs for other trainers, as Parquet."),
    "sft": Verb("scdpo.cli.sft", "Fine-tune a model on the preferred solutions of a run."),
    "train": Verb("scdpo.cli.train", "Train a model on the pairs of a run by DPO or Step-Controlled DPO."),
    "convert": Verb("scdpo.cli.convert", "Write an InternLM2 checkpoint as a Llama model.", "convert"),
    "rounds": Verb(
        "eval.cli.rounds", "Make pairs with the newest model, train it on them, and go on with it."
    ),
    "evaluate": Verb("eval.cli.evaluate", "Measure a model on benchmarks."),
    "compare": Verb("eval.cli.compare", "Compare models: a table with intervals and paired tests."),
    "credit": Verb("eval.cli.credit", "Show where each model puts credit in a wrong solution."),
    "report": Verb("eval.cli.report", "Write a run's page: pairs, accuracy, curves, credit."),
    "verify": Verb("eval.cli.verify", "Say of each answer of a file or result log whether it is right."),
    "run": Verb("scdpo.cli.run", "Run the code of a solution in an isolated kernel."),
    "serve": Verb("scdpo.cli.serve", "Offer verification and isolated sessions over HTTP.", "serve"),
    "mcp": Verb("scdpo.cli.mcp", "Offer the sandbox and the verifier as tools of MCP.", "mcp"),
    "doctor": Verb("scdpo.cli.doctor", "Say what protects you from model code here, and what to fix."),
}


HELP = {"help_option_names": ["-h", "--help"]}


class VerbGroup(TyperGroup):
    """The verbs of ``VERBS`` as a group: known by name and summary, loaded when called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=verb.summary) for name, verb in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that is called, and load it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_verb(str(name)), rest


def load_verb(name: str) -> Any:
    """Return the command of a verb, with its options; ends with a message if a package is missing."""
    verb = VERBS[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=HELP)
    with console.missing_packages(name, verb.extra):
        alone.command(name)(console.with_missing_packages(verb.function, name, verb.extra))
        return typer.main.get_command(alone)


app = typer.Typer(
    cls=VerbGroup,
    help="Turn a model that solves maths problems with text and Python into a better one. It needs problems with known "
    "final answers; no one labels steps.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings=HELP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scdpo {version('scdpo')}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Log more; -vv logs all.")] = 0,
    debug: Annotated[bool, typer.Option("--debug", help="Show errors with their traceback.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Set up logging, and how errors are shown."""
    console.set_up(verbose, debug)
