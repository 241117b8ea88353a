"""Verification and sandbox sessions over HTTP: ``create_app`` for any ASGI server, ``serve`` to run one.

Importing this package costs nothing: FastAPI, uvicorn and prometheus-client (the ``serve`` extra) are imported when
one of the two functions is called. One process serves; scale out by running several behind a proxy, but note
that a session lives in the process that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from verifier.service.settings import ServiceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["ServiceSettings", "create_app", "serve"]


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """Return the service as an ASGI application; its worker processes start with its lifespan.

    Raises:
        ImportError: if the ``serve`` extra is not installed; the message holds the command that does it.
    """
    _require_extra()
    from verifier.service.app import build_app

    return build_app(settings or ServiceSettings())


def serve(
    settings: ServiceSettings | None = None, *, on_ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight and return.

    A second signal cuts them off. Logs go to standard error, one JSON object a line.

    Args:
        settings: limits, address and key; their defaults if None.
        on_ready: called once with the address, such as ``http://127.0.0.1:8321``, when requests are taken.

    Raises:
        ImportError: if the ``serve`` extra is not installed; the message holds the command that does it.
        OSError: if the address cannot be bound.
    """
    _require_extra()
    from verifier.service.server import run

    run(settings or ServiceSettings(), on_ready)


def _require_extra() -> None:
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ImportError(f'the service needs {error.name}: in a checkout, pip install ".[serve]"') from error
