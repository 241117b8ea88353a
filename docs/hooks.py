"""Write the page of the command line from the commands themselves, so that it never lags behind them."""

from __future__ import annotations

import re

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from scdpo.cli import VERBS, app, load_verb


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add ``reference/cli.md``: every verb with its arguments, options and example."""
    command = typer.main.get_command(app)
    command.commands = {name: load_verb(name) for name in VERBS}
    page = get_docs_for_click(obj=command, ctx=typer.Context(command), name="scdpo", title="Command line")
    for name, verb in VERBS.items():  # Typer cuts summaries short, and links none
        page = re.sub(
            rf"^\* `{name}`: .*$", f"* [`{name}`](#scdpo-{name}): {verb.summary}", page, flags=re.MULTILINE
        )
    page = re.sub(r"\[b\](.*?)\[/b\]", r"`\1`", page)  # the terminal's bold
    files.append(File.generated(config, "reference/cli.md", content=page))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Take the theme's hidden switches of the palette out of the keyboard's way."""
    return output.replace('<input class="md-option" ', '<input class="md-option" tabindex="-1" ')
