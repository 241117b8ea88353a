"""Run a command as if on another host: one that forbids user namespaces, has no Landlock, or refuses a listener.

python tests/sandbox/as_host.py no_landlock,no_listener COMMAND ...
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from sandbox.isolation import seccomp, syscalls

NEWUSER, NEW_LISTENER = 0x10000000, 8
LD, JEQ, JSET, RET = 0x20, 0x15, 0x45, 0x06
ALLOW = (RET, 0, 0, 0x7FFF0000)


def refuse(number: int) -> tuple[int, int, int, int]:
    return (RET, 0, 0, 0x00050000 | number)


# On call `name`, a bit of argument `index` (or any) decides, and `error` is what comes back.
LACKS = {
    "no_namespaces": ("unshare", 0, NEWUSER, errno.EPERM),
    "no_landlock": ("landlock_create_ruleset", None, 0, errno.ENOSYS),
    "no_listener": ("seccomp", 1, NEW_LISTENER, errno.EBUSY),
    "no_mount_setattr": ("mount_setattr", None, 0, errno.ENOSYS),
}


def lack(name: str) -> None:
    """Take something away from this process and all it starts."""
    call, index, bit, error = LACKS[name]
    rule = [refuse(error)]
    if index is not None:
        rule = [(LD, 0, 0, 16 + 8 * index), (JSET, 0, 1, bit), *rule, ALLOW]
    code = [(LD, 0, 0, 0), (JEQ, 0, len(rule), syscalls.NR[call]), *rule, ALLOW]
    seccomp.install(b"".join(struct.pack("HBBI", *each) for each in code), listener=False)


if __name__ == "__main__":
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    for each in sys.argv[1].split(","):
        lack(each)
    os.execv(sys.argv[2], sys.argv[2:])
