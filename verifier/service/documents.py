"""The OpenAPI document, completed with what the layers around the routes answer, and a page that shows it.

The page is made here and needs no script or style from elsewhere, so it works on a machine without a network.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, Template, select_autoescape
from markupsafe import Markup, escape

from verifier.service.errors import MEDIA_TYPE
from verifier.service.models import ProblemReply

_REASONS = {
    "400": "The body is no JSON that can be read.",
    "401": "The key is missing or wrong.",
    "404": "There is no such session.",
    "405": "The method is not possible here.",
    "408": "The body did not come in time.",
    "409": "The session is running a cell, or is closed.",
    "413": "The body is too large.",
    "415": "The body was not sent as application/json.",
    "421": "The request named a host that is not loopback, and the service has no key.",
    "422": "The body is not what the schema says.",
    "429": "Too many requests are in flight, or sessions open; see Retry-After.",
    "500": "The service failed.",
    "503": "No worker became free in time, or the service is being stopped; see Retry-After.",
}


def describe(app: FastAPI, *, keyed: bool, max_batch: int) -> None:
    """Give the application its OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            schemas = document["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["ProblemReply"] = ProblemReply.model_json_schema()
            schemas["BatchBody"]["properties"]["items"]["maxItems"] = max_batch
            for path, method, operation in operations(document):
                _complete(operation, path, method, keyed)
            if keyed:
                document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return ``(path, method, operation)`` for all operations of an OpenAPI document."""
    return [
        (path, method, op) for path, methods in document["paths"].items() for method, op in methods.items()
    ]


def _complete(operation: dict[str, Any], path: str, method: str, keyed: bool) -> None:
    """Add the key and the problems that an operation can be answered with."""
    statuses = {"500"}
    if keyed and path != "/healthz":
        operation["security"] = [{"key": []}]
        statuses.add("401")
    if not keyed:
        statuses.add("421")
    if path == "/healthz":
        statuses.add("503")
    if path.startswith("/v1/"):
        statuses |= {"429", "503"}
    if "{id}" in path:
        statuses |= {"404", "409"} if method == "post" else {"404"}
    if method == "post":
        statuses |= {"400", "408", "413", "415", "422"}
    else:
        operation["responses"].pop("422", None)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemReply"}}}
    for status in sorted(statuses):
        operation["responses"][status] = {"description": _REASONS[status], "content": content}
        if status in ("429", "503"):
            retry = {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
            operation["responses"][status] |= {"headers": {"Retry-After": retry}}


# --- the page


@lru_cache(maxsize=1)
def _template() -> Template:
    text = (Path(__file__).parent / "docs.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    environment.filters["code"] = _code
    return environment.from_string(text)


def _code(text: str) -> Markup:
    """Return a description with what stands in `backticks` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def docs_page(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as one HTML page."""
    entries = [entry(document, *operation) for operation in operations(document)]
    return _template().render(info=document["info"], entries=entries)


def entry(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return what the page says of one operation, its example request included."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    success, reply = next((s, r) for s, r in operation["responses"].items() if s < "400")
    answer = reply.get("content", {}).get("application/json", {}).get("schema")
    return {
        "method": method.upper(),
        "path": path,
        "text": operation.get("description", ""),
        "fields": _fields(document, body),
        "example": None
        if body is None
        else json.dumps(_example(document, body), ensure_ascii=False, indent=2),
        "success": success,
        "answer": _fields(document, answer),
        "problems": [(s, r["description"]) for s, r in sorted(operation["responses"].items()) if s >= "400"],
    }


def _resolve(document: dict[str, Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    if schema and "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return found
    return schema or {}


def _fields(document: dict[str, Any], schema: dict[str, Any] | None) -> list[dict[str, Any]]:
    resolved = _resolve(document, schema)
    required = resolved.get("required", [])
    return [
        {
            "name": name,
            "type": _type(document, field),
            "required": name in required,
            "text": field.get("description") or _resolve(document, field).get("description", ""),
        }
        for name, field in resolved.get("properties", {}).items()
    ]


def _type(document: dict[str, Any], field: dict[str, Any]) -> str:
    """Return a type in a few words; an object by its fields, for the names of our classes say nothing to a caller."""
    if "$ref" in field:
        named = _resolve(document, field)
        return f"{{{', '.join(named['properties'])}}}" if "properties" in named else _type(document, named)
    if "anyOf" in field:
        return " or ".join(_type(document, choice) for choice in field["anyOf"])
    if "enum" in field or "const" in field:
        return " | ".join(json.dumps(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(document, field['items'])}"
    types = field.get("type", "object")
    return types if isinstance(types, str) else " or ".join(types)


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return an example from a schema's own examples and required fields."""
    resolved = _resolve(document, schema)
    if resolved.get("examples"):
        return resolved["examples"][0]
    if resolved.get("type") == "array":
        items = resolved["items"]
        return [_example(document, items.get("anyOf", [items])[0])]
    required = resolved.get("required", [])
    return {
        name: _example(document, field)
        for name, field in resolved.get("properties", {}).items()
        if name in required or field.get("examples")
    }
