"""Which cell a piece of code runs for, so that what it writes is credited to that cell and to no other.

A thread works for the cell that started it, a task of a thread pool for the cell that handed it in. Does not cover
what becomes of writes that are credited to an earlier cell (`outputs`).
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import multiprocessing.pool
import threading
from collections.abc import Callable
from typing import Any

CELL: contextvars.ContextVar[int] = contextvars.ContextVar("sandbox_cell", default=-1)

_thread_start = threading.Thread.start


def install() -> None:
    """Have threads and the pools of the standard library carry the cell along."""
    threading.Thread.start = _start_in_context  # type: ignore[method-assign,assignment]
    executor, pool = concurrent.futures.ThreadPoolExecutor, multiprocessing.pool.Pool
    for owner, name in (
        (executor, "submit"),
        (pool, "apply_async"),
        (pool, "_map_async"),
        (pool, "imap"),
        (pool, "imap_unordered"),
    ):
        setattr(owner, name, _handing_in(getattr(owner, name)))


def _start_in_context(thread: threading.Thread) -> None:
    """Start a thread so that it inherits the starter's cell (CPython 3.11 gives threads an empty context)."""
    # Not a function of ours, which would show in the traceback of a thread that fails.
    thread.run = functools.partial(contextvars.copy_context().run, thread.run)  # type: ignore[method-assign]
    _thread_start(thread)


def _handing_in(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `method` of a pool with its first argument, the function, credited to the cell that calls it."""

    @functools.wraps(method)
    def hand_in(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return method(pool, _credited(function), *args, **kwargs)

    return hand_in


def _credited(function: Callable[..., Any]) -> Callable[..., Any]:
    cell = CELL.get()

    def run(*args: Any, **kwargs: Any) -> Any:
        CELL.set(cell)
        return function(*args, **kwargs)

    return run
