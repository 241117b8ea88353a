"""``scdpo mcp``: the sandbox and the verifier as tools of the Model Context Protocol."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from scdpo.cli.console import report_errors
from scdpo.cli.serve import listen
from scdpo.errors import SettingsError
from verifier.service import ServiceSettings


def mcp(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Answer over HTTP at this port, 0 for any; else over stdio."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="With --port: address to listen on; another than loopback needs a key.")
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, help="Processes that verify.")] = 2,
) -> None:
    """Offer the tools python, fork and verify to a client of the Model Context Protocol.

    Without --port the client starts this command and speaks to it over standard input and output. With --port the
    HTTP service of [b]scdpo serve[/b] listens and speaks MCP at /mcp; its bearer key is read from SCDPO_KEY.

    Example: [b]scdpo mcp --port 8321[/b]
    """
    from verifier.service.stdio import run_stdio  # here, so that --help does without the extra

    with report_errors():
        settings = _settings(host, port, workers)
        if port is None:
            run_stdio(settings)
        else:
            listen(settings)


def _settings(host: str, port: int | None, workers: int) -> ServiceSettings:
    try:
        return ServiceSettings(
            host=host, port=port or 0, workers=workers, key=os.environ.get("SCDPO_KEY"), mcp=True
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
