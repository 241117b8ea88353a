"""Parse what a session says: each frame becomes one typed reply here, or the session has broken the protocol.

Frames are hostile data, since the model's code shares the process that sends them. They are bounded in bytes before
they are read and in objects before they are built, and no field is used before its type is known. Does not cover what
a reply means for its cell (`results`) or for its session (`core`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.limits import Limits
from sandbox.wire import ELEMENT, LIST, OBJECT, STRING, clean_text

# Room for a figure or two beside the text a cell may write, before its session is held to be out of control.
FRAME_BYTES = 16 * 2**20
REQUEST_BYTES = 4 * FRAME_BYTES
# What the objects of one request's replies may take in memory, by the estimate below: a plot of 100,000 points
# takes about 32 MiB, 16 MiB of `{},{},...` would take 1.3 GiB.
REQUEST_MEMORY = 128 * 2**20
# JSON takes up to 12 bytes for a character; a message comes with its braces and names.
_CHAR, _MESSAGE = 12, 512
# What CPython takes for a reply as a whole.
_REPLY = 1024
# The executor nests values 20 deep at most, in events that are 4 deep.
MAX_DEPTH = 32
_MOST = 2**53  # beyond it not every JSON reader agrees on an integer

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# NaN and the infinities are no JSON, but a figure's data may hold them: they become their names.
_JSON = json.JSONDecoder(parse_constant=str)

Event = list[Any]
"""["stream", "stdout" | "stderr", text], ["cut", characters left out], ["result", data, metadata, count],
["display", data, metadata, transient, update], ["clear", wait] or ["error", name, value, lines]."""


class ProtocolError(ValueError):
    """A session said what no executor says."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session has isolated itself at `level` and takes requests."""

    level: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A layer of isolation was refused to the session."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The session could not start for another reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Events:
    """What the request wrote and displayed, in part."""

    events: list[Event]


@dataclass(frozen=True, slots=True)
class Done:
    """How the request ended; `fields` are those of its operation in `_ENDINGS`."""

    fields: dict[str, Any]


Reply = Ready | Refused | Failed | Events | Done


class Reader:
    """Parse the frames of one session, within the bounds of one request after the other."""

    def __init__(self, limits: Limits) -> None:
        """Begin before the first request: only Ready, Refused and Failed are expected."""
        self.frame_bytes = FRAME_BYTES + _CHAR * limits.output_chars
        self._limits = limits
        self._started = False
        self._request, self._answered = 0, True
        self._given_up: set[int] = set()
        self.begin(0, "")

    def begin(self, request: int, operation: str) -> None:
        """Expect the replies to request number `request`, which is for `operation`."""
        if not self._answered:
            self._given_up.add(self._request)
        self._request, self._operation, self._answered = request, operation, request == 0
        chars, messages = self._limits.output_chars, self._limits.output_messages
        self._bytes = REQUEST_BYTES + _CHAR * chars + _MESSAGE * messages
        self._memory = REQUEST_MEMORY + ELEMENT * chars + 2 * _REPLY * messages

    def parse(self, body: bytes) -> Reply | None:
        """Return the reply in one frame, or None for the late one to a request that was given up.

        Raises:
            ProtocolError: it is no reply to what was asked, or more than one request may be answered with.
        """
        self._weigh(body)
        try:
            frame = _JSON.decode(body.decode("ascii"))
        except ValueError as error:
            raise ProtocolError("a frame is not JSON") from error
        if not isinstance(frame, dict):
            raise ProtocolError("a frame is not an object")
        return self._answer(frame) if "id" in frame else self._start(frame)

    def _weigh(self, body: bytes) -> None:
        """Take from what the request may still spend, before anything is built of it, what `body` will take."""
        self._bytes -= len(body)
        self._spend(_REPLY)
        if body.count(b",") <= MAX_DEPTH and body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
            return
        bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # every quote left begins or ends a string
        self._spend(STRING * bare.count(b'"') // 2)
        outside = b"".join(bare.split(b'"')[::2])
        brackets = LIST * outside.count(b"[") + OBJECT * outside.count(b"{")
        self._spend(brackets + ELEMENT * outside.count(b","))
        _bound_depth(outside.translate(None, _NOT_BRACKETS))

    def _spend(self, memory: int) -> None:
        self._memory -= memory
        if self._bytes < 0 or self._memory < 0:
            raise ProtocolError("more output than any cell may send")

    def _start(self, frame: dict[str, Any]) -> Reply:
        if self._started or len(frame) != 1:
            raise ProtocolError("a frame is no reply")
        self._started = True
        match frame:
            case {"ready": level}:
                return Ready(_text(level))
            case {"fatal": reason}:
                return Refused(_text(reason))
            case {"failed": reason}:
                return Failed(_text(reason))
        raise ProtocolError("a frame is no reply")

    def _answer(self, frame: dict[str, Any]) -> Reply | None:
        request = _count(frame["id"])
        if request in self._given_up:
            return None
        if request != self._request or self._answered:
            raise ProtocolError("an answer to what was not asked, or was answered")
        events, done = frame.get("events"), frame.get("done")
        if len(frame) != 2 or isinstance(events, list) == isinstance(done, dict):
            raise ProtocolError("a frame is no reply")
        if isinstance(events, list):
            return Events([_event(event) for event in events])
        assert isinstance(done, dict)
        self._answered = True
        return Done(self._ending(done))

    def _ending(self, done: dict[str, Any]) -> dict[str, Any]:
        for fields in _ENDINGS.get(self._operation, ()):
            if fields.keys() == done.keys():
                return {name: check(done[name]) for name, check in fields.items()}
        raise ProtocolError(
            f"{self._operation!r} cannot end with {clean_text(', '.join(sorted(done)))[:200]!r}"
        )


def _bound_depth(brackets: bytes) -> None:
    """Raise ProtocolError where brackets nest too deeply. What is no JSON at all is the parser's business."""
    for _ in range(MAX_DEPTH):  # each round peels off at least the innermost layer
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise ProtocolError(f"a frame is nested more than {MAX_DEPTH} deep")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ProtocolError("a text is not a string")
    return clean_text(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ProtocolError("a number is not a count")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError("a flag is neither true nor false")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ProtocolError("a list of texts is not a list")
    return [_text(each) for each in value]


def _data(value: Any) -> dict[str, Any]:
    """Return a MIME bundle or its metadata with every text in it writable as UTF-8."""
    if not isinstance(value, dict):
        raise ProtocolError("the data of a display are not an object")
    return {clean_text(name): _clean(each) for name, each in value.items()}


def _data_or_none(value: Any) -> dict[str, Any] | None:
    return None if value is None else _data(value)


def _failure(value: Any) -> tuple[str, str] | None:
    """Return the name and message of an exception, or None."""
    if value is None:
        return None
    texts = _texts(value)
    if len(texts) != 2:
        raise ProtocolError("a failure is not a name and a message")
    return texts[0], texts[1]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return _data(value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)  # 1e999 is JSON


def _stream(value: Any) -> str:
    if value not in ("stdout", "stderr"):
        raise ProtocolError("a stream is neither stdout nor stderr")
    return str(value)


Check = Callable[[Any], Any]
# What follows the kind of an event, and how each operation can end.
_EVENTS: dict[str, tuple[Check, ...]] = {
    "stream": (_stream, _text),
    "cut": (_count,),
    "result": (_data, _data, _count),
    "display": (_data, _data, _data, _flag),
    "clear": (_flag,),
    "error": (_text, _text, _texts),
}
_ENDINGS: dict[str, tuple[dict[str, Check], ...]] = {
    "run": (
        {
            "failure": _failure,
            "count": _count,
            "truncated": _flag,
            "flooded": _flag,
            "cpu": _flag,
            "interrupted": _flag,
            "page": _data_or_none,
        },
    ),
    "complete": ({"matches": _texts, "start": _count, "end": _count},),
    "inspect": ({"data": _data_or_none},),
    "is_complete": ({"status": _text, "indent": _text},),
    "fork": ({"forked": _count, "unsound": _text},),
}


def _event(event: Any) -> Event:
    kind = event[0] if isinstance(event, list) and event else None
    checks = _EVENTS.get(kind) if isinstance(kind, str) else None
    if checks is None or len(event) != 1 + len(checks):
        raise ProtocolError("an event is of no known kind")
    return [kind, *(check(part) for check, part in zip(checks, event[1:], strict=True))]
