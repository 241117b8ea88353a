"""Hostile and awkward cells, each judged by its results alone: they can be put to any back end.

Each check runs its cells in a fresh session and says what went wrong, or nothing. It never checks how a result came
about, so a container or a virtual machine can be put to the same test. A back end is anything with
`run(cells) -> list[CellResult]`. Does not cover what can only be seen on the host: see `attacks`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sandbox.limits import CellResult

LIMIT, GRACE = 2.0, 0.7
# What a loaded two-core machine may add to limit and grace before it counts as a hang.
SLACK = 4.0


class SiegeBackend(Protocol):
    """Something that runs cells."""

    def run(self, cells: list[str]) -> list[CellResult]:
        """Run `cells` in order in a fresh session; return a result for each."""
        ...


Problem = str | None
Judge = Callable[[list[CellResult]], Problem]


@dataclass(frozen=True)
class Check:
    """Cells, and the judge of their results."""

    name: str
    cells: list[str]
    judge: Judge
    stock_fails: bool = False  # a kernel without isolation or limits gets this wrong


def says(*statuses: str, has: str = "", lacks: str = "", lost: bool | None = None, error: str = "") -> Judge:
    """Judge by the cells' statuses ("a|b" allows either), and the last cell's text, error and state."""

    def judge(results: list[CellResult]) -> Problem:
        got = [r.status for r in results]
        for status, allowed in zip(got, statuses, strict=True):
            if status not in allowed.split("|"):
                return f"statuses {got}, wanted {list(statuses)}: {results[-1].error}"
        whole = "\n".join(r.output for r in results)
        if has and not re.search(has, results[-1].output):
            return f"no {has!r} in {results[-1].output[-300:]!r}"
        if lacks and re.search(lacks, whole):
            return f"{lacks!r} in {whole[-300:]!r}"
        if error and not re.search(error, results[-1].error or ""):
            return f"error is {results[-1].error!r}, not {error!r}"
        if lost is not None and results[-1].state_lost != lost:
            return f"state_lost is {results[-1].state_lost}"
        return None

    return judge


SPIN = "while True:\n    pass"
TRY = "def attempt(f, *a):\n    try:\n        print('DONE', f(*a))\n    except Exception as e:\n        print(type(e).__name__)\n"

CHECKS = [
    # What a kernel is for.
    Check("state_and_last_value", ["a = 6", "a * 7"], says("ok", "ok", has="^42$")),
    Check("empty_cell", [""], says("ok", has="^$")),
    Check("comment_only", ["# thinking"], says("ok", has="^$")),
    Check("syntax_error", ["for x in", "3"], says("error", "ok", has="^3$")),
    Check("time_magic", ["%time 2+2"], says("ok", has="4")),
    Check("order_of_streams", ["import sys\nprint('1')\nprint('2', file=sys.stderr)\nprint('3')\n4"], says("ok", has="(?s)1.*4")),
    Check("exception_is_shown", ["{}['key']"], says("error", has="KeyError: 'key'", error="KeyError")),
    Check("digits_limit", ["print(3**20000)"], says("error", has="4300")),
    Check("exit_is_not_death", ["import sys\nsys.exit(2)", "'still here'"], says("error", "ok", has="still here")),
    # Time.
    Check("sleep_is_interrupted", ["v = 1", "import time\ntime.sleep(600)", "v"], says("ok", "timeout", "ok", has="^1$", lost=False)),
    Check("loop_is_interrupted", ["v = 2", SPIN, "v"], says("ok", "timeout", "ok", has="^2$", lost=False)),
    Check("outputs_do_not_shift", [f"import time\ntime.sleep({LIMIT + 1.5})\nprint('slow')", "print('a')", "print('b')"], says("timeout", "ok", "ok", has="^b$", lacks="slow")),
    Check("swallowed_interrupt_is_killed", ["import time\nwhile True:\n    try:\n        time.sleep(.01)\n    except BaseException: pass", "1"], says("timeout", "died", lost=True), True),
    Check("ignored_signals_are_killed", ["import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\n" + SPIN], says("timeout", lost=True), True),
    Check("interpreter_lock_is_killed", ["sum(range(10**13))", "1"], says("timeout", "died", lost=True), True),
    Check("backtracking_ends", ["import re\nre.fullmatch('(x+x+)+y', 'x'*60)"], says("timeout"), True),
    Check("big_power_ends", ["n = 9**(9**11)"], says("timeout|memory"), True),
    Check("exit_handlers_do_not_delay", ["import atexit, time\natexit.register(time.sleep, 600)\n1"], says("ok")),
    # Memory and output.
    Check("lists_meet_the_limit", ["hoard = []\nwhile True: hoard.append(bytearray(2**24))", "2"], says("memory", "ok|died"), True),
    Check("lazy_pages_meet_the_limit", ["import numpy\nnumpy.zeros(2**37)"], says("memory", error="MemoryError")),
    Check("one_long_line_is_cut", ["print('z' * (150 * 2**20))", "3"], says("output|memory", "ok", has="^3$"), True),
    Check("many_lines_are_cut", ["i = 0\nwhile True:\n    print(i)\n    i += 1", "i > 0"], says("output", "ok", has="True"), True),
    Check("many_displays_are_cut", ["from IPython.display import display\nfor i in range(10**6): display(i)", "4"], says("output", "ok", has="^4$"), True),
    Check("long_value_is_cut", ["'w' * 10**7"], says("output"), True),
    # Disk, threads, descriptors.
    Check("disk_is_bounded", ["k = 0\nwhile True:\n    open(f'big{k}', 'wb').write(bytes(2**22))\n    k += 1"], says("error", error="No space left|File too large"), True),
    Check("files_are_bounded", ["for k in range(10**6): open(f'small{k}', 'w').close()"], says("error", error="No space left"), True),
    Check("no_shared_memory_folder", [TRY + "attempt(open, '/dev/shm/q', 'w')"], says("ok", lacks="DONE"), True),
    Check("no_anonymous_files", ["import os\nos.memfd_create('m')"], says("error", lost=False), True),
    Check("threads_are_bounded", ["import threading, time\nfor _ in range(5000): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"], says("error", error="thread"), True),
    Check("descriptors_are_bounded", ["import os\nheld = []\nwhile True: held.append(os.dup(0))", "5"], says("error", "ok", has="^5$"), True),
    # Processes.
    Check("no_programs", [TRY + "import subprocess\nattempt(subprocess.run, ['/bin/true'])"], says("ok", lacks="DONE"), True),
    Check("no_fork", [TRY + "import os\nattempt(os.fork)"], says("ok", lacks="DONE"), True),
    Check("no_vfork_by_syscall", ["import ctypes\nctypes.CDLL(None).syscall(58)"], says("ok", has="^-1$"), True),
    Check("shell_is_refused_clearly", ["!id"], says("error", has="(?i)shell|not permitted"), True),
    Check("signals_reach_nobody", ["import os\nn = 0\nfor p in range(2, 40000):\n    if p != os.getpid() and not os.path.exists(f'/proc/self/task/{p}'):\n        try:\n            os.kill(p, 0)\n            n += 1\n        except OSError: pass\nn"], says("ok", has="^0$"), True),
    Check("kill_all_reaches_nobody", ["import os\nos.kill(-1, 9)"], says("error|died|ok"), True),
    Check("no_tracing", ["import ctypes\nctypes.CDLL(None).ptrace(16, 1, 0, 0)"], says("ok", has="^-1$")),
    Check("death_is_seen_at_once", ["import os\nos._exit(7)", "1"], says("died", "died", lost=True)),
    Check("crash_is_seen_at_once", ["import ctypes\nctypes.memset(8, 0, 8)"], says("died", lost=True)),
    # Files and secrets.
    Check("no_host_files", ["for p in ('/etc/passwd', '/etc/shadow', '/etc/hosts', '/root', '/var/log', '/home/..', '/proc/1/environ'):\n    try:\n        import os\n        print('READ', os.listdir(p) if os.path.isdir(p) else open(p).read(9))\n    except OSError: pass"], says("ok", lacks="READ"), True),
    Check("no_caller_environment", ["import os\n[k for k in os.environ if 'SECRET' in k]"], says("ok", has=r"^\[\]$"), True),
    Check("no_caller_environment_in_proc", ["b''.join(open(f'/proc/{p}/environ', 'rb').read() for p in ('self', 'thread-self')).count(b'SECRET')"], says("ok", has="^0$"), True),
    Check("libraries_are_read_only", ["import os, sympy\nfor p in (os.path.dirname(sympy.__file__) + '/new.py', '/etc/new', '/new', '/usr/new', '../new'):\n    try:\n        open(p, 'w')\n        print('WROTE', p)\n    except OSError: pass"], says("ok", lacks="WROTE"), True),
    Check("links_are_harmless", ["import os\nos.symlink('/etc/passwd', 'answer')\nos.symlink('/', 'root')\nos.mkfifo('pipe')\nopen('answer')"], says("error"), True),
    Check("no_inherited_descriptors", ["import os\n[os.readlink(f'/proc/self/fd/{f}') for f in range(3, 60) if os.path.lexists(f'/proc/self/fd/{f}')]"], says("ok", has=r"^\[\]$"), True),
    # Network.
    Check("no_tcp", [TRY + "import socket\nattempt(socket.create_connection, ('127.0.0.1', PORT), 1)\nattempt(socket.create_connection, ('::1', PORT), 1)"], says("ok", lacks="DONE"), True),
    Check("no_udp", [TRY + "import socket\nattempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT)))"], says("ok", lacks="DONE"), True),
    Check("no_name_lookup", [TRY + "import socket\nattempt(socket.gethostbyname, 'example.org')"], says("ok", lacks="DONE")),
    Check("no_abstract_sockets", [TRY + "import socket\nattempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0scdpo-conformance'))"], says("ok", lacks="DONE"), True),
    Check("no_netlink", [TRY + "import socket\nattempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))"], says("ok", lacks="DONE"), True),
    # Privileges.
    Check("no_root", [TRY + "import os\nattempt(os.setuid, 0)\nattempt(os.setgroups, [0])"], says("ok", lacks="DONE"), True),
    Check("no_new_namespaces", ["import ctypes\nc = ctypes.CDLL(None)\n[c.unshare(f) for f in (0x10000000, 0x20000, 0x40000000)]"], says("ok", has=r"^\[-1, -1, -1\]$"), True),
    Check("no_mounts", ["import ctypes\nctypes.CDLL(None).mount(b't', b'/tmp', b'tmpfs', 0, 0)"], says("ok", has="^-1$"), True),
    Check("no_keyring_bpf_uring", ["import ctypes\nc = ctypes.CDLL(None)\n[c.syscall(n, 0, 0, 0, 0, 0) for n in (248, 321, 425, 298, 323)]"], says("ok", has=r"^\[(-1, ){4}-1\]$"), True),
    Check("limits_cannot_be_raised", [TRY + "import resource as r\nfor k in (r.RLIMIT_AS, r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_NPROC): attempt(r.setrlimit, k, (-1, -1))"], says("ok", lacks="DONE"), True),
    Check("no_capabilities", ["import re\nre.findall(r'(?:CapEff|CapPrm|CapAmb):\\s*(\\w+)', open('/proc/self/status').read())"], says("ok", has=r"^\['0+', '0+', '0+'\]$"), True),
    # Tampering with the kernel itself.
    Check("streams_set_to_none", ["import sys\nsys.stdout = sys.stderr = None", "print('back')"], says("ok", "ok")),
    Check("streams_closed", ["import sys\nsys.stdout.close()", "print('back')"], says("ok|error", "ok")),
    Check("descriptors_closed", ["import os\nos.closerange(0, 100)", "1"], says("ok|died", "ok|died"), True),
    Check("all_descriptors_closed", ["import os\nos.closerange(0, 5000)", "1"], says("died", "died", lost=True), True),
    Check("late_thread_is_not_credited", ["import threading, time\ndef late():\n    time.sleep(.5)\n    print('LATE')\nthreading.Thread(target=late).start()\nprint('early')", "import time\ntime.sleep(1)\nprint('next')"], says("ok", "ok", has="^next$", lacks="LATE"), True),
    Check("late_task_is_not_credited", ["import asyncio\nasync def late():\n    await asyncio.sleep(.2)\n    print('LATE')\nt = asyncio.ensure_future(late())", "await asyncio.sleep(.6)\nprint('next')"], says("ok", "ok", has="^next$", lacks="LATE"), True),
    Check("lone_surrogates", ["print('a\\ud800b\\x00')", "'\\udfff'"], says("ok", "ok")),
    Check("raw_bytes", ["import os\nos.write(1, b'\\xfe\\xffraw')\nNone"], says("ok", has="raw")),
    Check("rich_output_is_data", ["class P:\n    def _repr_mimebundle_(self, **k): return {'application/x-pickle': 'gASV', 'text/plain': 'plain'}\nP()"], says("ok", has="^plain$")),
    Check("hostile_exception", ["class E(Exception):\n    def __str__(self): raise E\n    __repr__ = __str__\nraise E", "1"], says("error", "ok")),
    Check("broken_builtins_are_survived_or_seen", ["import builtins\nbuiltins.len = None", "1"], says("ok|died", "ok|error|died")),
    Check("input_is_refused", ["input('name? ')"], says("error"), False),
]  # fmt: skip


@contextlib.contextmanager
def listeners() -> Iterator[int]:
    """Listen on a TCP port of this host and on an abstract socket, for cells to try to reach."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        try:
            abstract.bind("\0scdpo-conformance")
            abstract.listen()
        except OSError as error:  # another run of the suite is listening already, which serves as well
            print(f"abstract socket: {error}", file=sys.stderr)
        yield tcp.getsockname()[1]


def run_check(backend: SiegeBackend, check: Check, port: int) -> Problem:
    """Run one check and return what is wrong, or None."""
    results = backend.run([code.replace("PORT", str(port)) for code in check.cells])
    for result in results:
        if result.seconds > LIMIT + GRACE + SLACK:
            return f"took {result.seconds:.1f} s"
        json.dumps(result.output).encode()
        result.output.encode("utf-8")
        if len(result.output) > 60_000:
            return f"{len(result.output)} characters of output"
    return check.judge(results)


def run_all(backend: SiegeBackend, checks: list[Check] | None = None, workers: int = 3) -> dict[str, str]:
    """Run checks side by side; return the problems by name."""
    os.environ.setdefault("CONFORMANCE_SECRET", "must not be seen")
    chosen = CHECKS if checks is None else checks
    with listeners() as port, concurrent.futures.ThreadPoolExecutor(workers) as threads:
        problems = threads.map(lambda check: run_check(backend, check, port), chosen)
        return {check.name: problem for check, problem in zip(chosen, problems, strict=True) if problem}
