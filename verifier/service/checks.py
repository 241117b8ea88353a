"""Checks in worker processes, driven from the event loop: a hard limit on processor time each, and two lanes.

A check takes a turn in the fast lane. One that is not done within ``PATIENCE`` moves to the slow lane, process and all,
and its turn in the fast lane goes to the next. Where the slow lane is full it is killed and waits for a turn there: so
however many costly inputs arrive, cheap ones wait for other cheap ones only. Threads would not do: a thread has to win
the interpreter lock back from the event loop several times a check, and one large integer operation would hold up
every other request.
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
from verifier.workers.pool import MAX_REQUESTS, MEMORY_MB, WALL_FACTOR

PATIENCE = 0.25  # seconds: 50 times what a usual check takes, far less than anybody waits for
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
    async def start(cls) -> WorkerProcess:
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
            async with asyncio.timeout(START_SECONDS):
                await worker._line()
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def ask(self, request: Request, seconds: float) -> Reply:
        """Return the answer, which may take ``seconds`` of processor time; over them the process ends.

        If this is cancelled or fails, the process is no longer ``sound``.

        Raises:
            OSError: if the process ended.
        """
        self.sound = False
        self.requests += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**request, "seconds": seconds}).encode() + b"\n")
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

    async def kill(self) -> int:
        """End the process, and what it started, at once; return its exit status, as it was if it had ended before."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("worker %d had ended already", self.process.pid)
        return await self.process.wait()


class Checker:
    """Worker processes, and two lanes of turns on them, each first come first served."""

    def __init__(self, workers: int, seconds: float, metrics: Metrics) -> None:
        self.workers = workers
        self.seconds = seconds
        self.metrics = metrics
        # A turn in a lane comes with a process: there are as many processes, idle or busy, as turns in both lanes.
        self._fast = asyncio.Semaphore(0)
        self._slow = asyncio.Semaphore(0)
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._replacements: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Start the workers.

        Raises:
            OSError: if one cannot be started; none is left running then.
        """
        try:
            for lane in (self._fast, self._slow) * self.workers:
                await self._start(lane)
        except BaseException:
            await self.close()
            raise

    async def check(self, request: Request, wait: float) -> Reply:
        """Return the worker's answer, or ``{"failed": why}`` where it gave none within the limits.

        Args:
            request: see ``worker.answer``.
            wait: seconds it may wait for its turn.

        Raises:
            Busy: if its turn did not come.
        """
        await _turn(self._fast, wait)
        reply = await self._run(request, self._fast)
        if reply is None:  # it takes long, and the slow lane is full
            await _turn(self._slow, wait)
            reply = await self._run(request, self._slow)
        assert reply is not None, "the slow lane always answers"
        return reply

    async def _run(self, request: Request, lane: asyncio.Semaphore) -> Reply | None:
        """Run a check whose turn in ``lane`` has come; None if it is to be begun again in the slow lane."""
        over_time = {"failed": f"over the time limit of {self.seconds:g} s"}
        worker = self._idle.pop()
        job = asyncio.get_running_loop().create_task(worker.ask(request, self.seconds))
        try:
            if lane is self._fast:
                await asyncio.wait({job}, timeout=PATIENCE)
                if not job.done():
                    if self._slow.locked():
                        return None
                    await self._slow.acquire()
                    self._fast.release()
                    lane = self._slow
                    self.metrics.moved.inc()
            await asyncio.wait({job}, timeout=WALL_FACTOR * self.seconds)
            return job.result() if job.done() else over_time
        except OSError:
            if await worker.kill() == -signal.SIGPROF:
                return over_time
            return {"failed": "the worker process ended, most likely over its memory limit"}
        finally:
            job.cancel()
            self._put_back(worker, lane)

    def _put_back(self, worker: WorkerProcess, lane: asyncio.Semaphore) -> None:
        """Give a worker and its turn back; one that is not sound is replaced in the background first."""
        if worker.sound:
            self._idle.append(worker)
            lane.release()
            return
        replacement = asyncio.get_running_loop().create_task(self._replace(worker, lane))
        self._replacements.add(replacement)
        replacement.add_done_callback(self._replacements.discard)

    async def _replace(self, worker: WorkerProcess, lane: asyncio.Semaphore) -> None:
        self.metrics.replaced.inc()
        self._all.discard(worker)
        self.metrics.workers.set(len(self._all))
        await worker.kill()
        while not self._closed:
            try:
                await self._start(lane)
            except (OSError, TimeoutError):
                logger.exception("a worker process could not be started; trying again in a second")
                await asyncio.sleep(1)
            else:
                return

    async def _start(self, lane: asyncio.Semaphore) -> None:
        worker = await WorkerProcess.start()
        self._all.add(worker)
        self.metrics.workers.set(len(self._all))
        self._idle.append(worker)
        lane.release()

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        for replacement in tuple(self._replacements):
            replacement.cancel()
        await asyncio.gather(*self._replacements, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self._all))


async def _turn(lane: asyncio.Semaphore, wait: float) -> None:
    try:
        async with asyncio.timeout(wait):
            await lane.acquire()
    except TimeoutError as error:
        raise Busy(f"no worker became free within {wait:.1f} s") from error
