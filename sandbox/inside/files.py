"""Copy a session's files into the work folder of its fork: every kind, mode, link, hole and depth.

Folders are entered one at a time by descriptor and left by "..", since a path or a row of open folders would be too
long for a deep tree. The caller holds the capabilities of its own user namespace, which open files of mode 0. Does not
cover which folders are copied (`fork`).
"""

from __future__ import annotations

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_CHUNK = 2**24


def copy_tree(source: int, target: int) -> None:
    """Copy all that the folder behind descriptor `source` holds into the one behind `target`.

    Raises:
        OSError: something could not be read or made.
    """
    copy = _Copy(os.dup(source), os.dup(target), target)
    try:
        copy.run()
    finally:
        os.close(copy.source)
        os.close(copy.target)


class _Copy:
    """A walk through a tree: where it stands, and what it has still to do on the way back up."""

    def __init__(self, source: int, target: int, root: int) -> None:
        self.source = source
        self.target = target
        self._root = root
        self._path: list[str] = []
        self._statuses: list[os.stat_result] = []
        self._linked: dict[int, str] = {}  # inode -> path of its first copy

    def run(self) -> None:
        to_do = [self._entries()]
        while True:
            if to_do[-1]:
                self._down(*to_do[-1].pop())
                to_do.append(self._entries())
            elif len(to_do) > 1:
                to_do.pop()
                self._up()
            else:
                return

    def _entries(self) -> list[tuple[str, os.stat_result]]:
        """Copy what stands in this folder, and return the folders in it."""
        folders = []
        with os.scandir(self.source) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append((entry.name, status))
                else:
                    self._copy(entry.name, status)
        return folders

    def _down(self, name: str, status: os.stat_result) -> None:
        os.mkdir(name, 0o700, dir_fd=self.target)
        self._enter(name)
        self._path.append(name)
        self._statuses.append(status)

    def _up(self) -> None:
        status = self._statuses.pop()
        os.fchmod(self.target, stat.S_IMODE(status.st_mode))
        os.utime(self.target, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._enter("..")
        self._path.pop()

    def _enter(self, name: str) -> None:
        for side in ("source", "target"):
            old = getattr(self, side)
            setattr(self, side, os.open(name, _FOLDER, dir_fd=old))
            os.close(old)

    def _copy(self, name: str, status: os.stat_result) -> None:
        """Copy what is no folder."""
        first = self._linked.get(status.st_ino)
        if first is not None:
            os.link(first, name, src_dir_fd=self._root, dst_dir_fd=self.target, follow_symlinks=False)
            return
        if status.st_nlink > 1:
            self._linked[status.st_ino] = "/".join([*self._path, name])
        if stat.S_ISREG(status.st_mode):
            self._copy_file(name, status)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=self.source), name, dir_fd=self.target)
        else:  # a pipe, or the name of a socket
            os.mknod(name, status.st_mode, dir_fd=self.target)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=self.target)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=self.target, follow_symlinks=False)

    def _copy_file(self, name: str, status: os.stat_result) -> None:
        """Copy the data of a file, and leave holes where it has holes."""
        reader = os.open(name, _READ, dir_fd=self.source)
        writer = os.open(name, _CREATE, 0o600, dir_fd=self.target)
        try:
            os.ftruncate(writer, status.st_size)
            end = 0
            while (start := _next_data(reader, end)) is not None:
                end = os.lseek(reader, start, os.SEEK_HOLE)
                os.lseek(writer, start, os.SEEK_SET)
                while start < end:
                    start += os.sendfile(writer, reader, start, min(end - start, _CHUNK))
            os.fchmod(writer, stat.S_IMODE(status.st_mode))
        finally:
            os.close(reader)
            os.close(writer)


def _next_data(reader: int, offset: int) -> int | None:
    """Return where the next data at or after `offset` begin, or None when there are none."""
    try:
        return os.lseek(reader, offset, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole, or nothing, up to the end
        return None
