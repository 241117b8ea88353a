"""Work folders on the host, for sessions whose level gives them no file system of their own.

    TMPDIR/scdpo-XXXXXXXX/      one sandbox's
        lock                    held locked while its owner lives: without, the next sandbox removes the folder
        1/work, 1/tmp           session 1's

What a session left in one is hostile: however deep, whatever its modes, wherever its links lead. Does not cover
quotas (`watch`).
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "scdpo-"
PARTS = ("work", "tmp")
# A folder this young may not have got its lock yet.
NEW_SECONDS = 60.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = stat.S_IRWXU


class Home:
    """The folder of one sandbox, for the work folders of its sessions."""

    def __init__(self) -> None:
        """Make the folder in TMPDIR and lock it for as long as this process lives."""
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        self._lock = os.open(os.path.join(self.path, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def make(self, session: int) -> str:
        """Make the folder of a session, with `work` and `tmp` in it, and return its path."""
        folder = os.path.join(self.path, str(session))
        for name in ("", *PARTS):
            os.mkdir(os.path.join(folder, name), 0o700)
        return folder

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        remove(self.path)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the lock and leave the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def parts(folder: str | None) -> tuple[str, ...]:
    """Return where the two folders that are a session's own really are; none without a folder on the host."""
    return tuple(os.path.join(os.path.realpath(folder), name) for name in PARTS) if folder else ()


def sweep() -> None:
    """Remove the folders in TMPDIR of sandboxes whose owners have died."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if _is_left_over(path):
                remove(str(path))
        except OSError:  # another user's, or removed by its own sandbox meanwhile
            continue


def _is_left_over(path: Path) -> bool:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - found.st_mtime > NEW_SECONDS
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def remove(folder: str) -> None:
    """Remove `folder` and all it holds; what resists is logged and left to the next `sweep`."""
    try:
        for fd, name, found in walk(folder, leave=lambda fd, name: os.rmdir(name, dir_fd=fd)):
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=fd)
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s could not be removed (%s); a later sandbox will try again", folder, error)


def walk(
    top: str, *, most: int | None = None, leave: Callable[[int, str], None] | None = None
) -> Iterator[tuple[int, str, os.stat_result]]:
    """Yield all that is below `top`: a descriptor of the folder it is in, its name, and what `lstat` says.

    Needs two descriptors however deep the folders are, follows no link, and gives its owner the permissions on each
    folder that walking takes. No more than `most` names of a folder are looked at. `leave(descriptor, name)` is
    called for each folder when all that was in it has been yielded.

    Raises:
        OSError: a folder could not be entered, or was moved by somebody meanwhile.
    """
    fd = _enter(top, None)
    above: list[tuple[str, tuple[int, int], list[str]]] = []
    try:
        left = _names(fd, most)
        while left or above:
            if left:
                name = left.pop()
                try:
                    found = os.lstat(name, dir_fd=fd)
                except FileNotFoundError:
                    continue
                yield fd, name, found
                if stat.S_ISDIR(found.st_mode):
                    try:
                        below = _enter(name, fd)
                    except FileNotFoundError:
                        continue
                    above.append((name, _identity(fd), left))
                    fd = _move(fd, below)
                    left = _names(fd, most)
            else:
                name, identity, left = above.pop()
                fd = _move(fd, os.open("..", _FOLDER, dir_fd=fd))
                if _identity(fd) != identity:
                    raise OSError(f"{name!r} was moved while its folder was looked at")
                if leave:
                    leave(fd, name)
    finally:
        os.close(fd)


def _move(old: int, new: int) -> int:
    os.close(old)
    return new


def _names(fd: int, most: int | None) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in itertools.islice(entries, most)]


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _enter(name: str, above: int | None) -> int:
    """Open a folder, giving its owner all permissions on it first where they are missing."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            os.chmod(f"/proc/self/fd/{handle}", _OWNER)  # by descriptor: no link can have taken its place
            fd = os.open(".", _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
    if os.fstat(fd).st_mode & _OWNER != _OWNER and os.geteuid() != 0:
        os.fchmod(fd, _OWNER)
    return fd
