"""What a sandbox does for the process that owns it: places come back, copies of it can end, limits of its own hold."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox import AsyncSandbox, Limits, Sandbox, SandboxError, folders, host_memory
from sandbox.pool import Pool
from sandbox.siege.attacks import descendants


def test_a_session_that_is_dropped_gives_its_place_back(strict: None) -> None:
    with Sandbox(level="strict", warm=0, max_sessions=2) as box:
        assert [box.session().run(str(i)).output for i in range(5)] == list("01234")
        fork = box.session().fork()
        assert fork.run("1").output == "1"

    async def drop() -> list[str]:
        async with AsyncSandbox(level="strict", warm=0, max_sessions=1) as box:
            return [(await (await box.session()).run(str(i))).output for i in range(3)]

    assert asyncio.run(drop()) == list("012")


def test_a_session_dropped_in_a_cycle_comes_back_and_the_wait_is_logged(
    strict: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sandbox.pool.STALL_SECONDS", 0.2)
    with Sandbox(level="strict", warm=0, max_sessions=1) as box:
        gc.disable()
        try:
            cycle = [box.session()]
            cycle.append(cycle)  # type: ignore[arg-type]
            del cycle
            assert box.session().run("1").output == "1"
        finally:
            gc.enable()
    assert "raise max_sessions" in caplog.text


@pytest.mark.parametrize(("between", "told"), [(0.3, 0), (3.0, 1)])
def test_a_line_that_moves_is_no_stall_and_a_stall_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, between: float, told: int
) -> None:
    """Eight wait for the one place, which is given back once every so many seconds, or at once after the first time."""
    monkeypatch.setattr("sandbox.pool.STALL_SECONDS", 2.0)

    async def wait() -> None:
        pool = Pool(Limits(), "strict", warm=0, max_sessions=1)
        await pool._places.take()
        waiting = [asyncio.ensure_future(pool._wait_long()) for _ in range(8)]
        for turn in range(8):
            await asyncio.sleep(between if not told or turn == 0 else 0)
            pool._places.give_back()
        await asyncio.gather(*waiting)

    asyncio.run(wait())
    assert caplog.text.count("raise max_sessions") == told


def test_a_session_keeps_its_sandbox(strict: None) -> None:
    assert Sandbox(level="strict", warm=0).session().run("6 * 7").output == "42"


FORKED = """
import multiprocessing, os, sys
from sandbox import Sandbox, SandboxError
box = Sandbox(warm=1)
session = box.session()
session.run("x = 6")

def use(number):
    try:
        return session.run("1").output
    except SandboxError as error:
        return str(error)

child = os.fork()
if child == 0:
    session.close()
    print(use(0), flush=True)
    with Sandbox(warm=0) as own:
        print(own.session().run("1 + 1").output, flush=True)
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(set(pool.map(use, range(4))))
print(session.run("x * 7").output)
"""


def test_a_forked_owner_can_end_and_is_told_when_it_uses_the_sandbox(run_script: Callable) -> None:
    done = run_script("-c", FORKED, seconds=120)
    assert done.returncode == 0, done.stderr
    first, own, pooled, last = done.stdout.splitlines()
    assert "forked from" in first
    assert "forked from" in pooled
    assert (own, last) == ("2", "42")


HELD = """
import os, sys, time
from sandbox import Sandbox
box = Sandbox(warm=1)
box.session().run("1")
if os.fork() == 0:
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_the_sessions_of_a_killed_owner_end_though_a_copy_of_it_lives(strict: None) -> None:
    with subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        below = descendants(owner.pid)
        copies = [pid for pid in below if "time.sleep(60)" in command(pid)]
        owner.kill()
        try:
            wait_for(lambda: [pid for pid in below if alive(pid)] == copies)
        finally:
            for pid in copies:
                os.kill(pid, signal.SIGKILL)


def test_whoever_waits_while_a_sandbox_is_closed_is_told(strict: None) -> None:
    box = Sandbox(level="strict", warm=0, max_sessions=3)
    session = box.session()
    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        waiting = [threads.submit(session.run, "import time\ntime.sleep(30)") for _ in range(2)]
        waiting += [threads.submit(box.session) for _ in range(8)]  # some start, some wait for a place
        waiting.append(threads.submit(session.fork))
        time.sleep(0.05)
        box.close()
        told = [each.exception(timeout=20) for each in waiting]
    assert all(isinstance(error, SandboxError) or error is None for error in told)
    assert "the sandbox is closed" in str(told[1])

    async def close() -> None:
        box = AsyncSandbox(level="strict", warm=0)
        session = await box.session()
        running = asyncio.create_task(session.run("import time\ntime.sleep(30)"))
        await asyncio.sleep(0.1)
        await box.close()
        with pytest.raises(SandboxError, match="the sandbox is closed"):
            await running

    asyncio.run(close())


INTERRUPTED = """
import os, signal, sys, threading
from sandbox import Sandbox
box = Sandbox(level="strict", warm=0, max_sessions=1)
session = box.session()
session.run("x = 5")
signal.signal(signal.SIGINT, signal.default_int_handler)  # else it is ignored below a shell's background job
def press_at(seconds):
    threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
press_at(0.5)
try:
    session.run("import time\\ntime.sleep(60)")
except KeyboardInterrupt:
    print(session.run("x").output)
press_at(0.3)
try:
    box.session()
except KeyboardInterrupt:
    session.close()
    print(box.session().run("6 * 7").output)
"""


def test_an_interrupt_stops_the_cell_and_costs_no_place(strict: None, run_script: Callable) -> None:
    done = run_script("-c", INTERRUPTED, seconds=120)
    assert done.stdout.split() == ["5", "42"], done.stderr


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)


@pytest.mark.parametrize("level", ["strict", "landlock"])
def test_what_is_preloaded_costs_a_session_nothing_and_packages_are_found(
    strict: None, tmp_path: Path, level: str
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "__init__.py").write_text("ANSWER = 42\n")
    with Sandbox(
        level=level,  # type: ignore[arg-type]
        warm=0,
        preload=["ours", "fractions"],
        packages=[tmp_path],
    ) as box:
        with box.session() as session:
            assert session.run("import sys\n'ours' in sys.modules").output == "True"
            assert session.run("import ours\nours.ANSWER").output == "42"
            assert session.run(f"open({str(tmp_path / 'new')!r}, 'w')").status == "error"
    with Sandbox(level=level, warm=0) as box, box.session() as session:  # type: ignore[arg-type]
        assert session.run("import ours").status == "error"


INSTALLED = """
from sandbox import Sandbox
with Sandbox(level=LEVEL, warm=0) as box, box.session() as session:
    print(session.run("import beside; beside.ANSWER").output)
"""


@pytest.mark.parametrize("level", ["strict", "landlock"])
def test_where_it_is_installed_packages_beside_it_are_found(strict: None, tmp_path: Path, level: str) -> None:
    folder = tmp_path / "site-packages"
    shutil.copytree(Path(folders.__file__).parent, folder / "sandbox")
    (folder / "beside.py").write_text("ANSWER = 42\n")
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED.replace("LEVEL", repr(level))],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "42\n", done.stderr


def test_a_module_that_cannot_be_preloaded_is_named(strict: None) -> None:
    with Sandbox(level="strict", warm=0, preload=["no_such_module"]) as box:
        with pytest.raises(SandboxError, match="preload: no_such_module cannot be imported: ModuleNotFound"):
            box.session()


@pytest.mark.skipif(os.geteuid() != 0, reason="only a root's sessions run under another user id")
def test_a_folder_that_sessions_cannot_read_is_named(strict: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Sandbox(level="strict", warm=0, packages=[tmp_path]) as box:
        with pytest.raises(SandboxError, match=f"cannot read {tmp_path}"):
            box.session()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preload": "scipy"}, "list of module names"),
        ({"preload": ["os; import x"]}, "not the name of a module"),
        ({"packages": "/nowhere"}, "list of folders"),
        ({"packages": ["/nowhere"]}, "no folder /nowhere"),
        ({"packages": ["/"]}, "every file of the host"),
    ],
)
def test_libraries_that_cannot_be_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sandbox(**arguments)  # type: ignore[arg-type]


LIMITED = """
import resource, sys
from sandbox import Limits, Sandbox
kind, hard = sys.argv[1:]
resource.setrlimit(getattr(resource, kind), (int(hard), int(hard)))
with Sandbox(Limits(cell_seconds=20), level=sys.argv[3] if len(sys.argv) > 3 else "strict", warm=0) as box:
    print(box.limits.cpu_seconds, box.limits.disk_mb, box.limits.descriptors)
    print(box.session().run("6 * 7").output)
"""


@pytest.mark.parametrize(
    ("kind", "hard", "effective", "named"),
    [
        ("RLIMIT_CPU", 300, "295 64 128", "cpu_seconds is 295 instead of 600"),
        ("RLIMIT_FSIZE", 20 * 2**20, "600 20 128", "disk_mb is 20 instead of 64"),
        ("RLIMIT_NOFILE", 100, "600 64 92", "descriptors is 92 instead of 128"),
        ("RLIMIT_STACK", 4 * 2**20, "600 64 128", ""),
    ],
)
def test_a_lower_hard_limit_holds_and_is_named(
    strict: None, run_script: Callable, kind: str, hard: int, effective: str, named: str
) -> None:
    done = run_script("-c", LIMITED, kind, str(hard))
    assert done.stdout.splitlines() == [effective, "42"], done.stderr
    assert named in done.stderr


def test_the_folders_of_dead_owners_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    live, dead, foreign = folders.Home(), folders.Home(), tmp_path / "scdpo-file"
    foreign.write_text("no folder of ours")
    new, old = tmp_path / "scdpo-new", tmp_path / "scdpo-old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (1, 1))
    Path(dead.make(1), "work", "deep").mkdir()
    dead.abandon()
    folders.sweep()
    assert sorted(tmp_path.iterdir()) == sorted([Path(live.path), foreign, new])
    live.remove()
    assert not Path(live.path).exists()


def test_a_killed_zygote_and_owner_leave_folders_to_the_next_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from sandbox import Sandbox\nbox = Sandbox(level='landlock', warm=2)\ns = box.session()\nprint(s.run('1').output, flush=True)\ninput()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        below = descendants(owner.pid)
        for pid in [owner.pid, *below]:
            with suppress(ProcessLookupError):  # it may have ended with those killed before it
                os.kill(pid, signal.SIGKILL)
    assert list(tmp_path.glob("scdpo-*"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sandbox(level="landlock", warm=0) as box:
        assert box.session().run("1").output == "1"
    assert list(tmp_path.glob("scdpo-*")) == []


def test_a_folder_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("kept")
    descriptor = os.open(top, os.O_RDONLY)
    for i in range(1500):  # deeper than any path can be long
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        if i == 1000:
            os.symlink(outside, "link", dir_fd=below)
            os.mkfifo("pipe", dir_fd=below)
        os.close(descriptor)
        descriptor = below
    os.fchmod(descriptor, 0)
    os.close(descriptor)
    folders.remove(str(top))
    assert not top.exists()
    assert outside.read_text() == "kept"


def group(root: Path, path: str, **files: str) -> None:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_that_of_the_tightest_control_group(tmp_path: Path, version: int) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n")
    assert host_memory.memory(tmp_path) == host_memory.HostMemory(1024 * 10**6, 1024 * 900_000)
    if version == 1:
        (tmp_path / "proc/self/cgroup").write_text("4:cpu,cpuacct:/\n3:memory:/docker/abc\n0::/\n")
        group(
            tmp_path,
            "memory",
            memory__limit_in_bytes=f"{2**63 - 4096}\n",
            memory__usage_in_bytes="5\n",
            memory__stat="total_inactive_file 0\n",
        )
        group(
            tmp_path,
            "memory/docker/abc",
            memory__limit_in_bytes="1000\n",
            memory__usage_in_bytes="700\n",
            memory__stat="cache 9\ntotal_inactive_file 100\n",
        )
    else:
        (tmp_path / "proc/self/cgroup").write_text("0::/slice/scope\n")
        group(
            tmp_path,
            "slice",
            memory__max="1000\n",
            memory__current="700\n",
            memory__stat="anon 1\ninactive_file 100\n",
        )
        group(tmp_path, "slice/scope", memory__max="max\n", memory__current="600\n", memory__stat="anon 1\n")
    assert host_memory.memory(tmp_path) == host_memory.HostMemory(1000, 400)
