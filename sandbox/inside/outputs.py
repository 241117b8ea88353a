"""Collect what a cell writes, inside the session: streams, displayed values, raw descriptor writes.

Of a text that is too long the beginning and the end are kept. Every write is credited to the cell that caused it
(`credit`): a thread or an asyncio task that outlives its cell goes on writing into the void. Does not cover the
executor's protocol (`executor`) or the outer bounds (`core`).
"""

from __future__ import annotations

import io
import itertools
import operator
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox import cut, wire
from sandbox.inside.credit import CELL

FLUSH_SECONDS = 0.05
# A cell is stopped once what had to be dropped exceeds this many times its limit, and this much more.
FLOOD_FACTOR = 8
FLOOD_CHARS = 100_000
# What the figures of one event, and of all of a cell, may take as JSON, and in the owner's memory once they are parsed:
# well below what it would take for an attack (`sandbox.replies`).
FIGURE_BYTES = 8_000_000
FIGURES_BYTES = 32_000_000
FIGURES_MEMORY = 96_000_000
# Events are sent once they take this much, for a frame is bounded too.
SEND_BYTES = 1_000_000
# The room that a traceback has at least, however much was written before it.
TRACEBACK_CHARS = 4000
# Switches between stdout and stderr kept of the end of a text that is too long.
TAIL_PIECES = 16
# PyTorch's processor library writes this where it may not read /proc/cpuinfo, once, on import; a stock kernel's
# can read it. A cell's own line about /proc/cpuinfo is left alone.
_NO_CPUINFO = re.compile(
    r"^Error in cpuinfo: failed to parse processor information from /proc/cpuinfo\n", re.M
)


class Stopped(KeyboardInterrupt):
    """Raised in a cell to stop it for a limit it met; `except Exception` does not swallow it."""


class OutputLimit(Stopped):
    """Raised in a cell that floods its output."""


class Collector:
    """Gather the events of the current cell, bounded in characters and in messages.

    Events are JSON lists: ["stream", name, text], ["cut", characters left out here],
    ["result", data, metadata, count], ["display", data, metadata, transient, update], ["clear", wait],
    ["error", name, value, traceback].
    """

    def __init__(self, send: Callable[[list[list[Any]]], None]) -> None:
        """Send batches of events through `send`; collect nothing until `begin`."""
        self._send = send
        self._lock = threading.RLock()
        self._events: list[list[Any]] = []
        self._cell = -1
        self._stale: frozenset[int] = frozenset()
        self._tail = _Tail(0)
        self._chars_left = 0
        self._end_left = 0
        self._messages_left = 0
        self._figures = _Figures()
        self._unsent = 0
        self._flood = 0
        self._sent_at = 0.0
        self.truncated = False
        self.flooded = False

    def begin(self, cell: int, chars: int, messages: int) -> None:
        """Open cell number `cell` with its bounds; whatever older cells still write is dropped."""
        with self._lock:
            CELL.set(cell)
            self._events = []
            self._cell = cell
            self._stale = frozenset(sys._current_frames()) - {threading.get_ident()}
            self._chars_left = chars
            self._end_left = chars // 2
            self._tail = _Tail(self._end_left // 2)
            self._messages_left = messages
            self._figures = _Figures()
            self._unsent = 0
            self._flood = chars * FLOOD_FACTOR + FLOOD_CHARS
            self._sent_at = time.monotonic()
            self.truncated = self.flooded = False

    def end(self) -> None:
        """Close the cell: send what is left and drop everything written from now on."""
        with self._lock:
            self._settle()
            self.flush()
            self._cell = -1

    def flush(self) -> None:
        """Send the events gathered so far."""
        with self._lock:
            if self._events:
                events, self._events = self._events, []
                for event in events:
                    if event[0] == "stream":
                        event[2] = "".join(event[2])
                self._send(events)
            self._sent_at = time.monotonic()
            self._unsent = 0

    def _mine(self) -> bool:
        """Say whether the caller belongs to the current cell."""
        cell = CELL.get()
        if cell == -1:  # a thread started below `threading`: judge by whether it is older than the cell
            return self._cell != -1 and threading.get_ident() not in self._stale
        return cell == self._cell

    def stream(self, name: str, text: str) -> None:
        """Record text written to `stdout` or `stderr`.

        Raises:
            OutputLimit: in the main thread, when the cell has written far more than may be kept.
        """
        with self._lock:
            if not self._mine() or not text:
                return
            kept = cut.start_of(text, self._chars_left)
            if kept:
                self._chars_left -= len(kept)
                if self._events and self._events[-1][:2] == ["stream", name]:
                    self._events[-1][2].append(kept)
                elif self._spend_message():
                    self._events.append(["stream", name, [kept]])
            if len(kept) < len(text):
                self._chars_left = 0
                self._tail.add(name, text[len(kept) :])
                self._cut(len(text) - len(kept))
            if time.monotonic() - self._sent_at > FLUSH_SECONDS:
                self.flush()

    def message(self, event: list[Any]) -> None:
        """Record a whole event (a displayed value, a result); its data are cut to what is left.

        Raises:
            OutputLimit: in the main thread, when the cell has sent far more messages than may be kept.
        """
        with self._lock:
            if self._mine() and self._spend_message():
                self._settle()
                before = self._figures.bytes_left
                event[1] = self._trim(event[1])
                for place, part in enumerate(event[2:], 2):  # the metadata, and what names a display
                    if isinstance(part, dict) and not self._figures.take(part, FIGURE_BYTES):
                        event[place] = {}
                self._events.append(event)
                self._unsent += before - self._figures.bytes_left
                if self._unsent > SEND_BYTES:
                    self.flush()

    def error(self, name: str, value: str, lines: list[str], *, whole: bool) -> None:
        """Record the cell's traceback, both ends of which are kept when it is too long; `whole` says whether
        `lines` are all of it. The caller has cut the error's `name` and its `value`.
        """
        with self._lock:
            self._settle()
            room = max(self._chars_left, TRACEBACK_CHARS)
            kept, cut_short = cut.lines("\n".join(lines).split("\n"), room)
            self.truncated = self.truncated or cut_short or not whole
            self._events.append(["error", name, value, kept])

    def _settle(self) -> None:
        """Add the end of what the streams wrote beyond the limit, before something else comes after it."""
        left_out, pieces = self._tail.take()
        if left_out:
            self._events.append(["cut", left_out])
        for name, text in pieces:
            self._events.append(["stream", name, [text]])
            self._end_left -= len(text)
        # Half of what there is for ends is kept back for those still to come.
        self._tail = _Tail(self._end_left // 2)

    def _trim(self, data: Any) -> Any:
        """Cut the text of a MIME bundle to the characters left, dropping other types once they do not fit."""
        if not isinstance(data, dict):
            return data
        kept = {}
        room = max(self._chars_left, FIGURE_BYTES)
        for mime in sorted(data, key=lambda m: m != "text/plain"):
            value = data[mime]
            if mime == "text/plain" and isinstance(value, str):
                kept[mime] = self._trim_text(value)
            # Images and HTML have an allowance of their own: a figure is larger than any text limit.
            elif size := self._figures.take(value, room):
                room -= size
                kept[mime] = value
        return kept

    def _trim_text(self, value: str) -> str:
        room = max(self._chars_left, self._end_left // 2)
        if len(value) > room:
            self._cut(len(value) - room)
            value = cut.join(value, 0, "", room)
        if self._chars_left:
            self._chars_left = max(self._chars_left - len(value), 0)
        else:
            self._end_left = max(self._end_left - len(value), 0)
        return value

    def _spend_message(self) -> bool:
        if self._messages_left <= 0:
            self._cut(FLOOD_CHARS // 8)
            return False
        self._messages_left -= 1
        return True

    def _cut(self, chars: int) -> None:
        """Note that `chars` characters were dropped; stop the cell once that is a flood."""
        self.truncated = True
        self._flood -= chars
        if self._flood < 0:
            self.flooded = True
            if threading.current_thread() is threading.main_thread():
                raise OutputLimit("output limit met")


# What the objects that begin with a mark of JSON, or go on behind it, take in memory; each text has two quotes.
_MARKS = ((b",", wire.ELEMENT), (b'"', wire.STRING // 2), (b"[", wire.LIST), (b"{", wire.OBJECT))


class _Figures:
    """What the figures of a cell may still take."""

    def __init__(self) -> None:
        self.bytes_left = FIGURES_BYTES
        self._memory_left = FIGURES_MEMORY

    def take(self, value: Any, room: int) -> int:
        """Take what `value` needs; return its bytes as JSON, or 0 where it does not fit or needs more than `room`."""
        room = min(room, self.bytes_left)
        if isinstance(value, str) and len(value) > room:
            return 0
        body = wire.written(value)
        # As the owner estimates it, who has each object to build; of a text no mark counts.
        marks = () if isinstance(value, str) else _MARKS
        memory = sum(cost * body.count(mark) for mark, cost in marks)
        if len(body) > room or memory > self._memory_left:
            return 0
        self.bytes_left -= len(body)
        self._memory_left -= memory
        return len(body)


class _Tail:
    """The last `room` characters of a text of unknown length, and how many came before them."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._size = 0
        self._left_out = 0
        self._pieces: deque[tuple[str, str]] = deque()

    def add(self, name: str, text: str) -> None:
        """Append `text` of stream `name`."""
        kept = cut.end_of(text, self._room)
        self._left_out += len(text) - len(kept)
        self._pieces.append((name, kept))
        self._size += len(kept)
        while self._size - len(self._pieces[0][1]) >= self._room > 0:
            dropped = len(self._pieces.popleft()[1])
            self._size -= dropped
            self._left_out += dropped

    def take(self) -> tuple[int, list[tuple[str, str]]]:
        """Return how many characters are left out, and the pieces that are kept after them."""
        joined = [
            (name, "".join(text for _, text in pieces))
            for name, pieces in itertools.groupby(self._pieces, operator.itemgetter(0))
        ]
        kept: list[tuple[str, str]] = []
        room = self._room
        for name, text in reversed(joined):
            end = cut.end_of(text, room) if len(kept) < TAIL_PIECES else ""
            self._left_out += len(text) - len(end)
            room -= len(end)
            if end:
                kept.append((name, end))
        return self._left_out, kept[::-1]


class CellStream(io.TextIOBase):
    """A text stream standing for sys.stdout or sys.stderr."""

    encoding = "UTF-8"  # as in a stock kernel, where `errors` is None, too

    def __init__(self, collector: Collector, name: str, fd: int) -> None:
        """Write to `collector` under `name` ("stdout" or "stderr"); `fd` is what `fileno` gives."""
        super().__init__()
        self._collector = collector
        self._name = name
        self._fd = fd
        self.name = f"<{name}>"

    def writable(self) -> bool:
        """Say that the stream can be written."""
        return True

    def isatty(self) -> bool:
        """Say that the stream is no terminal."""
        return False

    def fileno(self) -> int:
        """Return the raw descriptor; what is written there is collected when the cell ends."""
        return self._fd

    def write(self, text: str) -> int:
        """Record `text`; raises TypeError when it is not a string."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._collector.stream(self._name, text)
        return len(text)

    def close(self) -> None:
        """Do nothing: a cell that closes its stream must not cost the next cell its output."""

    @property
    def buffer(self) -> _ByteStream:  # type: ignore[override]
        """A byte stream into the same place."""
        return _ByteStream(self)


class _ByteStream(io.RawIOBase):
    """`sys.stdout.buffer`: bytes decoded as UTF-8, bad ones replaced."""

    def __init__(self, stream: CellStream) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "replace"))
        return len(raw)


class RawOutput:
    """A file in the work folder's quota that stands behind descriptors 1 and 2."""

    def open(self, folder: str) -> None:
        """Open an unnamed file in `folder` and put it behind descriptors 1 and 2."""
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_APPEND, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)

    def drain(self, limit: int) -> tuple[str, bool]:
        """Return up to `limit` bytes as text and whether more was dropped; "" when the cell closed it."""
        try:
            size = os.fstat(1).st_size
            if not size:
                return "", False
            data = os.pread(1, limit, 0)
            os.ftruncate(1, 0)
        except OSError:  # the cell closed or replaced the descriptor: there is nothing of ours to read
            return "", False
        return _NO_CPUINFO.sub("", data.decode("utf-8", "replace")), size > limit
