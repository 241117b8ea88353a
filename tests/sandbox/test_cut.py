"""Texts that are too long keep both ends and say how much is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox import cut
from sandbox.results import render


def test_both_ends_are_kept_around_the_count() -> None:
    text = "a" * 30 + "b" * 30
    assert cut.join(text, 0, "", 20) == "a" * 10 + "\n[... 40 characters left out ...]\n" + "b" * 10


@given(st.text("ab\n", max_size=60), st.integers(0, 9), st.text("ab\n", max_size=60), st.integers(2, 50))
def test_what_is_kept_and_what_is_missing_add_up(before: str, gap: int, after: str, room: int) -> None:
    joined = cut.join(before, gap, after, room)
    if not gap and len(before) + len(after) <= room:
        assert joined == before + after
        return
    kept, _, rest = joined.partition("[... ")
    assert before.strip("\n").startswith(kept.strip("\n")) or (before + after).strip("\n").startswith(
        kept.strip("\n")
    )
    assert rest.partition(" characters left out ...]")[0].replace(",", "").isdigit()
    assert len(joined) <= room + len(cut.missing(gap + 120)) + 2


def test_a_colour_code_is_never_torn() -> None:
    text = "abc\x1b[31mdef"
    for size in range(len(text) + 1):
        for end in (cut.start_of(text, size), cut.end_of(text, size)):
            assert "\x1b" not in cut.COLOUR.sub("", end)
            assert "31m" not in cut.COLOUR.sub("", end)


def test_the_last_line_of_a_traceback_is_kept() -> None:
    lines = [f"frame {i}" for i in range(5000)] + ["RecursionError: maximum recursion depth exceeded"]
    kept, was_cut = cut.lines(lines, 400)
    assert was_cut
    assert kept[0] == "frame 0"
    assert kept[-1] == lines[-1]
    assert sum(map(len, kept)) < 500


def test_one_long_line_is_cut_in_its_own_middle() -> None:
    (line,), was_cut = cut.lines(["E: " + "z" * 10**6 + "!"], 100)
    assert was_cut
    assert line.startswith("E: z")
    assert line.endswith("z!")
    assert "characters left out" in line


def test_gaps_in_a_stream_are_counted_together() -> None:
    events = [
        ["stream", "stdout", "a" * 10],
        ["cut", 5],
        ["stream", "stdout", "b" * 10],
        ["cut", 7],
        ["stream", "stdout", "c" * 4],
    ]
    text = render(events, 14)
    assert text.output == "a" * 10 + "\n[... 22 characters left out ...]\n" + "c" * 4
    assert text.truncated
