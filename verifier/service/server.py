"""Run the service with uvicorn: JSON logs, problems for what is no HTTP, an end that lets requests in flight finish.

On the first SIGTERM or SIGINT the service goes on listening and answers new requests 503, so that a balancer sees it
leave, until those in flight are done or ``drain_seconds`` have passed. A second signal ends it at once.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from verifier.service.app import build_app
from verifier.service.errors import HttpProblem
from verifier.service.gate import Traffic
from verifier.service.settings import ServiceSettings

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75
"""A connection may rest so long between two requests: a model writes for longer than uvicorn's 5 s between two cells,
and a request that meets the closing of its connection fails."""

logger = logging.getLogger("scdpo.service")

OnReady = Callable[[str], None]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``event``, and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ProblemProtocol(H11Protocol):
    """HTTP/1.1 whose answer to bytes that are no request is a problem document, as every other error is."""

    def send_400_response(self, msg: str) -> None:
        """Answer, unless an answer was begun, and close the connection."""
        request_id = secrets.token_hex(8)
        client = self.client[0] if self.client else None
        logger.info("no request", extra={"fields": {"request_id": request_id, "client": client}})
        if self.cycle is not None:
            # A route may wait for the body that broke off: nobody is there any more for its answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            # Not by way of h11, which holds the answer to a broken request to the rules of an intact one.
            self.transport.write(_malformed(request_id))
        self.transport.close()


def _malformed(request_id: str) -> bytes:
    headers = {
        "Connection": "close",
        "X-Request-ID": request_id,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    detail = "what was sent is no HTTP/1.1 request that can be read"
    reply = HttpProblem(400, "malformed_request", detail, headers=headers).response(request_id)
    lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(pair) for pair in reply.raw_headers), b"", b""]
    return b"\r\n".join(lines) + bytes(reply.body)


class DrainingServer(uvicorn.Server):
    """A server whose first signal starts the drain."""

    def __init__(
        self, config: uvicorn.Config, traffic: Traffic, drain_seconds: float, on_ready: OnReady
    ) -> None:
        super().__init__(config)
        self.on_ready = on_ready
        self.traffic = traffic
        self.drain_seconds = drain_seconds
        self._drained_by: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where; with port 0 the log is where to learn it."""
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            logger.info("listening", extra={"fields": {"host": host, "port": port}})
            self.on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the drain on the first signal; end at once on a second one."""
        if self._drained_by is not None or not self.started:
            super().handle_exit(sig, frame)
            return
        self.traffic.draining = True
        self._drained_by = time.monotonic() + self.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Say, ten times a second, whether to end."""
        ending = await super().on_tick(counter)
        if self._drained_by is None or ending:
            return ending
        if self.traffic.in_flight == 0:
            logger.info("drained")
            return True
        if time.monotonic() >= self._drained_by:
            logger.warning("not drained in time", extra={"fields": {"requests": self.traffic.in_flight}})
            return True
        return False


def run(settings: ServiceSettings, on_ready: OnReady) -> None:
    """Serve until a signal says otherwise; ``on_ready`` is called with the address once requests are taken.

    Raises:
        OSError: if the address cannot be bound.
    """
    _log_as_json()
    app = build_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http=ProblemProtocol,
        ws="none",
    )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG) as listening:
        DrainingServer(config, app.state.traffic, settings.drain_seconds, on_ready).run([listening])
    logger.info("stopped")


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (
        ("scdpo.service", logging.INFO),
        ("uvicorn", logging.WARNING),
        ("py.warnings", logging.WARNING),
    ):
        target = logging.getLogger(name)
        target.handlers = [handler]
        target.propagate = False
        target.setLevel(level)
    logging.captureWarnings(True)
