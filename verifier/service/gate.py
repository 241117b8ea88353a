"""What every request passes before a route sees it: id, host, key, back-pressure, size, and the log of its end.

A plain ASGI layer, so that nothing of a body is read, and nothing of it parsed, before the caller has shown its key
and the request has a place. Bodies are held whole, and only by requests that have one: ``max_requests`` times
``max_body_bytes`` bounds the memory they take. Open paths take no place and their bodies are not read, so a caller
without the key can hold none.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verifier.service.errors import HttpProblem
from verifier.service.metrics import Metrics
from verifier.service.settings import ServiceSettings, is_loopback

ICON = "/favicon.ico"
OPEN_PATHS = frozenset({"/healthz", "/docs", "/openapi.json", ICON})  # no key: they hold no data of a caller
PAGE = "/"  # the one path that a person opens in a browser, which can send a key by the Basic scheme only
ALWAYS_ANSWERED = OPEN_PATHS | {"/metrics"}  # also when the service is full or draining: they take no place
# A body up to this many times too large is read and thrown away: a caller that is cut off while it still writes may
# lose the answer.
DISCARD_FACTOR = 8

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# A name, or an address (IPv6 in brackets), and perhaps a port; nothing else may stand beside them.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?")

logger = logging.getLogger("scdpo.service")


class Gate:
    """The outermost layer of the application. It keeps the count of requests in flight."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics, traffic: Traffic) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand on what is no HTTP request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        asked = Headers(scope=scope).get("x-request-id", "")
        method, scope = scope["method"], _routed(scope)
        scope["request_id"] = asked if _ID.fullmatch(asked) else secrets.token_hex(8)
        status = 0

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = scope["request_id"]
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
                if self.traffic.draining:
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._serve(scope, receive, reply)
        except asyncio.CancelledError:
            if status or not self.traffic.draining:
                raise
            # The server ends and cuts off what is not done. No Retry-After: it was begun, and to send a cell or a fork
            # again is for its caller to decide.
            cut_off = HttpProblem(503, "cut_off", "the service was stopped while it worked on this")
            await self._refuse(cut_off, scope, receive, reply)
        except Exception:
            logger.exception("request failed", extra={"fields": {"request_id": scope["request_id"]}})
            if status:
                raise
            await self._refuse(
                HttpProblem(500, "internal", "the service failed; its log says why"), scope, receive, reply
            )
        finally:
            self._note(scope, method, status, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = Headers(scope=scope)
            self._check_caller(scope, headers)
            if _path(scope) in ALWAYS_ANSWERED:
                await self.app(scope, _no_body(receive), send)
                return
            with self._place():
                wants_body = scope["method"] == "POST" and "route" in scope
                body = await self._body(headers, receive) if wants_body else _no_body(receive)
                await self.app(scope, body, send)
        except HttpProblem as problem:
            await self._refuse(problem, scope, receive, send)

    async def _refuse(self, problem: HttpProblem, scope: Scope, receive: Receive, send: Send) -> None:
        scope["problem_code"] = problem.code
        await problem.response(scope["request_id"])(scope, receive, send)

    def _check_caller(self, scope: Scope, headers: Headers) -> None:
        key = self.settings.key
        if key is None:
            # Without a key, only the host name tells a program of this machine's user from a web page that has
            # pointed a name of its own at this address.
            host = _HOST.fullmatch(headers.get("host", ""))
            if host is None or not is_loopback(host[1]):
                raise HttpProblem(
                    421, "wrong_host", "without a key the service answers to loopback host names only"
                )
            return
        if _path(scope) in OPEN_PATHS:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        on_page = _path(scope) == PAGE and scope["method"] == "GET"
        sent = given.strip().encode("utf-8", "surrogateescape")
        if on_page and scheme.lower() == "basic":
            sent = _password(sent)
        elif scheme.lower() != "bearer":
            sent = b""
        if not hmac.compare_digest(sent, key.encode()):
            detail = "send the key: Authorization: Bearer KEY"
            if on_page:
                detail += "; in a browser, the key as password of any user"
            challenge = 'Basic realm="scdpo", charset="UTF-8", Bearer' if on_page else "Bearer"
            raise HttpProblem(401, "unauthorized", detail, headers={"WWW-Authenticate": challenge})

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the ``max_requests`` places.

        Raises:
            HttpProblem: 503 while the service drains; 429 if all are taken.
        """
        if self.traffic.draining:
            raise HttpProblem(503, "draining", "the service is being stopped", retry_after=5)
        if self.traffic.in_flight >= self.settings.max_requests:
            raise HttpProblem(429, "queue_full", "too many requests are in flight", retry_after=1)
        self.traffic.in_flight += 1
        self.metrics.in_flight.set(self.traffic.in_flight)
        try:
            yield
        finally:
            self.traffic.in_flight -= 1
            self.metrics.in_flight.set(self.traffic.in_flight)

    async def _body(self, headers: Headers, receive: Receive) -> Receive:
        """Read the body within its limits; return a ``receive`` that gives it again."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HttpProblem(415, "not_json", "the body must be sent as Content-Type: application/json")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            plain = {"Accept-Encoding": "identity"}
            raise HttpProblem(415, "encoded", "the body must be sent without Content-Encoding", headers=plain)
        limit = self.settings.max_body_bytes
        too_large = HttpProblem(413, "too_large", f"a body may have {limit} bytes")
        declared = headers.get("content-length", "0")
        length = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 19 else 0
        patient = headers.get("expect", "").lower() == "100-continue"
        if length > limit and (patient or length > DISCARD_FACTOR * limit):
            raise too_large
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                body = await _read(receive, limit)
        except TimeoutError as error:
            raise HttpProblem(
                408, "too_slow", "the body did not come in time", headers={"Connection": "close"}
            ) from error
        if body is None:
            raise too_large
        return _again(body, receive)

    def _note(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        known = _path(scope) if _path(scope) in ALWAYS_ANSWERED else "unmatched"
        route = getattr(scope.get("route"), "path", known)
        code = scope.get("problem_code")
        method = method if method in ("GET", "POST", "DELETE", "HEAD") else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if code:
            self.metrics.refused.labels(code).inc()
        fields = {
            "request_id": scope["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "seconds": round(seconds, 6),
            "client": (scope.get("client") or [None])[0],
        }
        logger.info("request", extra={"fields": fields | ({"code": code} if code else {})})


@dataclass(slots=True)
class Traffic:
    """The requests in flight, those on paths that are always answered left out, and whether new ones are taken."""

    in_flight: int = 0
    draining: bool = False


def _routed(scope: Scope) -> Scope:
    """Return the request as the routes take it: HEAD as GET (RFC 9110, 9.3.2), with its ``route`` if there is one.

    The server keeps the request as it came, and sends no body to HEAD.
    """
    routed = {**scope, "method": "GET"} if scope["method"] == "HEAD" else dict(scope)
    for route in scope["app"].routes:
        if route.matches(routed)[0] == Match.FULL:
            routed["route"] = route
            break
    return routed


def _password(given: bytes) -> bytes:
    """Return the password of Basic credentials (RFC 7617); empty where they cannot be read."""
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _path(scope: Scope) -> str:
    """Return the path as the routes see it: without the prefix under which a server may have put the service."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the body, or None if it has more than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks) if size <= limit else None
        size += len(message.get("body", b""))
        if size <= limit:
            chunks.append(message.get("body", b""))
        if not message.get("more_body", False) or size > DISCARD_FACTOR * limit:
            return b"".join(chunks) if size <= limit else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives this body once, and does not keep it: the route has its own copy."""
    waiting = [body]

    async def replay() -> Message:
        if not waiting:
            return await receive()
        return {"type": "http.request", "body": waiting.pop(), "more_body": False}

    return replay


def _no_body(receive: Receive) -> Receive:
    """Return a ``receive`` for a route that takes no body: what the caller sends of one is not read."""
    return _again(b"", receive)
