"""Put the zygote and its sessions behind the layers of a level. Anything required that fails, fails closed.

`strict`: own user, process, network, mount, IPC and host-name namespaces, a new read-only root with a bounded
work folder, no capabilities, resource limits, no_new_privs, Landlock, seccomp. `landlock`: for hosts that
forbid user namespaces (Docker's default profile, AppArmor on Ubuntu 24.04): the same without namespaces and
without a disk quota. `none`: a separate process with resource limits, no protection. Control groups are left
to the host.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys

from sandbox.errors import IsolationError
from sandbox.isolation import landlock, rootfs, seccomp, syscalls
from sandbox.limits import Level, Limits

# As root, sessions run under this otherwise unused id; as anyone else, under the caller's.
SANDBOX_ID = 200_000
# Address space on top of a session's limit, for saying that the limit was met.
RESERVE_BYTES = 64 * 2**20
SESSION_ID = 1000
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


def prepare(level: Level) -> None:
    """Do once, in the zygote, what all its sessions would have to do."""
    address_space()
    if level != "none":
        with contextlib.suppress(OSError):  # sessions meet the same error, and report it
            seccomp.build(syscalls.ARCH, supervised=level == "strict")


def enter_session(level: Level, limits: Limits, read: list[str], host_folder: str) -> tuple[str, int]:
    """Isolate a freshly forked session for good.

    Returns:
        its work folder, and the descriptor on which its supervised calls are reported (-1 without
        supervision).

    Raises:
        IsolationError: a layer the level requires is refused.
    """
    os.setsid()
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
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(folder)
    set_rlimits(limits, own_user=level == "strict")
    if level == "none":
        return folder, -1
    return folder, _confine(level, read, host_folder)


@functools.cache
def address_space() -> int:
    """Return the bytes of address space this process, or the one it was forked from, has at first asking."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def set_rlimits(limits: Limits, *, own_user: bool) -> None:
    """Set the resource limits of the calling process, for good.

    Threads are bounded by number only with `own_user`: elsewhere the kernel would count all the user's. Memory
    bounds them too, by their stacks.
    """
    memory = address_space() + limits.memory_mb * 2**20
    disk = limits.disk_mb * 2**20
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory + RESERVE_BYTES),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 5),
        (resource.RLIMIT_FSIZE, disk, disk),
        (resource.RLIMIT_NOFILE, limits.descriptors, limits.descriptors),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_STACK, 8 * 2**20, 8 * 2**20),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    if own_user:
        resource.setrlimit(resource.RLIMIT_NPROC, (limits.threads + 1, limits.threads + 1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing past the quota is an error, not a death


def _confine(level: Level, read: list[str], host_folder: str) -> int:
    try:
        syscalls.drop_capabilities(bounding=True)
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        raise IsolationError(f"{error}: capabilities cannot be given up") from error
    write = [rootfs.HOMES] if level == "strict" else [os.path.join(host_folder, n) for n in ("work", "tmp")]
    own = "/proc" if level == "strict" else f"/proc/{os.getpid()}"
    try:
        # Writing below /proc is what a forked session's id maps need; it is shown its own process there, no
        # other.
        landlock.restrict(
            [*read, "/dev/urandom", "/dev/random"], [*write, own, "/dev/null", "/dev/zero", "/dev/full"]
        )
    except OSError as error:
        raise IsolationError(f"{error}: {LANDLOCK_FIX}") from error
    supervised = level == "strict"
    try:
        return seccomp.install(seccomp.build(syscalls.ARCH, supervised=supervised), listener=supervised)
    except OSError as error:
        raise IsolationError(f"{error}: {SECCOMP_FIX}") from error
