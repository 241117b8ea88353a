"""The service in the Model Context Protocol: three tools, over HTTP at ``/mcp`` or over standard input and output.

Sessions are the service's own, held by an id that each reply names, so that every version of the protocol and every
transport keeps state the same way; what bounds them over HTTP bounds them here. Over HTTP each message is a request of
its own: it passes the gate as all others do, and the server keeps nothing of a client between two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import BaseModel, Field

from sandbox.limits import Status
from verifier.service import models
from verifier.service.errors import HttpProblem

MCP_PATH = "/mcp"
MOST_FORKS = 64
"""Copies that one call may make; ``max_sessions`` bounds them all."""
INSTRUCTIONS = (
    "Run Python in isolated sessions that keep their variables, copy a session to try several ways on from one state, "
    "and check mathematical answers. Sessions have no network and start no programs."
)


class PythonReply(BaseModel):
    """What a cell did."""

    session: str = Field(description="the session's id: give it to go on with these variables")
    status: Status
    output: str = Field(description="what the cell printed, the value of its last line, or its error")
    state_lost: bool = Field(description="whether the session ended with all its variables")


class Copies(BaseModel):
    """Copies of a session."""

    sessions: list[str] = Field(description="their ids")


SessionId = Annotated[str, Field(description="the id of a session, from an earlier reply", max_length=128)]


def mcp_server(service: Callable[[], Any]) -> MCPServer[Any]:
    """Return a server of the three tools.

    Args:
        service: gives the running ``Service`` when a tool is called.
    """
    server: MCPServer[Any] = MCPServer(
        "scdpo", instructions=INSTRUCTIONS, version=version("scdpo"), log_level="WARNING"
    )

    @server.tool()  # type: ignore[untyped-decorator]
    async def python(
        code: Annotated[models.ValidText, Field(description="Python source, a cell of a notebook")],
        session: SessionId | None = None,
    ) -> PythonReply:
        """Run Python code and return what it prints, with the value of its last line.

        Variables are kept in a session: give its id to go on with it. Without one a new session is begun.
        """
        with _told():
            held = session or (await service().sessions.open()).id
            result = await service().sessions.run(held, code)
        return PythonReply(
            session=held, status=result.status, output=result.output, state_lost=result.state_lost
        )

    @server.tool()  # type: ignore[untyped-decorator]
    async def fork(session: SessionId, count: Annotated[int, Field(ge=1, le=MOST_FORKS)] = 1) -> Copies:
        """Copy a session: the copies have its variables, random state and files, and go separate ways from here."""
        with _told():
            copies = await service().sessions.fork(session, count)
        return Copies(sessions=[copy.id for copy in copies])

    @server.tool()  # type: ignore[untyped-decorator]
    async def verify(prediction: models.ValidText, gold: models.ValidText) -> models.VerdictReply:
        r"""Say whether a mathematical answer equals the gold answer: correct, incorrect or unverifiable, and why.

        The prediction may be a whole solution; its final answer counts, best in \boxed{}.
        """
        body = models.VerifyBody(prediction=prediction, gold=gold, rounding="exact")
        with _told():
            return models.VerdictReply.model_validate(await service().verify(body))

    return server


@contextmanager
def _told() -> Iterator[None]:
    """Tell the client what the service refuses; of other errors it learns no more than that there was one.

    Raises:
        ToolError: in place of an HttpProblem.
    """
    try:
        yield
    except HttpProblem as problem:
        raise ToolError(problem.detail) from problem


def add_mcp_route(app: FastAPI) -> None:
    """Add ``/mcp`` (streamable HTTP) to the service; the gate before it asks for the key or a loopback host."""
    server = mcp_server(lambda: app.state.service)
    server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        # The gate has checked the caller: the key, or without one the host.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    manager = server.session_manager
    app.add_route(MCP_PATH, StreamableHTTPASGIApp(manager), methods=["POST"], include_in_schema=False)
    app.state.mcp_running = manager.run
