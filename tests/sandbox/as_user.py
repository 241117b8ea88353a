"""Run a command as an ordinary user, for tests that are run as root: `python as_user.py UID COMMAND...`.

The interpreter may lie below a home folder only root can enter; a private mount namespace makes the way to it open.
"""

from __future__ import annotations

import os
import sys

from sandbox.isolation import syscalls


def become(uid: int) -> None:
    """Drop from root to `uid`, still able to reach this interpreter."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    top = "/" + os.path.realpath(sys.base_prefix).split(os.sep)[1]
    if not os.stat(top).st_mode & 0o001:
        kept = os.open(sys.base_prefix, os.O_PATH | os.O_DIRECTORY)
        syscalls.mount("open", top, "tmpfs", 0, "mode=755")
        os.makedirs(sys.base_prefix)
        syscalls.mount(f"/proc/self/fd/{kept}", sys.base_prefix, "", syscalls.MS_BIND | syscalls.MS_REC)
        os.close(kept)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.environ["HOME"] = "/nonexistent"


if __name__ == "__main__":
    become(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
