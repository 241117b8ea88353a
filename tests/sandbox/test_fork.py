"""Forking a session: same state, separate lives, and honesty where a true fork is not possible."""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from sandbox import Limits, Sandbox, SessionClosed
from sandbox.siege.attacks import descendants

PREFIX = [
    "import random, numpy as np\nrandom.random(); np.random.rand()\nfrom sympy import *\nx = symbols('x')",
    "p = expand((x + 1)**3)\np",
]


def test_a_fork_has_the_state_and_diverges(box: Sandbox) -> None:
    with box.session() as one:
        one.run("a = [1]")
        with one.fork() as two:
            two.run("a.append(2)")
            one.run("a.append(3)")
            assert (one.run("a").output, two.run("a").output) == ("[1, 3]", "[1, 2]")
            assert two.origin.kind == "fork"


def test_many_forks_at_once(box: Sandbox) -> None:
    with box.session() as one:
        one.run("a = 5")
        copies = one.fork(6)
        assert [copy.run(f"a + {i}").output for i, copy in enumerate(copies)] == [
            str(5 + i) for i in range(6)
        ]
        for copy in copies:
            copy.close()


def test_a_fork_of_a_fork_and_cell_numbers_go_on(box: Sandbox) -> None:
    session = box.session()
    chain = [session]
    for depth in range(5):
        assert f"Cell In[{depth + 1}]" in chain[-1].run("1/0").output
        chain.append(chain[-1].fork())
    assert chain[-1].origin.kind == "fork"
    for link in chain:
        link.close()


def test_random_state_is_copied(box: Sandbox) -> None:
    code = "import random, numpy as np\n(random.random(), np.random.rand(), np.random.randint(1000))"
    with box.session() as one:
        one.run(code)
        copies = one.fork(2)
        outputs = {copy.run(code).output for copy in copies} | {one.run(code).output}
        assert len(outputs) == 1
        for copy in copies:
            copy.close()


def test_a_fork_gives_what_a_replay_gives(box: Sandbox) -> None:
    code = "(random.random(), np.random.rand(), factor(p), sorted({'b', 'a'}), {'b', 'a', 'c'})"
    with box.session() as one, box.session() as again:
        for cell in PREFIX:
            assert one.run(cell).output == again.run(cell).output
        with one.fork() as copy:
            assert copy.run(code).output == again.run(code).output


def test_files_are_copied_not_shared(box: Sandbox) -> None:
    with box.session() as one:
        one.run(
            "import os\nos.makedirs('d/e')\nopen('d/e/f', 'w').write('old')\nos.symlink('d', 'link')\nos.mkfifo('pipe')"
        )
        with one.fork() as two:
            two.run("open('d/e/f', 'w').write('new')\nopen('mine', 'w').close()")
            assert (
                two.run("print(open('link/e/f').read(), sorted(os.listdir()))").output
                == "new ['d', 'link', 'mine', 'pipe']"
            )
            assert (
                one.run("print(open('d/e/f').read(), sorted(os.listdir()))").output
                == "old ['d', 'link', 'pipe']"
            )


def test_the_folder_of_a_fork_is_bounded_too(box: Sandbox) -> None:
    with box.session() as one, one.fork() as two:
        assert "Errno 2" in two.run("open('big', 'wb').write(bytes(2**25))").output


def test_a_fork_outlives_its_parent(box: Sandbox) -> None:
    one = box.session()
    one.run("a = 7")
    two = one.fork()
    one.run("import os; os._exit(0)")
    one.close()
    assert two.run("a").output == "7"
    two.close()


def test_a_fork_is_as_confined_as_its_parent(box: Sandbox) -> None:
    probe = (
        "import os, ctypes, re\nc = ctypes.CDLL(None)\n"
        "flags = re.findall(r'(?:CapEff|CapPrm|NoNewPrivs):\\s*(\\w+)', open('/proc/self/status').read())\n"
        "[c.unshare(0x10000000), c.mount(b't', b'/tmp', b'tmpfs', 0, 0), c.syscall(56, 17, 0, 0, 0, 0), *flags]"
    )
    with box.session() as one, one.fork() as two:
        assert two.run(probe).output == "[-1, -1, -1, '0000000000000000', '0000000000000000', '1']"
        assert two.run("import os\nos.kill(1, 0)").status == "error"


def test_forks_do_not_see_each_other(box: Sandbox) -> None:
    with box.session() as one:
        two, three = one.fork(2)
        two.run("open('secret', 'w').write('s')")
        code = "import os\nme = os.readlink('/proc/self')\n[p for p in os.listdir('/proc') if p.isdigit() and p != me]"
        assert three.run(code).output == "[]"
        two.close()
        three.close()


def test_a_live_thread_means_replay(box: Sandbox) -> None:
    with box.session() as one:
        one.run(
            "b = 1\nimport threading, time\nthreading.Thread(target=time.sleep, args=(5,), daemon=True).start()"
        )
        with one.fork() as two:
            assert two.origin.kind == "replay"
            assert "thread" in (two.origin.reason or "")
            assert two.origin.matches
            assert two.run("b").output == "1"


def test_an_open_file_means_replay(box: Sandbox) -> None:
    with box.session() as one:
        one.run("f = open('data', 'w')\nf.write('abc')")
        with one.fork() as two:
            assert two.origin.kind == "replay"
            assert "data" in (two.origin.reason or "")
            assert two.run("f.tell()").output == "3"


def test_a_replay_that_differs_says_so(box: Sandbox) -> None:
    with box.session() as one:
        one.run("import time\nf = open('data', 'w')\ntime.time_ns()")
        with one.fork() as two:
            assert two.origin.matches is False


def test_outside_strict_isolation_a_fork_is_a_replay() -> None:
    with Sandbox(level="none", allow_unsafe=True, warm=0) as box, box.session() as one:
        one.run("c = 3")
        with one.fork() as two:
            assert (two.origin.kind, two.run("c").output) == ("replay", "3")


def test_a_lost_session_cannot_be_forked(box: Sandbox) -> None:
    with box.session() as one:
        one.run("import os; os._exit(1)")
        with pytest.raises(SessionClosed):
            one.fork()


def test_a_fork_never_waits_but_holds_back_others(strict: None) -> None:
    with Sandbox(Limits(), level="strict", warm=0, max_sessions=2) as box:
        one = box.session()
        with pytest.raises(ValueError, match="max_sessions"):
            one.fork(3)
        copies = one.fork(2)
        waiting = threading.Thread(target=lambda: box.session().close())
        waiting.start()
        for session in (one, copies[0]):
            waiting.join(0.2)
            assert waiting.is_alive()
            session.close()
        waiting.join(20)
        assert not waiting.is_alive()
        copies[1].close()


# What a first cell makes, and what a second must show of it in the fork as in the parent.
FILES = {
    "folder": ("import os\nos.mkdir('sub')\nos.chdir('sub')", "import os\nos.getcwd()[-4:]", "'/sub'"),
    "mode 0": (
        "import os\nopen('k', 'w').write('key')\nos.chmod('k', 0)\nos.mkdir('d')\nopen('d/f', 'w').close()\nos.chmod('d', 0)",
        "import os\nmodes = os.stat('k').st_mode & 511, os.stat('d').st_mode & 511\nos.chmod('k', 256)\nos.chmod('d', 448)\n"
        "(modes, open('k').read(), os.listdir('d'))",
        "((0, 0), 'key', ['f'])",
    ),
    "links": (
        "import os\nopen('a', 'wb').write(bytes(6 * 2**20))\nos.mkdir('d')\nos.link('a', 'b')\nos.link('a', 'd/c')",
        "import os\n(os.stat('d/c').st_nlink, os.path.samefile('a', 'd/c'))",
        "(3, True)",
    ),
    "holes": (
        "for i in range(6):\n    with open(f's{i}', 'wb') as f:\n        f.truncate(12 * 2**20)\n        f.seek(2**20)\n        f.write(b'mid')",
        "import os\nf = open('s5', 'rb')\n_ = f.seek(2**20)\n(f.read(4), os.stat('s5').st_size, os.stat('s5').st_blocks < 64)",
        "(b'mid\\x00', 12582912, True)",
    ),
    "depth": (
        "import os\nfor _ in range(400):\n    os.mkdir('a')\n    os.chdir('a')",
        "import os\nlen(os.getcwd())",
        "817",
    ),
    "times": (
        "import os\nos.mkdir('d')\nos.chmod('d', 0o1751)\nos.utime('d', (5, 6))\nos.mkfifo('p', 0o640)",
        "import os\nd = os.stat('d')\n(oct(d.st_mode), d.st_mtime, oct(os.stat('p').st_mode))",
        "('0o41751', 6.0, '0o10640')",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_kind_come_along(box: Sandbox, name: str) -> None:
    makes, shows, shown = FILES[name]
    with box.session() as one:
        assert one.run(makes).status == "ok"
        with one.fork() as two:
            assert two.origin.kind == "fork"
            assert two.run(shows).output == one.run(shows).output == shown


def test_a_file_that_can_only_be_read_is_opened_anew(box: Sandbox) -> None:
    with box.session() as one:
        one.run("import os\nf = open(os.__file__)\nstart = f.read(7)\nfd = os.open(os.__file__, os.O_RDONLY)")
        with one.fork() as two:
            assert two.origin.kind == "fork"
            assert two.run("os.read(fd, 3)").output == one.run("os.read(fd, 3)").output


@pytest.mark.parametrize(
    "library", ["pandas", "matplotlib.pyplot", pytest.param("torch", marks=pytest.mark.slow)]
)
def test_a_library_does_not_turn_forks_into_replays(strict: None, library: str) -> None:
    pytest.importorskip(library)
    with Sandbox(Limits(cell_seconds=60), level="strict", warm=0) as box, box.session() as one:
        assert one.run(f"import {library}").status == "ok"
        with one.fork() as two:
            assert two.origin.kind == "fork"


def test_a_task_is_forked_with_its_session(box: Sandbox) -> None:
    with box.session() as one:
        one.run("import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.05, 'slept'))")
        with one.fork() as two:
            assert (two.origin.kind, two.run("await task").output, one.run("await task").output) == (
                "fork",
                "'slept'",
                "'slept'",
            )


def test_each_fork_has_threads_of_its_own(strict: None) -> None:
    start = (
        "import threading, time\nstarted = 0\ntry:\n    for _ in range(99):\n"
        "        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n        started += 1\n"
        "except RuntimeError: pass\nstarted"
    )
    with Sandbox(Limits(threads=6), level="strict", warm=0) as box, box.session() as one:
        copies = one.fork(3)
        assert [each.run(start).output for each in [*copies, one]] == ["6"] * 4
        for copy in copies:
            copy.close()


def test_more_forks_than_threads(strict: None) -> None:
    with Sandbox(Limits(threads=4), level="strict", warm=0) as box, box.session() as one:
        for _ in range(2):
            copies = one.fork(12)
            assert {copy.origin.kind for copy in copies} == {"fork"}
            for copy in copies:
                copy.close()


def descriptors_and_processes() -> tuple[int, int]:
    me = psutil.Process()
    return me.num_fds(), len(me.children(recursive=True))


def left_nothing(before: tuple[int, int]) -> bool:
    """Whether there are no more of either than `before`; closed sessions take a moment to go."""
    now = descriptors_and_processes()
    return now[0] <= before[0] and now[1] <= before[1]


# Each makes the next fork go wrong in its own way.
SABOTAGE = {
    "the copy hangs": "type(ex)._become = lambda self, sock: time.sleep(600)",
    "the copy dies": "type(ex)._become = lambda self, sock: os._exit(4)",
    "the session dies": "inside.fork = lambda *a: os._exit(4)",
    "it makes copies on the side": (
        "clone = inside._clone\n"
        "def fork(sock, fds, children):\n"
        "    for child in children:\n"
        "        if clone() == 0:\n            while True: time.sleep(1)\n"
        "    for fd in fds: os.close(fd)\n"
        "    return None, {'forked': 0, 'unsound': 'no'}\n"
        "inside.fork = fork"
    ),
}


@pytest.mark.parametrize("how", SABOTAGE)
def test_a_fork_that_fails_is_a_replay_and_leaves_nothing(strict: None, how: str) -> None:
    with Sandbox(Limits(cell_seconds=1), level="strict", warm=0) as box:
        box.session().close()
        time.sleep(0.5)
        before = descriptors_and_processes()
        with box.session() as one:
            one.run("x = 8\nimport os, sys, time\ninside = sys.modules['sandbox.inside.fork']")
            one.run("ex = sys.stdout._collector._send.__self__\n" + SABOTAGE[how])
            copies = one.fork(2)
            assert [copy.origin.kind for copy in copies] == ["replay", "replay"]
            assert copies[0].run("x").output == "8"
            for copy in copies:
                copy.close()
        wait_until = time.monotonic() + 5
        while not left_nothing(before) and time.monotonic() < wait_until:
            time.sleep(0.05)
        assert left_nothing(before)
        with box.session() as other, other.fork() as fine:
            assert fine.origin.kind == "fork"


# What cells did before, and whether a fork can still be had.
TAMPERED = {
    "no descriptor is left": (
        "import os\nheld = []\ntry:\n    while True: held.append(os.open('/dev/null', 0))\nexcept OSError: pass",
        "replay",
    ),
    "the folder's path is too long": (
        "import os\nfor _ in range(30):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)",
        "replay",
    ),
    "a function of its own": ("import os\nos.listdir = None", "replay"),
    "a function that copies need": ("import os\nos.scandir = lambda *a: 1 / 0", "replay"),
    "copies that would end at once": (
        "import os\nos.register_at_fork(after_in_child=lambda: os._exit(0))",
        "fork",  # as nothing of the cells' is run
    ),
    "a limit of its own on descriptors": (
        "import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (6, 6))",
        "replay",
    ),
    "json": ("import json\njson.dumps = json.loads = None", "fork"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_no_cell_makes_a_fork_an_error_or_costs_the_session_its_state(box: Sandbox, how: str) -> None:
    code, kind = TAMPERED[how]
    with box.session() as one:
        one.run(code)
        one.run("x = 8")
        with one.fork() as two:
            assert two.origin.kind == kind
            assert (one.run("x").output, two.run("x").output) == ("8", "8")


def test_a_grant_to_clone_ends_with_its_fork(box: Sandbox) -> None:
    with box.session() as one:
        one.run("f = open('data', 'w')")
        one.fork(2)[0].close()
        assert "PermissionError" in one.run("import sys\nsys.modules['sandbox.inside.fork']._clone()").output


# Make as many copies as are let through, which wait for ever, whatever the owner's own request comes to.
STRAYS = """
import sys, threading, time
from sandbox.inside import fork
def stray():
    try:
        if fork._clone() == 0:
            while True: time.sleep(1)
    except OSError:
        pass
def evil(*args, **named):
    for _ in range(9): stray()
    return None, {"forked": 0, "unsound": "no reason"}
"""


@pytest.mark.parametrize(
    "how", ["fork.fork = evil", "threading.Thread(target=time.sleep, args=(9,)).start()"]
)
def test_a_grant_ends_with_its_fork_and_takes_strays_along(strict: None, how: str) -> None:
    with Sandbox(level="strict", warm=0) as box, box.session() as one:
        before = len(descendants(os.getpid()))
        one.run(STRAYS + how)
        with one.fork() as two:
            assert two.origin.kind == "replay"
            one.run("for _ in range(9): stray()")
            until = time.monotonic() + 5
            while len(descendants(os.getpid())) != before + 1 and time.monotonic() < until:
                time.sleep(0.05)
            assert len(descendants(os.getpid())) == before + 1  # the replay
