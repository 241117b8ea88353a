"""What a session says is hostile data: whatever it sends, the outside gets typed replies or ends that session."""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import CellResult, Limits, Sandbox, wire
from sandbox.core import SessionCore
from sandbox.replies import REQUEST_MEMORY, Done, Events, ProtocolError, Reader, Ready

LIMITS = Limits(cell_seconds=0.3, grace_seconds=0.1, memory_mb=256)
ENDED = {
    "failure": None,
    "count": 1,
    "truncated": False,
    "flooded": False,
    "cpu": False,
    "interrupted": False,
    "page": None,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
BUNDLE = st.dictionaries(st.sampled_from(["text/plain", "image/png"]), JSON, max_size=2)
# Near enough to what an executor says that most of it gets past the first check.
EVENT = st.one_of(
    st.tuples(st.just("stream"), st.sampled_from(["stdout", "stderr", "other"]), st.text() | JSON),
    st.tuples(st.just("result"), BUNDLE | JSON, BUNDLE, st.integers() | st.floats() | JSON),
    st.tuples(st.just("display"), BUNDLE, BUNDLE, BUNDLE | JSON, st.booleans() | JSON),
    st.tuples(st.just("clear"), st.booleans() | JSON),
    st.tuples(st.just("error"), st.text(), st.text() | JSON, st.lists(st.text()) | JSON),
    st.lists(JSON, max_size=5),
).map(list)
DONE = st.fixed_dictionaries(
    {
        "failure": st.none() | st.lists(st.text(), max_size=3) | JSON,
        "count": st.integers() | JSON,
        "truncated": st.booleans() | JSON,
        "flooded": st.booleans(),
        "cpu": st.booleans(),
        "interrupted": st.booleans(),
        "page": st.none() | BUNDLE | JSON,
    }
)
FRAME = st.one_of(
    st.fixed_dictionaries({"id": st.integers(0, 2) | JSON, "events": st.lists(EVENT, max_size=3) | JSON}),
    st.fixed_dictionaries({"id": st.integers(0, 2) | JSON, "done": DONE | JSON}),
    st.dictionaries(st.sampled_from(["ready", "fatal", "failed", "id", "done", "events"]), JSON, max_size=3),
    JSON,
)


def framed(value: Any) -> bytes:
    body = json.dumps(value).encode("ascii")
    return wire.HEADER.pack(len(body)) + body


def started(request: int = 1, operation: str = "run", limits: Limits = LIMITS) -> Reader:
    reader = Reader(limits)
    assert reader.parse(b'{"ready": "strict"}') == Ready("strict")
    reader.begin(request, operation)
    return reader


@given(FRAME)
def test_a_frame_is_a_typed_reply_or_is_refused(frame: Any) -> None:
    try:
        reply = started().parse(json.dumps(frame).encode("ascii"))
    except ProtocolError:
        return
    assert reply is None or isinstance(reply, Events | Done)
    text = json.dumps(reply.events if isinstance(reply, Events) else reply and reply.fields, allow_nan=False)
    assert "\\ud8" not in text.lower() or "\\udc" in text.lower() or "\\udd" in text.lower()


@given(st.binary(max_size=300))
def test_bytes_that_are_no_frame_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        started().parse(body)


def test_what_an_executor_says_is_taken() -> None:
    reader = started()
    events = [
        ["stream", "stdout", "a\ud800"],
        ["result", {"text/plain": "1", "image/png": "QQ=="}, {}, 3],
        ["display", {"application/json": {"x": [1.5, math.nan, None]}}, {}, {"display_id": "d"}, True],
        ["cut", 12],
        ["clear", False],
        ["error", "E", "v", ["line"]],
    ]
    reply = reader.parse(json.dumps({"id": 1, "events": events}).encode())
    assert isinstance(reply, Events)
    assert reply.events[0] == ["stream", "stdout", "a?"]
    assert reply.events[2][1] == {"application/json": {"x": [1.5, "NaN", None]}}
    done = {**ENDED, "failure": ["ValueError", "no"]}
    assert reader.parse(json.dumps({"id": 1, "done": done}).encode()) == Done(
        {**done, "failure": ("ValueError", "no")}
    )


@pytest.mark.parametrize(
    ("operation", "done"),
    [
        ("complete", {"matches": ["print"], "start": 0, "end": 3}),
        ("inspect", {"data": None}),
        ("is_complete", {"status": "complete", "indent": ""}),
        ("fork", {"forked": 2, "unsound": ""}),
        ("fork", {"forked": 0, "unsound": "a thread is running"}),
    ],
)
def test_each_operation_ends_in_its_own_way(operation: str, done: dict[str, Any]) -> None:
    body = json.dumps({"id": 1, "done": done}).encode()
    assert started(operation=operation).parse(body) == Done(done)
    with pytest.raises(ProtocolError, match="'run' cannot end with"):
        started(operation="run").parse(body)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"id": 1},
        {"id": 1, "done": {"failure": 5}},
        {"id": 1, "done": {**ENDED, "failure": {"a": 1}}},
        {"id": 1, "done": {**ENDED, "failure": ["x"]}},
        {"id": 1, "done": {**ENDED, "count": True}},
        {"id": 1, "done": {**ENDED, "count": 10**40}},
        {"id": 1, "done": {**ENDED, "more": 1}},
        {"id": 1, "done": ENDED, "events": []},
        {"id": 2, "done": ENDED},
        {"id": "1", "done": ENDED},
        {"id": 1, "events": [[]]},
        {"id": 1, "events": [["result", {}, {}, math.inf]]},
        {"id": 1, "events": [["result", {}, {}, 1e3]]},
        {"id": 1, "events": [["stream", ["stdout"], ""]]},
        {"id": 1, "events": [[["stream"], "stdout", ""]]},
        {"ready": "strict"},
        {"fatal": "Landlock is missing"},
    ],
)
def test_a_forged_frame_is_refused(frame: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        started().parse(json.dumps(frame).encode())


def test_a_request_is_answered_once_and_a_late_answer_is_dropped() -> None:
    reader = started()
    reader.begin(2, "run")  # the first was given up
    body = json.dumps({"id": 2, "done": ENDED}).encode()
    assert reader.parse(json.dumps({"id": 1, "done": "of whatever kind"}).encode()) is None
    assert isinstance(reader.parse(body), Done)
    with pytest.raises(ProtocolError, match="was answered"):
        reader.parse(body)


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"a":0},', b"0,", b'"",', b'"\\"",'])
def test_objects_are_bounded_before_they_are_built(unit: bytes) -> None:
    size = 15 * 2**20
    body = b'{"id":1,"events":[["display",{"a":[' + unit * (size // len(unit)) + b"0]},{},{},false]]}"
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="more output"):
            started().parse(body)
        assert tracemalloc.get_traced_memory()[1] < 6 * size
    finally:
        tracemalloc.stop()


def test_many_small_frames_are_bounded_like_a_large_one() -> None:
    reader = started()

    def flood() -> None:
        for _ in range(REQUEST_MEMORY // 1024 + 10**4):
            reader.parse(b'{"id":1,"events":[]}')

    with pytest.raises(ProtocolError, match="more output"):
        flood()


@pytest.mark.parametrize("depth", [40, 970, 100_000])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(depth: int, pair: tuple[bytes, bytes]) -> None:
    value = pair[0] * depth + b"0" + pair[1] * depth
    body = b'{"id":1,"events":[["display",{"a":' + value + b"},{},{},false]]}"
    with pytest.raises(ProtocolError):
        started().parse(body)


def test_brackets_and_commas_in_text_are_only_text() -> None:
    text = ('[{"' * 30_000 + ",\\" * 30_000)[: 10**5]
    body = json.dumps({"id": 1, "events": [["stream", "stdout", text]]}).encode()
    reply = started().parse(body)
    assert isinstance(reply, Events)
    assert reply.events == [["stream", "stdout", text]]


async def attacked(said: bytes, limits: Limits = LIMITS) -> tuple[list[CellResult], list[dict[str, Any]]]:
    """Run two cells in a session whose executor answers every request by `said`."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    core = SessionCore(1, ours, limits, "strict")
    theirs.send(framed({"ready": "strict"}))
    await core.ready
    asyncio.get_running_loop().add_reader(theirs, lambda: theirs.recv(1 << 16) and theirs.send(said))
    try:
        results = [(await core.run("1"))[0] for _ in range(2)]
    finally:
        asyncio.get_running_loop().remove_reader(theirs)
        theirs.close()
        core.dispose()
    await asyncio.sleep(0)
    return results, unhandled


@settings(max_examples=60, deadline=None)
@given(st.lists(FRAME.map(framed) | st.binary(max_size=40), max_size=4).map(b"".join))
def test_no_executor_can_make_a_cell_raise(said: bytes) -> None:
    results, unhandled = asyncio.run(attacked(said))
    assert not unhandled
    for result in results:
        result.output.encode("utf-8")
        assert result.status in ("ok", "error", "timeout", "memory", "output", "died")


def test_a_broken_protocol_is_named_in_the_result_and_in_the_next() -> None:
    (first, second), _ = asyncio.run(attacked(framed({"id": 1, "done": {"failure": 5}})))
    assert (first.status, first.state_lost) == ("died", True)
    assert first.error == "KernelDied: the session broke the protocol: 'run' cannot end with 'failure'"
    assert (second.status, second.state_lost) == ("died", True)
    assert "broke the protocol" in (second.error or "")


def test_an_oversized_frame_ends_the_session_before_it_is_read() -> None:
    (first, _), _ = asyncio.run(attacked(struct.pack("!I", 2**31)))
    assert "broke the protocol: a frame of 2147483648 bytes" in (first.error or "")


@pytest.fixture(scope="module")
def real() -> Iterator[Sandbox]:
    with Sandbox(Limits(memory_mb=512), warm=0) as box:
        yield box


FORGED = """
import sys
ex = sys.stdout._collector._send.__self__
ex.send({frame})
"""


@pytest.mark.parametrize(
    "frame",
    [
        "{'id': ex.request, 'done': {'failure': 5}}",
        "{'id': ex.request, 'events': [['result', {}, {}, float('inf')]]}",
        "{}",
        "{'id': ex.request, 'events': [['display', {'a': [{}] * (16 * 2**20 // 5)}, {}, {}, False]]}",
    ],
    ids=["failure", "infinity", "empty", "objects"],
)
def test_a_forger_ends_its_own_session_and_no_other(real: Sandbox, frame: str) -> None:
    with real.session() as forger, real.session() as neighbour:
        result = forger.run(FORGED.replace("{frame}", frame))
        assert (result.status, result.state_lost) == ("died", True)
        assert "broke the protocol" in (result.error or "")
        assert neighbour.run("6 * 7").output == "42"


def test_a_forged_end_is_found_out(real: Sandbox) -> None:
    done = repr({"id": "REQUEST", "done": ENDED}).replace("'REQUEST'", "ex.request")
    with real.session() as session:
        session.run(FORGED.replace("{frame}", done))
        assert session.run("1").status == "died"


def test_random_tampering_with_a_real_conversation_never_raises() -> None:
    chance = random.Random(0)
    honest = framed({"id": 1, "events": [["stream", "stdout", "x" * 50]]}) + framed({"id": 1, "done": ENDED})
    for _ in range(200):
        bytes_ = bytearray(honest)
        for _ in range(chance.randrange(1, 4)):
            bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
        _, unhandled = asyncio.run(attacked(bytes(bytes_), Limits(cell_seconds=0.02, grace_seconds=0.02)))
        assert not unhandled
