"""``scdpo serve``: verification and isolated sessions over HTTP."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated

import typer

from scdpo.cli.console import STOPPED, console, report_errors
from scdpo.errors import SettingsError
from verifier.service import ServiceSettings
from verifier.service import serve as run_service


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
    with report_errors():
        try:
            report = run / "report.html" if run else None
            key = os.environ.get("SCDPO_KEY")
            settings = ServiceSettings(host=host, port=port, workers=workers, key=key, report=report)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        listen(settings)


def listen(settings: ServiceSettings) -> None:
    """Serve until a signal ends it; say where to look, and why where it cannot be."""
    try:
        run_service(settings, on_ready=lambda address: _say_where(address, settings))
    except (ValueError, ImportError) as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        port_is_why = error.errno in (errno.EADDRINUSE, errno.EACCES)
        hint = "give another --port, 0 for any" if port_is_why else "--host is an address of this machine"
        raise SettingsError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; {hint}"
        ) from error
    except KeyboardInterrupt as stop:  # the second one: the first lets requests in flight finish
        console.print("Stopped at once.")
        raise typer.Exit(STOPPED) from stop


def _say_where(address: str, settings: ServiceSettings) -> None:
    """Print where to look. Standard error is the log's, one JSON object a line."""
    if settings.report is not None:
        console.print(f"Report of {settings.report.parent}: {address}/", soft_wrap=True)
        if settings.key is not None:
            console.print("  The browser asks for a user, who may be anyone, and a password: the key.")
    if settings.mcp:
        console.print(f"MCP: {address}/mcp", soft_wrap=True)
    console.print(f"API, with a form to try each route: {address}/docs", soft_wrap=True)
    console.print("Ctrl-C ends the service when the requests in flight are done.")
