"""Worker processes with a hard deadline: what cannot be bounded by counting steps runs in one and is killed.

A worker is a separate Python process that reads requests and writes answers, one JSON object a line. It has a memory
limit of its own, and the time that a request may take is *processor* time: the worker sets itself a timer when it has
loaded what the request needs, and the kernel ends it when the timer runs out. So neither a cold start nor a busy
machine changes an answer. All callers in this process, in whatever thread, share one pool of workers that never holds
more than ``max_workers()``; waiting for one of them does not count.

No signal handler and no fork of this process is involved, so it works from any thread, under asyncio, in Jupyter and
in Ray. Should the parent be killed, an idle worker ends with its input, and a busy one by its timer.

Not covered: a machine that gives a worker less than a twentieth of a processor; there the wall clock ends it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from verifier.errors import VerifierError

MEMORY_MB = 1536
MAX_REQUESTS = 5_000  # a worker is replaced after as many, so that nothing it has cached grows for ever
START_SECONDS = 120.0  # to become ready; 0.2 s on a quiet machine, 10 s were seen at load 50
WALL_FACTOR = (
    20  # wall-clock seconds for one of processor time: load 12 on two cores needs 6, a stopped process all
)


class WorkerError(VerifierError, RuntimeError):
    """The worker gave no answer: it was over its time or memory, or it died."""


def max_workers() -> int:
    """Return how many workers this process may have at once: one for each processor it may use, and two at least."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return max(2, len(affinity(0)) if affinity else os.cpu_count() or 2)


class Worker:
    """One worker process, ready when it is made.

    Raises:
        WorkerError: if it does not become ready within ``START_SECONDS``.
    """

    def __init__(self) -> None:
        try:
            self.process = _start()
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self._input, self._output = self.process.stdin.fileno(), self.process.stdout.fileno()
            os.set_blocking(self._input, False)
            self.requests = 0
            self._buffer = b""
            self._line(monotonic() + START_SECONDS)
        except OSError as error:
            raise WorkerError(f"a worker process could not be started: {error}") from error

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the answer to ``request``, which may take ``seconds`` of processor time.

        Raises:
            WorkerError: if there is none within ``seconds``; the process has ended then.
        """
        self.requests += 1
        deadline = monotonic() + WALL_FACTOR * seconds
        try:
            self._send(json.dumps({**request, "seconds": seconds}).encode() + b"\n", deadline)
            answer: dict[str, Any] = json.loads(self._line(deadline))
        except (OSError, ValueError) as error:
            self.kill()
            timed_out = self.process.returncode == -signal.SIGPROF
            why = "over the time limit" if timed_out else "the worker died, most likely over its memory limit"
            raise WorkerError(why) from error
        return answer

    def _wait(self, stream: int, event: int, deadline: float) -> None:
        poll = select.poll()  # select.select knows no descriptor above 1023
        poll.register(stream, event)
        if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
            self.kill()
            raise WorkerError("over the time limit")

    def _send(self, message: bytes, deadline: float) -> None:
        while message:
            self._wait(self._input, select.POLLOUT, deadline)
            message = message[os.write(self._input, message) :]

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            self._wait(self._output, select.POLLIN, deadline)
            chunk = os.read(self._output, 65536)
            if not chunk:
                raise OSError("end of output")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    @property
    def usable(self) -> bool:
        """Whether it runs and has not answered too many requests."""
        return self.process.poll() is None and self.requests < MAX_REQUESTS

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    return subprocess.Popen(
        [sys.executable, "-m", "verifier.worker_main", str(MEMORY_MB)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )


class _Pool:
    """The workers of this process: idle ones, and how many are lent."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.idle: list[Worker] = []
        self.lent = 0

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Lend a worker: an idle one, else a new one, else the next that is given back."""
        with self.changed:
            self.changed.wait_for(lambda: self.lent < max_workers())
            self.lent += 1
            worker = self.idle.pop() if self.idle else None
        try:
            if worker is not None and not worker.usable:
                worker.kill()
                worker = None
            if worker is None:
                worker = Worker()
            yield worker
        finally:
            keep = worker is not None and worker.usable
            with self.changed:
                self.lent -= 1
                if keep and worker is not None:
                    self.idle.append(worker)
                self.changed.notify()
            if worker is not None and not keep:
                worker.kill()

    def close(self) -> None:
        """End the idle workers."""
        with self.changed:
            workers, self.idle = self.idle, []
        for worker in workers:
            worker.kill()


_pool = _Pool()


def ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Ask one of the shared workers; the time it takes until one is free does not count.

    Args:
        request: what ``verifier.worker_main.answer`` takes.
        seconds: processor time that the answer may take (> 0).

    Raises:
        WorkerError: if it gave no answer in time.
    """
    with _pool.worker() as worker:
        return worker.ask(request, seconds)


def shut_down() -> None:
    """End the idle workers of this process."""
    _pool.close()


def _forget() -> None:
    """Start a forked child without workers: its parent's answer to its parent."""
    global _pool
    _pool = _Pool()


atexit.register(shut_down)
os.register_at_fork(after_in_child=_forget)
