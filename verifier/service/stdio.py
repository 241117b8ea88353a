"""The service for one client that started it: the Model Context Protocol over standard input and output."""

from __future__ import annotations

import anyio

from verifier.service.app import Service
from verifier.service.mcp_tools import mcp_server
from verifier.service.metrics import Metrics
from verifier.service.settings import ServiceSettings


def run_stdio(settings: ServiceSettings) -> None:
    """Serve until standard input ends; sessions and workers end with it.

    Raises:
        IsolationError: when a tool is called, as that tool's error, if no isolation level can be had here.
    """

    async def serve() -> None:
        service = Service(settings, Metrics())
        async with service.running():
            await mcp_server(lambda: service).run_stdio_async()

    anyio.run(serve)
