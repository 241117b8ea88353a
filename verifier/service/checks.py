"""Checks in worker processes, driven from the event loop: a hard deadline each, and two lanes.

A check starts in the fast lane. One that is not done within ``PATIENCE`` is killed there and begun again in the slow
lane, whose processes are as many, run at a lower priority, and give it its full time: however many costly inputs
arrive, cheap ones wait for other cheap ones only. Threads would not do: a thread has to win the interpreter lock back
from the event loop several times a check, and one large integer operation would hold up every other request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from verifier.service.metrics import Metrics
from verifier.workers import MAX_REQUESTS, MEMORY_MB

PATIENCE = 0.25  # seconds: 50 times what a usual check takes, far less than anybody waits for
SLOW_NICENESS = 10
REPLY_BYTES = 64 * 2**20
START_SECONDS = 60.0

logger = logging.getLogger("scdpo.service")

Request = dict[str, Any]
Reply = dict[str, Any]


class Busy(Exception):
    """No process became free in time."""


class WorkerProcess:
    """One worker process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.requests = 0
        self.sound = True

    @classmethod
    async def start(cls, niceness: int) -> WorkerProcess:
        """Start a worker and wait until it is ready.

        Raises:
            OSError: if it cannot be started, or ends or stays silent instead of becoming ready.
        """
        root = str(Path(__file__).resolve().parent.parent.parent)
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        worker = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "verifier.service.worker", str(MEMORY_MB)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=REPLY_BYTES,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # a group of its own, so that what it starts ends with it
            )
        )
        try:
            os.setpriority(os.PRIO_PROCESS, worker.process.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
            async with asyncio.timeout(START_SECONDS):
                await worker._line()
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def ask(self, request: Request) -> Reply:
        """Return the answer. If this is cancelled or fails, the process is no longer ``sound``.

        Raises:
            OSError: if the process ended.
        """
        self.sound = False
        self.requests += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        await self.process.stdin.drain()
        reply: Reply = json.loads(await self._line())
        self.sound = self.requests < MAX_REQUESTS
        return reply

    async def _line(self) -> bytes:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise OSError("the worker process ended")
        return line

    async def kill(self) -> None:
        """End the process, and what it started, at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("worker %d had ended already", self.process.pid)
        await self.process.wait()


class Lane:
    """A fixed number of workers, first come first served."""

    def __init__(self, name: str, size: int, niceness: int, metrics: Metrics) -> None:
        self.name = name
        self.size = size
        self.niceness = niceness
        self.metrics = metrics
        self.waiting = 0
        self._turns = asyncio.Semaphore(0)
        self._idle: list[WorkerProcess] = []
        self._workers: set[WorkerProcess] = set()
        self._closed = False
        self._renewals: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start the workers.

        Raises:
            OSError: if one cannot be started.
        """
        for _ in range(self.size):
            await self._start()

    async def _start(self) -> None:
        worker = await WorkerProcess.start(self.niceness)
        self._workers.add(worker)
        self._idle.append(worker)
        self._turns.release()

    async def run(self, request: Request, *, wait: float, seconds: float) -> Reply | None:
        """Return the answer, or None if there is none within ``seconds`` of its turn.

        Raises:
            Busy: if its turn did not come within ``wait`` seconds.
        """
        self.waiting += 1
        try:
            async with asyncio.timeout(wait):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Busy(f"no {self.name} worker became free within {wait:.1f} s") from error
        finally:
            self.waiting -= 1
        worker = self._idle.pop()
        try:
            async with asyncio.timeout(seconds):
                return await worker.ask(request)
        except TimeoutError:
            return None
        except OSError:
            return {"failed": "the worker process ended, most likely over its memory limit"}
        finally:
            if worker.sound:
                self._idle.append(worker)
                self._turns.release()
            else:
                self._renew(worker)

    def _renew(self, worker: WorkerProcess) -> None:
        """Replace a worker in the background; its turn is free when the new one is ready."""
        renewal = asyncio.get_running_loop().create_task(self._replace(worker))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)

    async def _replace(self, worker: WorkerProcess) -> None:
        self.metrics.replaced.labels(self.name).inc()
        self._workers.discard(worker)
        await worker.kill()
        while not self._closed:
            try:
                await self._start()
            except (OSError, TimeoutError):
                logger.exception("a worker process could not be started; trying again in a second")
                await asyncio.sleep(1)
            else:
                return

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        for renewal in tuple(self._renewals):
            renewal.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self._workers))


class Checker:
    """The two lanes."""

    def __init__(self, workers: int, seconds: float, metrics: Metrics) -> None:
        self.seconds = seconds
        self.metrics = metrics
        self.fast = Lane("fast", workers, 0, metrics)
        self.slow = Lane("slow", workers, SLOW_NICENESS, metrics)

    async def open(self) -> None:
        """Start the workers of both lanes.

        Raises:
            OSError: if one cannot be started; none is left running then.
        """
        try:
            await self.fast.open()
            await self.slow.open()
        except BaseException:
            await self.close()
            raise

    async def check(self, request: Request, wait: float) -> Reply:
        """Return the worker's answer, or ``{"failed": why}`` where it gave none within the limits.

        Args:
            request: see ``worker.answer``.
            wait: seconds it may wait for its turn, in each lane.

        Raises:
            Busy: if its turn did not come.
        """
        reply = await self.fast.run(request, wait=wait, seconds=min(PATIENCE, self.seconds))
        if reply is None and self.seconds > PATIENCE:
            self.metrics.moved.inc()
            reply = await self.slow.run(request, wait=wait, seconds=self.seconds)
        return reply if reply is not None else {"failed": f"over the time limit of {self.seconds:g} s"}

    async def close(self) -> None:
        """End all workers."""
        await asyncio.gather(self.fast.close(), self.slow.close())
