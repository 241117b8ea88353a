"""Attacks whose effect is looked for on the host, outside the session that makes them.

Each takes a level and a folder of its own, and says what got through, or nothing. The cells try every way that is
known; what they see of it does not count. Does not cover what results alone show: see `cells`.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sandbox import siege
from sandbox.limits import CellResult, Limits
from sandbox.session import Sandbox

Besieged = Literal["strict", "landlock"]
Attack = Callable[[Besieged, Path], str | None]
LIMITS = Limits(cell_seconds=8.0, memory_mb=512, disk_mb=8, files=400)
# A file that every session can read and that belongs to whoever installed this package.
READABLE = str(Path(siege.__file__))
SECONDS_TO_END = 10.0

# Try every call of a list; an attack looks at what came of it, not at what they returned.
TRY = """
import ctypes, fcntl, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(f, *args, **named):
    try:
        return f(*args, **named)
    except BaseException as error:
        return error
"""


def attributes(level: Besieged, folder: Path) -> str | None:
    """Change mode, owner, times, length or extended attributes of the host's files."""
    target, below = folder / "secret", folder / "below"
    target.write_text("secret")
    target.chmod(0o600)
    below.mkdir(mode=0o700)
    paths = [str(target), str(below), READABLE, "/dev/null"]
    before = [_attributes(path) for path in paths]
    cell = f"""{TRY}
for p in {paths}:
    for mode in (0o777, 0o6755):
        for change in (os.chmod, os.lchmod if hasattr(os, 'lchmod') else os.chmod):
            attempt(change, p, mode)
        attempt(os.chmod, os.path.basename(p), mode, dir_fd=attempt(os.open, os.path.dirname(p), os.O_PATH))
        libc.syscall(452, -100, p.encode(), mode, 0x100)
    attempt(os.chown, p, 1, 1); attempt(os.lchown, p, os.getuid(), -1)
    attempt(os.utime, p, (1, 1)); attempt(os.utime, p, (1, 1), follow_symlinks=False)
    attempt(os.truncate, p, 0); attempt(os.setxattr, p, 'user.x', b'1'); attempt(os.removexattr, p, 'user.x')
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY, os.O_PATH):
        fd = attempt(os.open, p, flags)
        if isinstance(fd, int):
            for mode in (0o777, 0o6755):
                attempt(os.fchmod, fd, mode); attempt(os.chmod, f'/proc/self/fd/{{fd}}', mode)
            attempt(os.fchown, fd, 1, 1); attempt(os.utime, fd, (1, 1)); attempt(os.ftruncate, fd, 0)
            attempt(os.setxattr, fd, 'user.x', b'1')
            for call in (1036, 1038):
                hints.append(attempt(fcntl.fcntl, fd, call, bytes([2] + [0] * 7)))
    attempt(os.link, p, 'stolen'); attempt(os.rename, p, 'moved'); attempt(os.unlink, p)
    attempt(os.chmod, 'stolen', 0o777)
"""
    result = _run(level, f"hints = []\n{cell}\nany(isinstance(hint, bytes) for hint in hints)")
    if result.output != "False":
        return f"a hint on writing was left with a host's file: {result.output}"
    changed = [path for path, was in zip(paths, before, strict=True) if _attributes(path) != was]
    return f"changed: {', '.join(changed)}" if changed else None


def _attributes(path: str) -> tuple[int | float | list[str], ...]:
    found = os.lstat(path)
    names = os.listxattr(path)
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime, found.st_size, found.st_nlink, names


def unix_sockets(level: Besieged, folder: Path) -> str | None:
    """Say something to a Unix socket of the host's."""
    paths = {kind: str(folder / f"socket{kind:d}") for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)}
    with contextlib.ExitStack() as stack:
        ours = {kind: stack.enter_context(socket.socket(socket.AF_UNIX, kind)) for kind in paths}
        for kind, sock in ours.items():
            sock.bind(paths[kind])
            sock.settimeout(0.2)
        ours[socket.SOCK_STREAM].listen()
        cell = f"""{TRY}
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
    for flag in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC):
        pair = attempt(socket.socketpair, socket.AF_UNIX, kind | flag)
        ends = list(pair) if isinstance(pair, tuple) else []
        alone = attempt(socket.socket, socket.AF_UNIX, kind | flag)
        for s in ends + ([alone] if isinstance(alone, socket.socket) else []):
            for p in {list(paths.values())}:
                attempt(s.bind, f'own{{kind}}{{flag}}')
                attempt(s.sendto, b'x', p); attempt(s.sendmsg, [b'x'], [], 0, p)
                attempt(s.connect, p); attempt(s.send, b'x')
"""
        _run(level, cell)
        with contextlib.suppress(TimeoutError):
            return f"a datagram arrived: {ours[socket.SOCK_DGRAM].recv(9)!r}"
        with contextlib.suppress(TimeoutError):
            return f"a connection arrived: {ours[socket.SOCK_STREAM].accept()!r}"
    return None


def locks(level: Besieged, folder: Path) -> str | None:
    """Make the host wait for a file that a session can read: by a lease or by a lock."""
    cell = f"""{TRY}
held = []
for flags in (os.O_RDONLY, os.O_PATH):
    fd = attempt(os.open, {READABLE!r}, flags)
    if isinstance(fd, int):
        held.append(fd)
        for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
            attempt(fcntl.fcntl, fd, 1024, kind)
        attempt(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        attempt(fcntl.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
"""
    with Sandbox(LIMITS, level=level, warm=0) as box, box.session() as session:
        session.run(cell)
        try:
            fd = os.open(READABLE, os.O_RDWR | os.O_NONBLOCK)
        except BlockingIOError:
            return "a lease is held on a library's file"
        except OSError:  # installed by somebody else: there is nothing to write for this user
            fd = os.open(READABLE, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "a lock is held on a library's file"
        finally:
            os.close(fd)
    return None


def set_id_files(level: Besieged, folder: Path) -> str | None:
    """Leave a file on the host that runs as its owner for whoever starts it."""
    cell = f"""{TRY}
def make(name):
    fd = attempt(os.open, name, os.O_CREAT | os.O_WRONLY, 0o6755)
    if not isinstance(fd, int):
        fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o755)
    os.write(fd, b'#!/bin/sh\\n')
    for mode in (0o6755, 0o4755, 0o2755):
        attempt(os.fchmod, fd, mode); attempt(os.chmod, name, mode)
make('one')
attempt(os.mknod, 'two', 0o106755); attempt(os.mkfifo, 'three', 0o6755)
libc.syscall(85, b'four', 0o6755); libc.syscall(437, -100, b'five', (ctypes.c_uint64 * 3)(0o101, 0o6755, 0), 24)
for n in ('.', '..', os.path.dirname(os.path.dirname(os.getcwd()))):
    attempt(os.chmod, n, 0o755)
"""
    with _temporary(folder), Sandbox(LIMITS, level=level, warm=0) as box, box.session() as session:
        session.run(cell)
        for path in folder.rglob("*"):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                return f"{path} has mode {stat.filemode(mode)}"
            if path.parent == folder and mode & 0o077:
                return f"{path} is open to others: {stat.filemode(mode)}"
    return None


# Each keeps more than its 8 MiB or 400 files in a way of its own.
OVER_QUOTA = {
    "plain": "for i in range(40): open(f'f{i}', 'wb').write(bytes(2**20))",
    "deep": "for i in range(1500):\n    os.mkdir('a'); os.chdir('a')\n"
    "for i in range(40): open(f'f{i}', 'wb').write(bytes(2**20))",
    "unreadable": "os.mkdir('d', 0o300)\nfor i in range(40): open(f'd/f{i}', 'wb').write(bytes(2**20))",
    "locked": "os.mkdir('d'); os.umask(0o777)\nfds = [os.open(f'd/f{i}', os.O_CREAT | os.O_WRONLY) for i in range(40)]\n"
    "for fd in fds: os.write(fd, bytes(2**20))",
    "unlinked": "held = []\nfor i in range(40):\n    held.append(open('f', 'wb')); os.unlink('f')\n"
    "    held[-1].write(bytes(2**20)); held[-1].flush()",
    "mapped": "import mmap\nheld = []\nfor i in range(40):\n    with open('f', 'wb+') as f:\n        f.write(bytes(2**20)); f.flush()\n"
    "        held.append(mmap.mmap(f.fileno(), 4096)); os.unlink('f')",
    "on its way": "import socket\nends = socket.socketpair()\nfor i in range(40):\n    with open('f', 'wb') as f:\n"
    "        f.write(bytes(2**20)); f.flush(); os.unlink('f'); socket.send_fds(ends[0], [b'x'], [f.fileno()])",
    "in a table of its own": "import ctypes, threading, time\ndef hide():\n"
    "    ctypes.CDLL(None).syscall(436, 4000, 4001, 2)\n    held = []\n    for i in range(40):\n"
    "        held.append(open('f', 'wb')); os.unlink('f'); held[-1].write(bytes(2**20)); held[-1].flush()\n"
    "    time.sleep(9)\nthreading.Thread(target=hide, daemon=True).start()\ntime.sleep(1)",
    "temporary": "for i in range(40): open(os.environ['TMPDIR'] + f'/f{i}', 'wb').write(bytes(2**20))",
    "small": "for i in range(10**5): open(f'f{i}', 'w').close()",
}  # fmt: skip


def quota(level: Besieged, folder: Path) -> str | None:
    """Keep more on the disk than is allowed, however it is hidden; end the watch over the others with it."""
    with _temporary(folder), Sandbox(LIMITS, level=level, warm=0) as box:
        for name, code in OVER_QUOTA.items():
            with box.session() as session:
                results = [session.run(f"import os\n{code}"), session.run("import time\ntime.sleep(2)")]
                if not any("DiskLimit" in (r.error or "") or _no_space(r) or _refused(r) for r in results):
                    return f"{name}: {[(r.status, r.error) for r in results]}"
            left = [path for path in glob.glob(f"{folder}/scdpo-*/*") if not path.endswith("/lock")]
            if left:
                return f"{name}: left {left}"
    return None


def _refused(result: CellResult) -> bool:
    return "PermissionError" in (result.error or "")


def _no_space(result: CellResult) -> bool:
    """Whether the disk was full: for the cell, which then failed, or for a thread of its, whose error is printed."""
    said = (result.error or "") + result.output
    return any(text in said for text in ("No space left", "File too large", "Too many open files"))


OWNER = """
import sys
from sandbox import Limits, Sandbox
box = Sandbox(Limits(cell_seconds=600), level=sys.argv[1], warm=0)
session = box.session()
session.run("open('kept', 'w').write('x')")
import threading
threading.Thread(target=session.run, args=(sys.argv[2],), daemon=True).start()
import time
while session._core.pid < 0: time.sleep(.01)
time.sleep(.5)
print(session._core.pid, flush=True)
time.sleep(600)
"""
CLING = f"""{TRY}
import signal, time
for n in range(1, 32):
    attempt(signal.signal, n, signal.SIG_IGN)
libc.prctl(1, 0, 0, 0, 0); attempt(os.setsid)
while True: attempt(time.sleep, 1)
"""


def owner_killed(level: Besieged, folder: Path) -> str | None:
    """Outlive the process that owns the sandbox, or leave files behind."""
    for number in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, level, CLING],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        ) as owner:
            assert owner.stdout is not None
            pid = int(owner.stdout.readline())
            sessions = descendants(owner.pid)
            owner.send_signal(number)
        until = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < until and (left := [p for p in sessions if _runs(p)]):
            time.sleep(0.05)
        if left:
            return f"process {pid} lives on after {number.name} of its owner: {left}"
        while time.monotonic() < until and (files := glob.glob(f"{folder}/scdpo-*")):
            time.sleep(0.05)
        if files:
            return f"{files} are left after {number.name} of their owner"
    return None


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`."""
    below: dict[int, list[int]] = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = Path(path).read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            below.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
    found, left = [], [pid]
    while left:
        children = below.get(left.pop(), [])
        found += children
        left += children
    return found


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    return False


FORGED = """
import sys, json, struct
ex = sys.stdout._collector._send.__self__
body = {body}
ex.sock.sendall(struct.pack('!I', len(body)) + body)
"""
FORGED_BODIES = {
    "failure of another type": "json.dumps({'id': ex.request, 'done': {'failure': 5}}).encode()",
    "empty": "b'{}'",
    "no JSON": "b'\\xff' * 99",
    "infinity": "json.dumps({'id': ex.request, 'events': [['result', {}, {}, float('inf')]]}).encode()",
    "many objects": "b'{\"id\":%d,\"events\":[[\"display\",{\"a\":[' % ex.request + b'{},' * (5 * 2**20) + b'0]},{},{},false]]}'",
    "depth": "b'[' * 10**5",
}  # fmt: skip


def forged_replies(level: Besieged, folder: Path) -> str | None:
    """Have the owner take a forged reply for a true one, or fail over it."""
    with Sandbox(LIMITS, level=level, warm=0) as box, box.session() as neighbour:
        for name, body in FORGED_BODIES.items():
            with box.session() as forger:
                result = forger.run(FORGED.replace("{body}", body))
            if "broke the protocol" not in (result.error or ""):
                return f"{name}: {result.status} {result.error}"
            if neighbour.run("6 * 7").output != "42":
                return f"{name}: a neighbour suffered"
    return None


# What the kernel counts for a user as a whole, or as nobody's. Each ends by saying how much of it was had.
HOARDS = {
    "descriptors on their way": """
ends, n = socket.socketpair(), 0
while isinstance(attempt(socket.send_fds, ends[0], [b'x'], [0] * 100), int): n += 100
n""",
    "timers": """
n = 0
while n < 10**5 and not libc.timer_create(0, None, ctypes.byref(ctypes.c_int())): n += 1
n""",
    "watches of folders": """
n = 0
while libc.inotify_init() >= 0: n += 1
n""",
    "MiB in sockets": """
ends = []
while isinstance(pair := attempt(socket.socketpair), tuple): ends += pair
n = 0
for end in ends:
    end.setblocking(False)
    attempt(end.setsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF, 2**30)
    while isinstance(sent := attempt(end.send, bytes(2**16)), int): n += sent
n >> 20""",
}
HOARD = 200


def hoards(level: Besieged, folder: Path) -> str | None:
    """Take so much of what is counted for all of a user's processes that none is left, or of what is not counted."""
    with Sandbox(LIMITS, level=level, warm=0) as box:
        for name, code in HOARDS.items():
            with box.session() as session, box.session() as neighbour:
                had = session.run(TRY + code).output
                if not had.isdigit() or int(had) > HOARD:
                    return f"{name}: {had}"
                with box.session() as later:
                    for each in (neighbour, later):
                        if each.run("6 * 7").output != "42":
                            return f"{name}: another session suffered"
    return None


def whispers(level: Besieged, folder: Path) -> str | None:
    """Read what the host attaches to its files or says of its network and mounts; talk to another session."""
    target = folder / "noted"
    target.write_text("")
    with contextlib.suppress(OSError):  # a file system without them has none to read
        os.setxattr(target, "user.note", b"WHISPER")
    folder.chmod(0o755)
    cell = f"""{TRY}
said = [attempt(os.getxattr, {str(target)!r}, 'user.note'), attempt(os.listxattr, {str(target)!r})]
for name in ('net/tcp', 'net/unix', 'mountinfo', 'mounts', 'mountstats', 'cgroup', f'task/{{os.getpid()}}/net/unix'):
    said.append(attempt(lambda: open('/proc/self/' + name).read()))
repr(said)
"""
    listen = f"{TRY}\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0scdpo-whisper')\ns.listen()"
    call = f"{TRY}\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0scdpo-whisper')"
    with socket.socket(socket.AF_UNIX) as known, Sandbox(LIMITS, level=level, warm=0) as box:
        known.bind(str(folder / "WHISPER"))
        with box.session() as one, box.session() as other:
            if "WHISPER" in (heard := one.run(cell).output):
                return f"heard of the host: {heard}"
            one.run(listen)
            if other.run(call).status == "ok":
                return "two sessions spoke to each other"
    return None


@contextlib.contextmanager
def _temporary(folder: Path):  # type: ignore[no-untyped-def]
    """Have work folders made in `folder` for a while."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _run(level: Besieged, cell: str) -> CellResult:
    with Sandbox(LIMITS, level=level, warm=0) as box, box.session() as session:
        return session.run(cell)


ATTACKS: tuple[Attack, ...] = (
    attributes,
    unix_sockets,
    locks,
    set_id_files,
    quota,
    owner_killed,
    forged_replies,
    hoards,
    whispers,
)
