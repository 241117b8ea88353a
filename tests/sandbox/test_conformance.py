"""The siege against our sandbox, as root and as an ordinary user, on hosts that lack something; and a stock kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.limits import Level
from sandbox.siege import attacks, cells
from sandbox.siege.run import SandboxBackend, lay

from .conformance import StockBackend

SIEGE = ("-m", "sandbox.siege.run", "--json")


def test_every_cell_holds_for_this_user(strict: None) -> None:
    backend = SandboxBackend("strict")
    try:
        assert cells.run_all(backend) == {}
    finally:
        backend.close()


@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.__name__)
def test_no_attack_gets_through_landlock_alone(attack: attacks.Attack, tmp_path: Path) -> None:
    assert attack("landlock", tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize("level", ["strict", "landlock"])
def test_the_siege_fails_for_this_user(strict: None, level: Level) -> None:
    assert lay(level) == {}


@pytest.mark.slow
@pytest.mark.parametrize("level", ["strict", "landlock"])
def test_the_siege_fails_for_an_ordinary_user(strict: None, run_script: Callable, level: str) -> None:
    done = run_script(*SIEGE, "--level", level, ordinary=True, seconds=900)
    assert json.loads(done.stdout.splitlines()[-1]) == {}, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lacks", "level"),
    [
        ("no_namespaces", "landlock"),
        ("no_landlock", "strict"),
        ("no_listener", "strict"),
        ("no_landlock,no_listener,no_mount_setattr", "strict"),
    ],
)
@pytest.mark.parametrize("ordinary", [False, True])
def test_the_siege_fails_on_a_host_that_lacks(
    strict: None, run_script: Callable, lacks: str, level: str, ordinary: bool
) -> None:
    done = run_script(*SIEGE, "--level", level, ordinary=ordinary, lacks=lacks, seconds=900)
    assert json.loads(done.stdout.splitlines()[-1]) == {}, done.stderr[-2000:]


@pytest.mark.slow
def test_a_stock_kernel_fails_visibly() -> None:
    names = (
        "no_host_files",
        "no_fork",
        "no_tcp",
        "late_thread_is_not_credited",
        "state_and_last_value",
    )
    chosen = [check for check in cells.CHECKS if check.name in names]
    problems = cells.run_all(StockBackend(), chosen, workers=1)
    assert "state_and_last_value" not in problems
    assert {"no_host_files", "no_fork", "no_tcp"} <= set(problems)


# What `must` of the shared cells says, as statuses by cell ("a|b" allows either; the last repeats), text the outputs
# must not hold, and text they must.
OK, SAFE = "ok", "ok|error"
SHARED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "fork_bomb_exec": (("error",), "", "Error"),
    "thread_bomb": (("error|died|timeout",), "", ""),
    "memory_bomb_list": (("memory", "ok|died"), "", ""),
    "memory_bomb_numpy_zeros": (("memory",), "", "MemoryError"),
    "memory_bomb_many_processes": (("error",), "", "PermissionError"),
    "one_giant_line": (("output|memory",), "", ""),
    "giant_repr": (("output|memory",), "", ""),
    "many_display_messages": (("output",), "", ""),
    "sleep_past_limit": ((OK, "timeout", OK), "", "42"),
    "swallow_keyboardinterrupt": ((OK, "timeout", "died"), "", "not run"),
    "sigint_ignored": (("timeout",), "", ""),
    "c_loop_holds_gil": (("timeout", "died"), "after", ""),
    "huge_power": (("timeout|memory",), "", ""),
    "int_str_limit": (("error",), "", "4300"),
    "sympy_hang": (("timeout|ok",), "", ""),
    "regex_backtracking": (("timeout",), "", ""),
    "ctypes_null_deref": (("died",), "", ""),
    "fill_disk": (("error",), "", "OSError"),
    "many_files": (("error",), "", "No space"),
    "fill_dev_shm": (("error",), "", ""),
    "os_exit": (("died", "died"), "alive", ""),
    "sys_exit": (("error", OK), "", "alive"),
    "kill_everything": (("error|died|ok",), "", ""),
    "kill_other_kernels_by_pid": ((OK,), "", "signalable 0"),
    "env_secrets": ((OK,), "SECRET|TOKEN|KEY|PYTEST", ""),
    "proc_environ_of_parent": ((OK,), "SECRET|TOKEN|PYTEST", ""),
    "read_host_files": ((OK,), "root:|PRIVATE KEY", "Error"),
    "write_outside_workdir": ((OK,), "WROTE", "Error"),
    "symlink_escape": ((OK,), "", ""),
    "fifo_in_workdir": ((OK,), "", ""),
    "tcp_localhost": ((SAFE,), "CONNECTED", ""),
    "udp_and_dns": ((SAFE,), r"^\d+\.\d+", "Error|error"),
    "abstract_unix_socket": ((SAFE,), "CONNECTED", ""),
    "unix_socket_path": ((OK,), "socket", ""),
    "ptrace_and_process_vm": ((OK,), "", "-1 1\n-1 1"),
    "setuid_and_sudo": ((OK,), "ROOT", r"NoNewPrivs:\\t1"),
    "new_user_namespace": ((OK,), "", "-1 1\n-1 1"),
    "raise_own_limits": ((OK,), "RAISED", "Error"),
    "shell_magic": (("error", "error"), "uid=|root:", "Error"),
    "late_thread_output": ((OK, OK), "LATE", "second"),
    "tamper_stdout": ((OK, OK, OK), "", "2"),
    "close_std_fds": (("ok|died", "ok|died"), "", ""),
    "forged_reply_ok": (("error|timeout|died",), "", ""),
    "pickle_payload": ((OK,), "", "p"),
    "surrogates_and_binary": ((OK, OK), "", "raw"),
    "history_sqlite": ((OK,), "", "^$"),
    "monkeypatch_builtins": ((OK,), "", ""),
    "atexit_and_del": ((OK,), "", ""),
    "empty_and_syntax": ((OK, OK, "error", SAFE, OK), "", ""),
    "timeout_then_next_cell": (("timeout", OK, OK), "SLOW", "B"),
    "asyncio_leftover": ((OK, OK, SAFE), r"^\s*LATE$", ""),
    "clock_and_random": ((OK,), "", r"\d"),
}


def test_the_shared_cells_give_what_they_must(strict: None, shared_dir: Path) -> None:
    shared = json.loads((shared_dir / "hostile" / "cells.json").read_text())
    assert {c["name"] for c in shared} == set(SHARED)
    checks = []
    for cell in shared:
        statuses, lacks, has = SHARED[cell["name"]]
        statuses += statuses[-1:] * (len(cell["cells"]) - len(statuses))
        checks.append(cells.Check(cell["name"], cell["cells"], cells.says(*statuses, lacks=lacks, has=has)))
    backend = SandboxBackend("strict", seconds=3.0)
    before = os.statvfs("/").f_bfree
    try:
        assert cells.run_all(backend, checks) == {}
    finally:
        backend.close()
    assert before - os.statvfs("/").f_bfree < 64 * 2**20 // os.statvfs("/").f_frsize * 4
