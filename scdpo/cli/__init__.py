"""The command line of this package: ``sample``, ``corrupt``, ``sft``, ``train`` and the others, a module a group.

The verbs that measure (``evaluate``, ``compare``, ``report``, ``quickstart``) are in ``eval.cli``, which adds
them to ``app``: ``eval`` may import this package, and not the other way round.
"""

import typer

app = typer.Typer(
    help="Turn a model that solves maths problems with text and Python into a better one, without human labels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
