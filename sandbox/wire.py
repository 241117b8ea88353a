"""Frames between the outside and a session: a length, then JSON; and descriptors over a Unix socket.

Never pickles. Lone surrogates survive as JSON escapes inside and are replaced outside by `clean_text`.
Does not cover what the frames mean: see `executor` (inside) and `replies` (outside).
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from typing import Any

HEADER = struct.Struct("!I")
MAX_FDS = 64
# Inside a session `json.dumps` may have become the cell's own.
_JSON = json.JSONEncoder(separators=(",", ":"))
decode = json.JSONDecoder().decode
CONTROL_BYTES = 65536
# What CPython takes for an object, a list, a string and one more element, once a frame is parsed; rounded up.
OBJECT, LIST, STRING, ELEMENT = 240, 64, 128, 40


def written(value: Any) -> bytes:
    """Return `value` as it stands in a frame. Raises TypeError or ValueError when it is not JSON."""
    return _JSON.encode(value).encode("ascii")


def encode(message: dict[str, Any]) -> bytes:
    """Return `message` as one frame. Raises TypeError or ValueError when it is not JSON."""
    body = written(message)
    return HEADER.pack(len(body)) + body


def clean_text(text: str) -> str:
    """Return `text` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


class FrameReader:
    """Cut a byte stream into frames, refusing any frame larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        """Start with an empty buffer and a bound of `limit` bytes a frame."""
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add `data` and return the bodies of the frames it completes.

        Raises:
            ValueError: the peer announced an oversized frame.
        """
        self._buffer += data
        frames = []
        while len(self._buffer) >= HEADER.size:
            (size,) = HEADER.unpack_from(self._buffer)
            if size > self.limit:
                raise ValueError(f"a frame of {size} bytes is over the limit of {self.limit}")
            if len(self._buffer) < HEADER.size + size:
                break
            frames.append(bytes(self._buffer[HEADER.size : HEADER.size + size]))
            del self._buffer[: HEADER.size + size]
        return frames


def send_with_fds(sock: socket.socket, message: dict[str, Any], fds: list[int]) -> None:
    """Send one datagram (`SOCK_SEQPACKET`) with up to MAX_FDS descriptors."""
    body = json.dumps(message).encode("ascii")
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([body], ancillary)


def receive_with_fds(sock: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive one datagram and its descriptors (close-on-exec); None when the peer has gone.

    Raises:
        BlockingIOError: there is none yet.
    """
    # Not socket.recv_fds, which drops the flags it is given.
    room = socket.CMSG_LEN(MAX_FDS * array.array("i").itemsize)
    body, ancillary, _flags, _address = sock.recvmsg(CONTROL_BYTES, room, socket.MSG_DONTWAIT)
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    for fd in fds:
        os.set_inheritable(fd, False)
    if not body:
        return None, list(fds)
    return json.loads(body), list(fds)
