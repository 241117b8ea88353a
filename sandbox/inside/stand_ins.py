"""Stand-ins for what a stock kernel's process has and a confined one has not.

A user's name, signals to oneself, libraries looked up by name, the arguments of the process; and one clear sentence
wherever a program would be started. They spare honest code a puzzle and guard nothing: what a session may do is
decided by `isolation`. Does not cover `multiprocessing` (`semaphores`) or IPython's own ways to a shell (`shell`).
"""

from __future__ import annotations

import _thread
import ctypes.util
import grp
import os
import pwd
import re
import signal
import subprocess
import sys
from typing import Any, NoReturn

from sandbox.inside import semaphores

NO_SUBPROCESS = "the sandbox runs no shell commands and no other programs"
USER = "kernel"

_STARTING = ("system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve")
# Signals that do nothing unless they are handled.
_HARMLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)

_getpwuid, _getpwnam, _getgrgid = pwd.getpwuid, pwd.getpwnam, grp.getgrgid
_kill = os.kill


def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Stand for whatever starts a program. Raises PermissionError."""
    raise PermissionError(NO_SUBPROCESS)


def install() -> None:
    """Put the stand-ins in their places, once, before sessions are forked."""
    semaphores.install()
    for name in _STARTING:
        setattr(os, name, refuse)
    subprocess._fork_exec = refuse  # type: ignore[attr-defined]
    pwd.getpwuid, pwd.getpwnam, grp.getgrgid = getpwuid, getpwnam, getgrgid  # type: ignore[assignment]
    os.kill, signal.raise_signal = kill, raise_signal
    ctypes.util._findSoname_ldconfig = find_library  # type: ignore[attr-defined]


def begin(home: str) -> None:
    """Give the session that works below `home` the arguments and the environment of a stock kernel."""
    sys.argv[:] = ["ipykernel_launcher.py", "-f", os.path.join(home, "kernel.json")]
    cache = os.path.join(home, "tmp", "cache")
    # Caches belong to nobody's solution: its work folder shows what it wrote and no more.
    os.environ.update(
        USER=USER, LOGNAME=USER, MPLCONFIGDIR=cache, XDG_CACHE_HOME=cache, XDG_CONFIG_HOME=cache
    )


def getpwuid(uid: int) -> pwd.struct_passwd:
    """Return who `uid` is; the session's own id is known without the host's list. Raises KeyError."""
    try:
        return _getpwuid(uid)
    except KeyError:
        if uid != os.getuid():
            raise
        return _myself()


def getpwnam(name: str) -> pwd.struct_passwd:
    """Return who `name` is; the session's own name is known. Raises KeyError."""
    try:
        return _getpwnam(name)
    except KeyError:
        if name != USER:
            raise
        return _myself()


def getgrgid(gid: int) -> grp.struct_group:
    """Return what group `gid` is; the session's own is known. Raises KeyError."""
    try:
        return _getgrgid(gid)
    except KeyError:
        if gid != os.getgid():
            raise
        return grp.struct_group((USER, "x", gid, [USER]))


def _myself() -> pwd.struct_passwd:
    home = os.environ.get("HOME", "/")
    return pwd.struct_passwd((USER, "x", os.getuid(), os.getgid(), "", home, "/bin/sh"))


def kill(pid: int, number: int) -> None:
    """Send a signal: to oneself without the kernel, which the filter forbids; to others as ever. Raises OSError."""
    if pid == os.getpid() and number:
        raise_signal(number)
    elif pid != os.getpid():
        _kill(pid, number)


def raise_signal(number: int) -> None:
    """Have a signal arrive in this process: its handler runs, or the process ends where that is what it does."""
    handler = signal.getsignal(number)
    if callable(handler):
        _thread.interrupt_main(number)  # type: ignore[arg-type]  # real-time signals have no name
    elif handler is not signal.SIG_IGN and number not in _HARMLESS:
        os._exit(128 + number)


def find_library(name: str) -> str | None:
    """Return the file name of shared library `name` by the linker's own cache, as `ldconfig -p` lists it."""
    # Names share their bytes with the ends of paths: /lib/libm.so.6 is for `m`, /lib/libmm.so.1 is not.
    pattern = rb"[\0/](lib%s\.so[^\0/]*)\0" % re.escape(name.encode())
    try:
        with open("/etc/ld.so.cache", "rb") as cache:
            found = re.findall(pattern, cache.read())
    except OSError:
        return None
    return max(found, key=len).decode() if found else None  # libz.so.1 before libz.so
