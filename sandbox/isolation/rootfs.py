"""The file system a session sees: the interpreter and its libraries read-only, five devices, its own work
folder.

Does not cover access rules inside it (`landlock`) or namespaces (`isolation`).
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from collections.abc import Iterable

from sandbox.isolation import syscalls

# The work folder's mount point. Its parent carries the Landlock rule: a rule on a directory also covers
# whatever is mounted below it later, which is what lets a forked session get a folder of its own.
HOMES = "/home"
HOME = f"{HOMES}/kernel"
WORK = f"{HOME}/work"
TMP = f"{HOME}/tmp"

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_FILES = ("/etc/ld.so.cache", "/etc/localtime")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_STAGING = ("/mnt", "/media", "/srv", "/opt", "/run", "/tmp")


def import_folders() -> list[str]:
    """Return the folders of sys.path that hold installed packages: not the caller's own source tree."""
    prefixes = (sys.base_prefix + os.sep, sys.prefix + os.sep)
    found = []
    for entry in sys.path:
        installed = os.path.basename(entry) in ("site-packages", "dist-packages")
        if entry and os.path.exists(entry) and (installed or entry.startswith(prefixes)):
            found.append(entry)
    return found


def readable_paths(imports: Iterable[str]) -> list[str]:
    """Return the host paths a session can read: shared libraries, the standard library, `imports`, this
    package.
    """
    config = sysconfig.get_paths()
    library = sysconfig.get_config_var("LIBDIR") or ""
    wanted = [*_LIBRARIES, *_FILES, config["stdlib"], config["platstdlib"], *imports]
    if library.startswith(sys.base_prefix) and sys.base_prefix not in ("/", "/usr"):
        wanted.append(library)
    wanted.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths: list[str] = []
    for path in sorted({os.path.normpath(p) for p in wanted if p and os.path.lexists(p)}):
        real = os.path.realpath(path)
        for candidate in dict.fromkeys((path, real)):
            if not any(
                candidate == p or candidate.startswith(p + os.sep) for p in paths if not os.path.islink(p)
            ):
                paths.append(candidate)
    return paths


def build(paths: Iterable[str]) -> None:
    """Put together the new root from host `paths` and enter it. The caller owns its mount namespace.

    Raises:
        OSError: a mount was refused.
    """
    paths = list(paths)
    root = _staging(paths)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("sandbox", root, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=4m,mode=755")
    for path in paths:
        _bind(path, root + path)
    for device in _DEVICES:
        _bind(f"/dev/{device}", f"{root}/dev/{device}", device=True)
    os.makedirs(root + HOME)
    os.makedirs(root + "/proc")
    if not os.path.isdir(root + "/tmp"):
        os.symlink(TMP, root + "/tmp")
    # Else packages lie below /tmp: it is theirs, read-only, and temporary files go where TMPDIR says.
    # A new /proc can only be mounted where the old one can still be seen; `mount_proc` covers it.
    syscalls.mount("/proc", root + "/proc", "", syscalls.MS_BIND | syscalls.MS_REC)
    _hide_names(root)
    syscalls.pivot_root(root)


def mount_proc() -> None:
    """Cover /proc with one that shows a process itself alone. Needs a new process namespace."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags, "hidepid=2,subset=pid")
    syscalls.mount_read_only("/", recursive=False)


def mount_home(disk_mb: int, files: int) -> None:
    """Mount an empty, bounded work folder (MiB; files and folders) over HOME in the current namespace."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    data = f"size={disk_mb}m,nr_inodes={files},mode=0755"
    syscalls.mount("work", HOME, "tmpfs", flags, data)
    os.mkdir(WORK, 0o700)
    os.mkdir(TMP, 0o700)
    os.chmod(HOME, 0o555)


def _staging(paths: list[str]) -> str:
    for folder in _STAGING:
        if os.path.isdir(folder) and not any(p.startswith(folder + os.sep) for p in paths):
            return folder
    raise OSError(2, f"none of {', '.join(_STAGING)} can hold the new root")


def _hide_names(root: str) -> None:
    """Let nobody list the folders that only lead to what is mounted: their names are the host's."""
    device = os.lstat(root).st_dev
    for path, folders, _files in os.walk(root):
        folders[:] = [name for name in folders if os.lstat(os.path.join(path, name)).st_dev == device]
        os.chmod(path, 0o111)


def _bind(source: str, target: str, *, device: bool = False) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(source):
        if not os.path.lexists(target):
            os.symlink(os.readlink(source), target)
        return
    if stat.S_ISDIR(os.stat(source).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    syscalls.mount(source, target, "", syscalls.MS_BIND | syscalls.MS_REC)
    # A device is written to all the same; its times and mode are not changed.
    syscalls.mount_read_only(target, recursive=not device, devices=device)
