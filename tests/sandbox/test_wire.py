"""Frames on a byte stream, the text in them, and the filter that a session runs behind."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Limits, results, wire
from sandbox.isolation import seccomp
from sandbox.isolation.syscall_table import ALLOWED, NAMED

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5), st.integers(1, 7))
def test_frames_survive_any_cutting(messages: list[dict[str, Any]], step: int) -> None:
    data = b"".join(wire.encode(m) for m in messages)
    reader = wire.FrameReader(1 << 20)
    found = [json.loads(body) for i in range(0, len(data), step) for body in reader.feed(data[i : i + step])]
    assert found == json.loads(json.dumps(messages))


def test_an_oversized_frame_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        wire.FrameReader(1000).feed(struct.pack("!I", 1001))


@given(st.text(st.characters(), max_size=50))
def test_text_becomes_writable(text: str) -> None:
    wire.clean_text(text).encode("utf-8")


def test_values_and_errors_start_on_their_own_line() -> None:
    events = [
        ["stream", "stdout", "a"],
        ["result", {"text/plain": "1"}, {}, 1],
        ["error", "E", "v", ["\x1b[31mtrace\x1b[0m", "E: v"]],
    ]
    assert results.render(events, 100).output == "a\n1\ntrace\nE: v"


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_filter_ends_every_path_and_allows_what_is_listed(arch: str) -> None:
    for supervised, enclosed in ((False, False), (True, False), (False, True), (True, True)):
        program = seccomp.build(arch, supervised=supervised, enclosed=enclosed)
        code = [struct.unpack_from("HBBI", program, i) for i in range(0, len(program), 8)]
        assert len(code) < 4096
        assert code[-1][0] == 0x06
        for i, (op, yes, no, _value) in enumerate(code):
            if op & 7 == 5:
                assert i + 1 + max(yes, no) < len(code)
        for name, number in ALLOWED[arch].items():
            closed = not enclosed and name in (*seccomp._HOST_CALLS, *seccomp._ATTRIBUTE_CALLS, "openat2")
            assert (run_filter(code, arch, number) == 0x7FFF0000) != closed
        for name in ("unshare", "setns", "pivot_root", "pidfd_open"):
            assert run_filter(code, arch, NAMED[arch][name]) & 0xFFFF0000 == 0x00050000
        thread, process = 0x3D0F00, 17
        asked = 0x7FC00000 if supervised and enclosed else 0x00050001
        counted = 0x7FC00000 if supervised else 0x7FFF0000  # the supervisor counts threads
        assert run_filter(code, arch, NAMED[arch]["clone"], thread) == counted
        assert run_filter(code, arch, NAMED[arch]["clone"], process) == asked
        assert run_filter(code, arch, NAMED[arch]["clone"], thread | 0x10000000) == 0x00050001
        assert (
            run_filter(code, arch, NAMED[arch]["clone"], thread & ~0x400) == 0x00050001
        )  # descriptors of its own
        assert run_filter(code, arch, NAMED[arch]["socket"], 2) == 0x00050000 | 97


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_sealed_session_sends_no_descriptors_and_changes_no_filter(arch: str) -> None:
    program = seccomp.seal(arch)
    code = [struct.unpack_from("HBBI", program, i) for i in range(0, len(program), 8)]
    assert run_filter(code, arch, ALLOWED[arch]["sendmsg"]) == 0x00050001
    assert run_filter(code, arch, NAMED[arch]["seccomp"]) == 0x00050001
    assert run_filter(code, arch, ALLOWED[arch]["sendto"]) == 0x7FFF0000


def run_filter(code: list[tuple[int, int, int, int]], arch: str, number: int, argument: int = 0) -> int:
    """Interpret the filter as the kernel would."""
    data = struct.pack(
        "iIQ6Q", number, {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[arch], 0, argument, 0, 0, 0, 0, 0
    )
    at, held = 0, 0
    while True:
        op, yes, no, value = code[at]
        at += 1
        if op == 0x20:
            (held,) = struct.unpack_from("I", data, value)
        elif op == 0x54:
            held &= value
        elif op == 0x06:
            return value
        else:
            holds = {0x15: held == value, 0x45: bool(held & value), 0x35: held >= value}[op]
            at += yes if holds else no


@pytest.mark.parametrize("field", ["cell_seconds", "memory_mb", "output_chars", "descriptors"])
def test_useless_limits_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Limits(**{field: 0})
