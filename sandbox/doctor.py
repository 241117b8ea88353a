"""Find out which isolation layers this machine gives, by trying each one in a process of its own.

`probe()` is what `scdpo doctor` prints. Versions are never compared: a layer works when it worked. Does not
cover control groups, which the sandbox leaves to whoever runs the machine.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from sandbox.errors import IsolationError
from sandbox.isolation import landlock, levels, rlimits, rootfs, seccomp, syscalls
from sandbox.isolation.levels import LANDLOCK_FIX, SECCOMP_FIX, USERNS_FIX
from sandbox.limits import Limits

PROBE_SECONDS = 60
Need = Literal["strict", "landlock", "landlock only", "forks"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as it was found.

    Attributes:
        name: what was tried.
        works: whether it worked.
        needed_for: the weakest level that cannot do without it (`landlock`: neither can `strict`); `landlock only`
            where `strict` can; `forks` where sessions of `strict` are forked by replaying without it.
        detail: what was seen: a version, or the error.
        fix: what to do about it; "" when it works.
    """

    name: str
    works: bool
    needed_for: Need
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    needed_for: Need
    attempt: Callable[[], str]
    fix: str


def probe() -> list[Layer]:
    """Try every layer and return what was found, most basic first.

    Raises:
        IsolationError: the probes could not be run at all.
    """
    if sys.platform != "linux":
        return [
            Layer(
                "linux", False, "landlock", platform.system(), "isolation needs Linux; see docs/security.md"
            )
        ]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = f"import sys; sys.path.append({root!r}); from sandbox.doctor import report; report()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
            cwd="/",
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise IsolationError(f"the isolation probes could not be run: {error}") from error
    return [Layer(**layer) for layer in json.loads(done.stdout)]


def best_level(layers: list[Layer]) -> Literal["strict", "landlock"] | None:
    """Return the strictest level `layers` allow, or None when there is none but `none`."""
    missing = {layer.needed_for for layer in layers if not layer.works}
    if "landlock" in missing or missing >= {"strict", "landlock only"}:
        return None
    return "landlock" if "strict" in missing else "strict"


def report() -> None:
    """Print the layers as JSON: the half of `probe` that runs in a process of its own."""
    layers = []
    for each in _PROBES:
        works, detail = _in_child(each.attempt)
        layers.append(asdict(Layer(each.name, works, each.needed_for, detail, "" if works else each.fix)))
    print(json.dumps(layers))


def _in_child(attempt: Callable[[], str]) -> tuple[bool, str]:
    """Run `attempt` in a forked process; return whether it got through, and what it said."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code, text = 1, ""
        try:
            os.close(reader)
            text = attempt()
            code = 0
        except (OSError, IsolationError) as error:
            text = str(error)
        finally:
            os.write(writer, text.encode()[:1000])
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        detail = stream.read().decode()
    _pid, status = os.waitpid(pid, 0)
    return status == 0, detail


def _user_namespace() -> str:
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    syscalls.map_ids(0, uid, gid)
    return "own user ids"


def _all_namespaces() -> str:
    levels.enter_zygote("strict", rootfs.import_folders())
    return "user, process, network, mount, IPC and host name; a new root"


def _work_folder() -> str:
    levels.enter_zygote("strict", rootfs.import_folders())
    syscalls.unshare(syscalls.CLONE_NEWNS)
    rootfs.mount_home(1, 16)
    try:
        for i in range(64):
            open(f"{rootfs.WORK}/{i}", "w", encoding="ascii").close()
    except OSError as error:
        return f"bounded: {error.strerror}"
    raise OSError(0, "the bound on files did not hold")


def _rlimits() -> str:
    rlimits.confine(Limits(memory_mb=64))
    try:
        bytearray(2**28)
    except MemoryError:
        return "memory, processor time, files, threads"
    raise OSError(0, "the bound on memory did not hold")


def _no_new_privileges() -> str:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    return "set"


def _landlock() -> str:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(["/usr"], [])
    try:
        os.listdir("/etc")
    except PermissionError:
        return f"version {landlock.abi()}"
    raise OSError(0, "a denied folder could be read")


def _seccomp(supervised: bool) -> str:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    program = seccomp.build(syscalls.ARCH, supervised=supervised, enclosed=supervised)
    seccomp.install(program, listener=supervised)
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return f"{len(program) // 8} instructions for {syscalls.ARCH}"
    raise OSError(0, "a denied call went through")


_PROBES = (
    _Probe("resource limits", "landlock", _rlimits, "raise the hard limits of this process (ulimit -H)"),
    _Probe("no new privileges", "landlock", _no_new_privileges, "use Linux 3.5 or newer"),
    _Probe("system call filter", "landlock", lambda: _seccomp(False), SECCOMP_FIX),
    _Probe("Landlock", "landlock only", _landlock, LANDLOCK_FIX),
    _Probe("user namespace", "strict", _user_namespace, USERNS_FIX),
    _Probe("all namespaces and a new root", "strict", _all_namespaces, USERNS_FIX),
    _Probe("bounded work folder", "strict", _work_folder, USERNS_FIX),
    _Probe(
        "supervised system calls",
        "forks",
        lambda: _seccomp(True),
        "use Linux 5.5 or newer, and run outside a container whose runtime supervises system calls itself",
    ),
)
