"""What is thrown away, and under which name."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.blocks import Block
from scdpo.data.filters import drop_reason, near_duplicates

GOOD = (
    Block("text", "The train covers 60 miles an hour, so in 3 hours it covers \\( 60 \\times 3 \\) miles."),
    Block("code", "speed = 60\nspeed * 3"),
    Block("execution", "180"),
    Block("text", "It covers \\(\\boxed{180}\\) miles."),
)


def with_text(text: str) -> tuple[Block, ...]:
    return (*GOOD, Block("text", text))


def test_a_clean_continuation_stays() -> None:
    assert drop_reason(GOOD) is None


def test_an_empty_continuation_is_not_garbled() -> None:
    assert drop_reason(()) is None


def test_twenty_four_blocks_stay_and_one_more_does_not() -> None:
    blocks = [Block("text", f"Step {i}: add {i * i}.") for i in range(25)]
    assert drop_reason(blocks[:24]) is None
    assert drop_reason(blocks) == "too_many_blocks"


def test_a_block_of_more_than_3000_characters_goes() -> None:
    words = " ".join(f"w{i}" for i in range(2000))
    assert drop_reason(with_text(words[:3000])) is None
    assert drop_reason(with_text(words[:3001])) == "long_block"


@pytest.mark.parametrize(
    "mark", ["<|execution|>", "<|endofblock|>", "```output", "</s>", "<|im_end|>", "[/INST]"]
)
def test_a_marker_inside_a_block_goes(mark: str) -> None:
    assert drop_reason(with_text(f"The result is {mark} 12")) == "marker"


@pytest.mark.parametrize("noise", ["\ufffd", "\x00", "\ue123"])
def test_replacement_and_control_characters_go(noise: str) -> None:
    assert drop_reason(with_text(f"So the sum is {noise} 4.")) == "mojibake"


def test_the_colours_of_a_traceback_are_not_noise() -> None:
    assert drop_reason((*GOOD, Block("execution", "\x1b[31mNameError\x1b[0m"))) is None


@pytest.mark.parametrize(
    "text",
    [
        "and then " * 10,
        "So x = 1.\nLet us check it.\n" * 8,
        "".join(f"We compute the total number.\nround {i}\n" for i in range(6)),
        "0.3333333333" + "3" * 80,
    ],
)
def test_a_loop_goes(text: str) -> None:
    assert drop_reason(with_text(text)) == "repetition"


def test_a_ruled_table_is_no_loop() -> None:
    assert drop_reason(with_text("| a | b |\n" + "-" * 100)) is None


def test_a_long_output_of_equal_values_is_no_loop() -> None:
    assert drop_reason((*GOOD, Block("execution", "[" + "0, " * 500 + "0]"))) is None


def test_the_same_step_three_times_goes() -> None:
    step = (Block("text", "Let me try again."), Block("code", "x"), Block("execution", "1"))
    assert drop_reason(step * 2) is None
    assert drop_reason(step * 3) == "repetition"


def test_chinese_with_formulas_stays_and_three_scripts_go() -> None:
    assert drop_reason(with_text("所以面积是 \\(\\pi r^2 = 4\\pi\\)，半径 α 为 2。")) is None
    assert drop_reason(with_text("So the сумма is 十二 apples")) == "mixed_scripts"


def test_near_duplicates_keep_the_first_of_each_group() -> None:
    base = " ".join(f"token{i}" for i in range(100))
    other = " ".join(f"word{i}" for i in range(100))
    assert near_duplicates([base, other, base + " end", other, base]) == [2, 3, 4]


def test_texts_with_other_values_are_no_duplicates() -> None:
    text = "We add {} and {} to get {}, then double it to get {}."
    assert near_duplicates([text.format(1, 2, 3, 6), text.format(4, 5, 9, 18)]) == []


def test_short_texts_are_compared_whole() -> None:
    assert near_duplicates(["4", "5", "4", "", ""]) == [2, 4]


@given(st.lists(st.builds(Block, st.sampled_from(["text", "code", "execution"]), st.text()), max_size=6))
def test_any_blocks_get_an_answer(blocks: list[Block]) -> None:
    reason = drop_reason(blocks)
    assert reason is None or reason.isidentifier()


@given(st.lists(st.text(max_size=40), max_size=8))
def test_exact_repeats_are_always_near_duplicates(texts: list[str]) -> None:
    repeated = near_duplicates(texts)
    assert repeated == sorted(set(repeated))
    kept = [text for i, text in enumerate(texts) if i not in repeated]
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("unit", ["a", "ab ", " ", "a" * 79 + "b", "aab", "\n"])
def test_a_hostile_block_takes_no_long_time(unit: str) -> None:
    text = (unit * 3000)[:2990] + "end"
    start = time.monotonic()
    drop_reason([Block("text", text)] * 2)
    assert time.monotonic() - start < 5


def test_hardly_any_real_correct_solution_is_called_garbled(shared_dir: Path) -> None:
    with gzip.open(shared_dir / "data/tir/sample.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["correct"]]
    dropped = [r["id"] for r in rows if drop_reason([Block.from_dict(b) for b in r["blocks"]])]
    assert len(dropped) <= 0.01 * len(rows)
