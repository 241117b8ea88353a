"""Sharing sessions out, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sandbox import AsyncSandbox, Limits, Sandbox, SandboxError, watch
from sandbox.core import SessionCore
from sandbox.launcher import Launcher
from sandbox.pool import START_ATTEMPTS

pytestmark = pytest.mark.usefixtures("strict")


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    gc.collect()
    before, fds = len(children()), psutil.Process().num_fds()
    with Sandbox(level="strict", warm=2) as box:
        sessions = [box.session() for _ in range(4)]
        sessions[0].fork(2)
        sessions[1].run("import os; os._exit(1)")
        assert len(children()) > before
    assert wait_until(lambda: len(children()) == before)
    assert psutil.Process().num_fds() == fds


def test_closing_a_session_ends_its_process() -> None:
    with Sandbox(level="strict", warm=0) as box:
        session = box.session()
        copy = session.fork()
        busy = len(children())
        session.close()
        copy.close()
        assert wait_until(lambda: len(children()) == busy - 2)


def test_closing_stops_a_running_cell() -> None:
    async def main() -> float:
        box = AsyncSandbox(level="strict", warm=0)
        session = await box.session()
        running = asyncio.create_task(session.run("while True: pass"))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        await box.close()
        await asyncio.wait([running])
        return time.monotonic() - started

    assert asyncio.run(main()) < 5


KEPT = """
import sys, time
from sandbox import Sandbox, Limits
box = Sandbox(Limits(cell_seconds=60), level=sys.argv[1], allow_unsafe=True, warm=1)
s = box.session(); t = s.fork(); s.run("1")
import threading
threading.Thread(target=lambda: t.run("while True: pass"), daemon=True).start()
time.sleep(.5)
print("up", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("level", ["strict", "landlock", "none"])
def test_killing_the_owner_ends_every_session(level: str) -> None:
    root = str(Path(__file__).resolve().parents[2])
    owner = subprocess.Popen(
        [sys.executable, "-c", KEPT, level], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    )
    assert owner.stdout
    assert owner.stdout.readline() == b"up\n"
    below = psutil.Process(owner.pid).children(recursive=True)
    assert len(below) >= 3
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert wait_until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in below))
    owner.stdout.close()


def test_a_dead_zygote_takes_its_sessions_along_and_is_replaced() -> None:
    others = set(children())  # other tests of this process may have left verifier workers waiting
    with Sandbox(level="strict", warm=0) as box:
        session = box.session()
        zygote = min(set(children()) - others, key=lambda p: p.create_time())
        zygote.kill()
        assert wait_until(lambda: not set(children()) - others)
        assert wait_until(lambda: session.run("1").state_lost)
        assert box.session().run("2").output == "2"


def test_hundreds_of_callers_are_all_served_in_turn() -> None:
    served: list[int] = []

    async def one(box: AsyncSandbox, i: int) -> str:
        async with box.session() as session:
            served.append(i)
            return (await session.run(f"{i} + 1")).output

    async def main() -> list[str]:
        async with AsyncSandbox(level="strict", warm=2, max_sessions=6) as box:
            return await asyncio.gather(*(one(box, i) for i in range(200)))

    assert asyncio.run(main()) == [str(i + 1) for i in range(200)]
    # First come, first served: nobody is overtaken by more callers than are served at once.
    assert max(abs(place - i) for place, i in enumerate(served)) <= 8


def test_hanging_solutions_cost_the_others_nothing() -> None:
    async def one(box: AsyncSandbox, i: int) -> str:
        async with box.session() as session:
            return (await session.run("while True: pass" if i % 10 == 0 else "6 * 7")).status

    async def main() -> list[str]:
        limits = Limits(cell_seconds=1, grace_seconds=0.5)
        async with AsyncSandbox(limits, level="strict", max_sessions=12) as box:
            return await asyncio.gather(*(one(box, i) for i in range(60)))

    assert asyncio.run(main()) == ["timeout" if i % 10 == 0 else "ok" for i in range(60)]


def test_when_the_host_runs_short_the_largest_session_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(level="strict", warm=0) as box:
        small, large = box.session(), box.session()
        large.run("x = bytearray(200 * 2**20)")
        real = watch.memory_is_short
        monkeypatch.setattr(watch, "memory_is_short", lambda: not large.state_lost)
        result = large.run("import time; time.sleep(8)")
        monkeypatch.setattr(watch, "memory_is_short", real)
        assert (result.status, result.state_lost) == ("memory", True)
        assert small.run("1").output == "1"


def test_without_a_quota_disk_use_is_watched() -> None:
    with (
        Sandbox(Limits(disk_mb=4, cell_seconds=8), level="landlock", warm=0) as box,
        box.session() as session,
    ):
        result = session.run("for i in range(10**6): open(f'f{i}', 'wb').write(bytes(2**20))")
        assert "DiskLimit" in (result.error or "")
        folder = session._core.folder
    assert folder
    assert not Path(folder).exists()


def test_a_hostile_folder_is_removed_all_the_same() -> None:
    with Sandbox(level="landlock", warm=0) as box, box.session() as session:
        session.run(
            "import os\nos.makedirs('a/b')\nos.mkfifo('a/b/p')\nos.symlink('/etc', 'l')\nos.chmod('a/b', 0)\nos.chmod('a', 0)"
        )
        folder = session._core.folder
    assert folder
    assert not Path(folder).exists()
    assert Path("/etc/passwd").exists()


def test_a_sandbox_can_live_beside_many_threads_and_be_forgotten() -> None:
    code = (
        "import threading, time\n"
        "for _ in range(50): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "from sandbox import Sandbox\n"
        "def work():\n    box = Sandbox(); print(box.session().run('5').output)\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
        "box = Sandbox(); print(box.session().run('6').output)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert (done.stdout.split(), done.returncode) == (["5", "6"], 0), done.stderr


def fail_starts(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the next `times` starts of a session end before it takes cells."""
    start, left = Launcher.start, [times]

    async def failing(self: Launcher, limits: Limits) -> SessionCore:
        if left[0] > 0:
            left[0] -= 1
            raise SandboxError("a session ended before it was ready")
        return await start(self, limits)

    monkeypatch.setattr(Launcher, "start", failing)


def test_a_session_that_ends_while_it_starts_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_starts(monkeypatch, START_ATTEMPTS - 1)
    with Sandbox(level="strict", warm=0) as box:
        assert box.session().run("1 + 1").output == "2"
    assert caplog.text.count("another one is started") == START_ATTEMPTS - 1


def test_sessions_that_never_start_end_in_an_error_and_hold_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_starts(monkeypatch, START_ATTEMPTS)
    with Sandbox(level="strict", warm=0, max_sessions=1) as box:
        with pytest.raises(SandboxError, match="before it was ready"):
            box.session()
        assert box.session().run("1 + 1").output == "2"


def test_a_session_that_cannot_start_says_why() -> None:
    with Sandbox(limits=Limits(memory_mb=2**50), warm=0) as box:
        with pytest.raises(SandboxError, match="before it was ready: OverflowError"):
            box.session()
