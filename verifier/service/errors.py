"""Errors as RFC 9457 problem documents: every response of 400 and above is one.

``type`` is always ``about:blank`` (the status says what kind of problem it is); ``code`` names the case for programs.
Of what the caller sent nothing is echoed but names of fields, cut to 100 characters, in the pointers to what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
MAX_SENTENCE = 300
# Names of RFC 9110, where Python 3.11 has the older ones.
TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

_CODES = {400: "malformed_json", 404: "not_found", 405: "method_not_allowed"}


class HttpProblem(Exception):
    """A request that is not answered as asked.

    Args:
        status: HTTP status, 400 to 599.
        code: one word for programs.
        detail: one sentence for a person.
        retry_after: seconds after which trying again makes sense.
        errors: for an invalid body, where it is wrong.
        headers: further response headers.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self, request_id: str) -> Response:
        """Return the problem document."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        return Response(json.dumps(body), self.status, self.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make the framework's own errors, and ours, problem documents."""
    app.add_exception_handler(HttpProblem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpProblem)
    request.scope["problem_code"] = error.code
    return error.response(request.scope["request_id"])


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    detail = {
        "malformed_json": "the body is not JSON that can be read: malformed, nested too deeply, or not UTF-8",
        "not_found": "there is nothing at this path",
        "method_not_allowed": "this method is not possible here; Allow names those that are",
    }.get(code, str(error.detail))
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"  # see gate: what answers GET answers HEAD
    problem = HttpProblem(error.status_code, code, detail, headers=headers)
    return await _on_problem(request, problem)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return await _on_http_error(request, HTTPException(400))
    return await _on_problem(
        request, invalid_body([(pointer(e["loc"]), sentence(e)) for e in found[:MAX_ERRORS]])
    )


def invalid_body(wrong: Sequence[tuple[str, str]]) -> HttpProblem:
    """Return the problem of a body that can be read and is not what the route takes.

    Args:
        wrong: where it is wrong (a JSON pointer, as a URI fragment) and how, at least one.
    """
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in wrong]
    return HttpProblem(422, "invalid_body", f"{wrong[0][0]}: {wrong[0][1]}", errors=errors)


def sentence(wrong: Mapping[str, Any]) -> str:
    """Return what pydantic found wrong: our own words as we wrote them, without its prefix."""
    said = wrong["ctx"]["error"] if wrong["type"] == "value_error" else wrong["msg"]
    return str(said)[:MAX_SENTENCE]


def pointer(loc: tuple[int | str, ...]) -> str:
    """Return the JSON pointer, as a URI fragment, of what pydantic found wrong."""
    parts = [str(part)[:100].replace("~", "~0").replace("/", "~1") for part in loc if part != "body"]
    return "#" + "".join(f"/{part}" for part in parts)
