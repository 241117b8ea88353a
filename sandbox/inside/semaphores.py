"""Semaphores for `multiprocessing`, made of threads' locks: a session is one process and has no /dev/shm.

Thread pools (`multiprocessing.dummy`, `multiprocessing.pool.ThreadPool`) and queues need no more than this. Does not
cover starting processes, which a session cannot (`stand_ins` says so).
"""

from __future__ import annotations

import _multiprocessing  # type: ignore[import-not-found]
import threading
from typing import Any

_RECURSIVE = 0  # the other kind, 1, is a plain semaphore


class ThreadSemaphore:
    """What `_multiprocessing.SemLock` is, within one process: a mutex that its owner may take again, or a counter."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, _unlink: bool) -> None:
        """Start at `value`, never above `maxvalue`; `kind` 0 is a recursive mutex, 1 a semaphore."""
        self.kind = kind
        self.maxvalue = maxvalue
        self.name: str | None = None  # nothing in the file system to take away later
        self.handle = id(self)
        self._value = value
        self._owner: int | None = None
        self._held = 0
        self._changed = threading.Condition(threading.Lock())

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take one, waiting up to `timeout` seconds (for ever without); return whether it was had."""
        me = threading.get_ident()
        with self._changed:
            if self.kind == _RECURSIVE and self._owner == me:
                self._held += 1
                return True
            patience = None if timeout is None else max(timeout, 0.0)
            if not self._changed.wait_for(lambda: self._value > 0, patience if block else 0.0):
                return False
            self._value -= 1
            self._owner = me
            self._held += 1
            return True

    def release(self) -> None:
        """Give one back.

        Raises:
            AssertionError: a mutex that another thread holds.
            ValueError: there are none out.
        """
        with self._changed:
            if self.kind == _RECURSIVE:
                if self._owner != threading.get_ident():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                if self._held > 1:
                    self._held -= 1
                    return
            if self._value >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            self._held -= 1
            self._owner = None
            self._value += 1
            self._changed.notify()

    def __enter__(self) -> bool:
        """Take one."""
        return self.acquire()

    def __exit__(self, *_exc: object) -> None:
        """Give it back."""
        self.release()

    def _count(self) -> int:
        return self._held

    def _is_mine(self) -> bool:
        return self._held > 0 and self._owner == threading.get_ident()

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        return self._value == 0

    def _after_fork(self) -> None:
        self._held = 0


def install() -> None:
    """Have `multiprocessing` build its locks, queues and pools on `ThreadSemaphore`."""
    stand_in: Any = ThreadSemaphore
    _multiprocessing.SemLock = stand_in
