"""Put the zygote and its sessions behind the layers of a level. Anything required that fails, fails closed.

`strict`: own user, process, network, mount, IPC and host-name namespaces, a new read-only root with a bounded
work folder, no capabilities, resource limits, no_new_privs, seccomp; and, where the kernel has them, Landlock as
one more wall and supervised calls, without which forks are replays. `landlock`: for hosts that forbid user
namespaces (Docker's default profile, AppArmor on Ubuntu 24.04): Landlock and a narrower filter in the place of
the namespaces, and no disk quota of the kernel's. `none`: a separate process with resource limits, no protection.
Control groups are left to the host.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable

from sandbox.errors import IsolationError
from sandbox.isolation import landlock, rlimits, rootfs, seccomp, syscalls
from sandbox.limits import Level, Limits

# As root, sessions run under this otherwise unused id; as anyone else, under the caller's.
SANDBOX_ID = 200_000
# Processes and threads of a session and all its forks, which the kernel counts as one.
FAMILY_TASKS = 4096
SESSION_ID = 1000
_OF_PROCESS = (
    *(
        "cmdline",
        "comm",
        "environ",
        "fd",
        "fdinfo",
        "io",
        "limits",
        "maps",
        "oom_score",
        "schedstat",
        "smaps",
    ),
    *("smaps_rollup", "stat", "statm", "status"),
)
_NAMESPACES = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
USERNS_FIX = (
    "user namespaces are refused here. Allow them (sysctl user.max_user_namespaces=15000; on Ubuntu 24.04 "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0; in Docker --security-opt seccomp=unconfined "
    "--security-opt systempaths=unconfined), or choose level='landlock'"
)
LANDLOCK_FIX = "Landlock is missing: use Linux 5.13 or newer with `landlock` in the kernel's lsm= list"
SECCOMP_FIX = "system call filters are missing: use Linux 5.0 or newer on x86_64 or aarch64"


def enter_zygote(level: Level, imports: list[str]) -> list[str]:
    """Isolate the zygote, before it loads anything large. Under `strict` it continues as process 1 of its own
    world.

    Returns:
        the paths sessions may read.

    Raises:
        IsolationError: a layer the level requires is refused.
    """
    paths = rootfs.readable_paths(imports)
    if level != "strict":
        return paths
    try:
        root = os.geteuid() == 0
        if root:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            rootfs.build(paths)
            os.setgroups([])
            os.setresgid(SANDBOX_ID, SANDBOX_ID, SANDBOX_ID)
            os.setresuid(SANDBOX_ID, SANDBOX_ID, SANDBOX_ID)
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
        uid, gid = os.geteuid(), os.getegid()
        syscalls.unshare(_NAMESPACES)
        syscalls.map_ids(0, uid, gid)
        if not root:
            rootfs.build(paths)
        _become_init()
        rootfs.mount_proc()
    except OSError as error:
        raise IsolationError(f"{error}: {USERNS_FIX}") from error
    return paths


def _become_init() -> None:
    """Fork into the new process namespace; the outer half only waits, and takes the inner one with it."""
    child = os.fork()
    if child:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _pid, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with `parent`, whose child it is; the filter keeps it from undoing that."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def prepare(level: Level) -> None:
    """Do once, in the zygote, what all its sessions would have to do."""
    rlimits.address_space()
    if level != "none":
        with contextlib.suppress(OSError):  # sessions meet the same error, and report it
            for supervised in (False, True):
                seccomp.build(syscalls.ARCH, supervised=supervised, enclosed=level == "strict")


def enter_session(
    level: Level, limits: Limits, read: list[str], host_folder: str, zygote: int
) -> tuple[str, int]:
    """Isolate a freshly forked session of the process `zygote` for good.

    The caller hands that descriptor over and then calls `seal`.

    Returns:
        its work folder, and the descriptor on which its supervised calls are reported (-1 without
        supervision).

    Raises:
        IsolationError: a layer the level requires is refused.
    """
    os.setsid()
    os.nice(limits.nice)
    if level == "strict":
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            rootfs.mount_home(limits.disk_mb, limits.files)
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            syscalls.map_ids(SESSION_ID, 0, 0)
        except OSError as error:
            raise IsolationError(f"{error}: {USERNS_FIX}") from error
        folder = rootfs.WORK
    else:
        folder = os.path.join(host_folder, "work")
        if sys.platform == "linux":  # no process namespace ends the session with the zygote, so this must
            _die_with(zygote)
    os.chdir(folder)
    rlimits.confine(limits)
    if level == "none":
        return folder, -1
    listener = _confine(level, read, host_folder)
    if level == "strict":  # elsewhere the kernel would count all that the user runs
        # A supervisor counts each session's threads.
        rlimits.bound_tasks(FAMILY_TASKS if listener >= 0 else limits.threads + 1)
    return folder, listener


def seal(level: Level, limits: Limits) -> None:
    """Take from a session what it needed to hand its listener over: the last of its layers.

    Raises:
        IsolationError: it was refused.
    """
    if level != "none":
        try:
            seccomp.install(seccomp.seal(syscalls.ARCH), listener=False)
        except OSError as error:
            raise IsolationError(f"{error}: {SECCOMP_FIX}") from error
    rlimits.bound_descriptors(limits)


def _confine(level: Level, read: list[str], host_folder: str) -> int:
    """Give up what is left but the filter, then install that; return its listener, -1 without one."""
    enclosed = level == "strict"
    try:
        syscalls.drop_capabilities(bounding=True)
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        raise IsolationError(f"{error}: capabilities cannot be given up") from error
    devices = ["/dev/null", "/dev/zero", "/dev/full"]
    if enclosed:
        # Writing below /proc is what a forked session's id maps need; it is shown its own process there, no other.
        write = [rootfs.HOMES, "/proc", *devices]
    else:
        write = [*(os.path.join(host_folder, name) for name in ("work", "tmp")), *devices]
        read = [*read, *_own_process()]
    try:
        landlock.restrict([*read, "/dev/urandom", "/dev/random"], write)
    except OSError as error:
        # The namespaces and the read-only root stand without it.
        if not (enclosed and error.errno in landlock.MISSING):
            raise IsolationError(f"{error}: {LANDLOCK_FIX}") from error
    return _install_filter(enclosed)


def _own_process() -> Iterable[str]:
    """Return what a session sees of its own process in the host's /proc: not the host's network, mounts or groups."""
    pid = os.getpid()
    for folder in (f"/proc/{pid}", f"/proc/{pid}/task/{pid}"):
        yield from (f"{folder}/{name}" for name in _OF_PROCESS)


def _install_filter(enclosed: bool) -> int:
    """Filter the calling process, supervised where a supervisor can be had."""
    for supervised in (True, False):
        program = seccomp.build(syscalls.ARCH, supervised=supervised, enclosed=enclosed)
        try:
            return seccomp.install(program, listener=supervised)
        except OSError as error:
            if not (supervised and error.errno in seccomp.NO_LISTENER):
                raise IsolationError(f"{error}: {SECCOMP_FIX}") from error
    raise AssertionError("the last attempt returns or raises")
