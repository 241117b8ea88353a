"""Cells behave as in a stock kernel where a maths model notices, and what cannot be had says so in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Limits, Sandbox


@pytest.fixture(scope="module")
def box(strict: None) -> Iterator[Sandbox]:
    """A sandbox with time for libraries to load on a busy machine."""
    with Sandbox(Limits(cell_seconds=60), level="strict", warm=1) as shared:
        yield shared


REFUSAL = "PermissionError: the sandbox runs no shell commands and no other programs"

POOLS = {
    "dummy": "from multiprocessing.dummy import Pool\nwith Pool(2) as p: print(p.map(abs, [-1, -2]))",
    "thread pool": "from multiprocessing.pool import ThreadPool\nprint(ThreadPool(2).map(abs, [-1, -2]))",
    "queue": "import multiprocessing as mp\nq = mp.Queue()\nq.put([1, 2])\nprint(q.get())",
    "lock": "import multiprocessing as mp\nwith mp.RLock(), mp.Semaphore(1): print([1, 2])",
}


@pytest.mark.parametrize("name", POOLS)
def test_pools_of_threads_work(box: Sandbox, name: str) -> None:
    with box.session() as session:
        assert session.run(POOLS[name]).output == "[1, 2]"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.system('echo hi')",
        "!echo hi",
        "x = !echo hi",
        "%%bash\necho hi",
        "%%python3\nprint(1)",
        "import subprocess\nsubprocess.run(['ls'])",
        "import os\nos.fork()",
        "import multiprocessing as mp\nwith mp.Pool(2) as p: p.map(abs, [1])",
        "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as ex: list(ex.map(abs, [1]))",
    ],
)
def test_programs_are_refused_in_one_sentence(box: Sandbox, code: str) -> None:
    with box.session() as session:
        result = session.run(code)
        assert (result.status, result.error) == ("error", REFUSAL)
        assert result.output.splitlines()[-1] == REFUSAL


SHOWN = {
    "a task without await": (
        ["import asyncio\nt = asyncio.create_task(asyncio.sleep(0.01, result=9))", "await t"],
        "9",
    ),
    "a pool of an earlier cell prints here": (
        [
            "from concurrent.futures import ThreadPoolExecutor\nex = ThreadPoolExecutor(1)\nlist(ex.map(abs, [1]))",
            "list(ex.map(print, 'ab'))",
        ],
        "a\nb\n[None, None]",
    ),
    "cd": (["import os\nos.mkdir('d')", "%cd d"], "/home/kernel/work/d"),
    "user": (
        ["import getpass, os, pwd\ngetpass.getuser() == pwd.getpwuid(os.getuid()).pw_name"],
        "True",
    ),
    "a signal to oneself": (
        [
            "import signal\nhits = []\n_ = signal.signal(signal.SIGUSR1, lambda *a: hits.append(1))\n"
            "signal.raise_signal(signal.SIGUSR1)\nlen(hits)"
        ],
        "1",
    ),
    "the C library": (["import ctypes.util\nctypes.util.find_library('m')"], "'libm.so.6'"),
    "the shell's class": (["type(get_ipython()).__name__"], "'ZMQInteractiveShell'"),
    "a warning of the compiler": (
        ["assert (1, 'why')"],
        "<>:1: SyntaxWarning: assertion is always true, perhaps remove parentheses?\n"
        * 2
        + "/tmp/ipykernel/3340742978.py:1: SyntaxWarning: assertion is always true, perhaps remove parentheses?\n"
        "  assert (1, 'why')",
    ),
    "exit with an argument": (["exit(3)"], ""),
    "clearing that waits for more": (
        ["from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)"],
        "1",
    ),
    "clearing and more": (
        ["from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)\nprint(2)"],
        "2",
    ),
    "an update of what an earlier cell shows": (["h = display(1, display_id='d')", "h.update(2)"], ""),
    "an update of what this cell shows": (["h = display(1, display_id='d')\nh.update(2)"], "2"),
    "the work folder is the solution's own": (
        ["import matplotlib.pyplot as plt, os\nos.listdir()"],
        "[]",
    ),
}


ENDS = {
    "an interrupt that the cell raises itself": (
        "raise KeyboardInterrupt",
        "Cell In[1], line 1\n----> 1 raise KeyboardInterrupt\n\nKeyboardInterrupt: ",
    ),
    "an error in a thread": (
        "import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()",
        "in run\n    self._target(*self._args, **self._kwargs)\n",
    ),
    "a hidden question": ("import getpass\ngetpass.getpass()", "nobody to answer in a session"),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_an_error_shows(box: Sandbox, name: str) -> None:
    code, shown = ENDS[name]
    with box.session() as session:
        output = session.run(code).output
    assert shown.strip() in output
    assert "sandbox/inside" not in output.replace("sandbox/inside/shell.py", "")


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_cell_shows(box: Sandbox, name: str) -> None:
    cells, shown = SHOWN[name]
    with box.session() as session:
        assert [session.run(code).output for code in cells][-1] == shown


def test_the_arguments_show_nothing_of_the_host(box: Sandbox) -> None:
    with box.session() as session:
        assert session.run("import sys\nsys.argv").output == (
            "['ipykernel_launcher.py', '-f', '/home/kernel/kernel.json']"
        )


def test_a_wide_frame_is_not_cut_to_a_terminal(box: Sandbox) -> None:
    pytest.importorskip("pandas")
    code = "import pandas, numpy\nprint(pandas.DataFrame(numpy.arange(60).reshape(2, 30)))"
    with box.session() as session:
        output = session.run(code).output
    assert " 27  28  29" in output.replace("\n", " ").replace("   27", " 27")
    assert output.count("\\") > 0  # wrapped, as in a notebook


def test_sympy_draws_the_same_in_every_session(box: Sandbox) -> None:
    code = "from sympy import randprime\nrandprime(10**6, 10**7)"
    with box.session() as one, box.session() as two:
        assert one.run(code).output == two.run(code).output
