"""Worker processes with a hard deadline: what cannot be bounded by counting steps runs in one and is killed.

A worker is a separate Python process that reads requests and writes answers, one JSON object a line. It has a
memory limit of its own; the parent waits for each answer no longer than the caller allows, then kills the
process. Should the parent itself be killed, an idle worker ends with its input, and a busy one by an alarm soon
after its time is over. No signal handler and no fork of this process is involved, so it works from any thread,
under asyncio, in Jupyter and in Ray.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from verifier.errors import VerifierError

MEMORY_MB = 1536
MAX_IDLE = 8
MAX_REQUESTS = 5_000  # a worker is replaced after as many, so that nothing it has cached grows for ever


class WorkerError(VerifierError, RuntimeError):
    """The worker gave no answer: it was over its time or memory, or it died."""


class Worker:
    """One worker process."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "verifier.worker_main", str(MEMORY_MB)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self._input, False)
        self.requests = 0
        self._buffer = b""

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the answer to ``request``.

        Raises:
            WorkerError: if there is none within ``seconds``; the process is killed then.
        """
        self.requests += 1
        deadline = monotonic() + seconds
        try:
            self._send(json.dumps({**request, "seconds": seconds}).encode() + b"\n", deadline)
            answer: dict[str, Any] = json.loads(self._line(deadline))
        except (OSError, ValueError) as error:
            self.kill()
            raise WorkerError("the worker died, most likely over its memory limit") from error
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


class _Idle:
    """The idle workers of this process; a forked child starts with none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers: list[Worker] = []
        self.owner = os.getpid()


_idle = _Idle()


def borrow() -> Worker:
    """Return an idle worker, or a new one."""
    global _idle
    if _idle.owner != os.getpid():
        _idle = _Idle()
    with _idle.lock:
        while _idle.workers:
            worker = _idle.workers.pop()
            if worker.usable:
                return worker
            worker.kill()
    return Worker()


def give_back(worker: Worker) -> None:
    """Keep ``worker`` for the next caller, or end it."""
    with _idle.lock:
        if worker.usable and len(_idle.workers) < MAX_IDLE and _idle.owner == os.getpid():
            _idle.workers.append(worker)
            return
    worker.kill()


def ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Ask any worker, with a hard deadline.

    Raises:
        WorkerError: if it gave no answer in time.
    """
    worker = borrow()
    try:
        return worker.ask(request, seconds)
    finally:
        give_back(worker)


def shut_down() -> None:
    """End all idle workers of this process."""
    with _idle.lock:
        workers, _idle.workers = _idle.workers, []
    if _idle.owner == os.getpid():
        for worker in workers:
            worker.kill()


atexit.register(shut_down)
