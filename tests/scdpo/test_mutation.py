"""Wrong continuations of correct solutions, end to end in a sandbox."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import AsyncSandbox, Limits, Sandbox
from sandbox.blocks import Block
from sandbox.solution import Solution
from scdpo.corrupt import Corruption, acorrupt_by_mutation, corrupt_by_mutation
from scdpo.data.filters import drop_reason
from verifier import extract_answer, verify

QUESTION = "A shop sells 14 pens at $3 each and then 5 books at $11 each. How much does it take in?"


def solution(*contents: str) -> Solution:
    """Text, code, execution, text, … ending in text."""
    types = itertools.cycle(["text", "code", "execution"])
    return Solution.of([{"type": t, "content": c} for t, c in zip(types, contents, strict=False)])


SHOP = solution(
    "First we find what the pens bring in.",
    "pens = 14\nprice_of_a_pen = 3\nfrom_pens = pens * price_of_a_pen\nfrom_pens",
    "42",
    "The pens bring in $42.\n\nNext, the books.",
    "books = 5\nprice_of_a_book = 11\nfrom_books = books * price_of_a_book\nfrom_books",
    "55",
    "The books bring in $55. Now we find what the shop takes in.",
    "takings = from_pens + from_books\ntakings",
    "97",
    r"The shop takes in \(\boxed{97}\) dollars.",
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(limits=Limits(cell_seconds=5)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def corruptions(box: Sandbox) -> list[Corruption]:
    return corrupt_by_mutation(SHOP, "97", box, question=QUESTION, seed=1)


def texts(corruption: Corruption) -> str:
    return "\n".join(block.content for block in corruption.rejected)


def test_each_branch_step_gives_at_most_one_continuation(corruptions: list[Corruption]) -> None:
    steps = [c.branch_step for c in corruptions]
    assert steps
    assert sorted(set(steps)) == sorted(steps)


def test_the_answer_is_wrong_and_stated_at_the_end(corruptions: list[Corruption]) -> None:
    for corruption in corruptions:
        whole = Solution(SHOP.prefix(corruption.branch_step).blocks + corruption.rejected)
        assert extract_answer(whole) == corruption.final_answer
        assert verify(corruption.final_answer, "97").status == "incorrect"


def test_a_continuation_has_the_steps_of_the_right_one(corruptions: list[Corruption]) -> None:
    for corruption in corruptions:
        rest = SHOP.rest(corruption.branch_step).blocks
        assert [b.type for b in corruption.rejected] == [b.type for b in rest]
        assert corruption.rejected != rest
        assert drop_reason(corruption.rejected) is None


def test_the_outputs_are_what_the_code_gives(box: Sandbox, corruptions: list[Corruption]) -> None:
    for corruption in corruptions:
        whole = Solution(SHOP.prefix(corruption.branch_step).blocks + corruption.rejected)
        recorded = [b.content for b in whole.blocks if b.type == "execution"]
        assert [r.output for r in box.run_solution(whole)] == recorded


def test_no_old_value_stays_where_it_changed(corruptions: list[Corruption]) -> None:
    for corruption in corruptions:
        assert "97" not in texts(corruption)


def test_the_same_seed_gives_the_same_and_the_async_twin_too(
    box: Sandbox, corruptions: list[Corruption]
) -> None:
    assert corrupt_by_mutation(SHOP, "97", box, question=QUESTION, seed=1) == corruptions

    async def twin() -> list[Corruption]:
        async with AsyncSandbox(limits=Limits(cell_seconds=5)) as other:
            return await acorrupt_by_mutation(SHOP, "97", other, question=QUESTION, seed=1)

    assert asyncio.run(twin()) == corruptions


def test_only_the_steps_asked_for_are_branched_after(box: Sandbox) -> None:
    found = corrupt_by_mutation(SHOP, "97", box, question=QUESTION, branch_steps=[4], seed=1)
    assert {c.branch_step for c in found} <= {4}


def test_what_was_left_out_is_counted_by_reason(box: Sandbox) -> None:
    dropped: Counter[str] = Counter()
    stated = solution(
        "There are 4 bags of 20: we compute 4 * 20 = 80.", "4 * 20", "80", r"It is \(\boxed{80}\)."
    )
    assert corrupt_by_mutation(stated, "80", box, seed=0, dropped=dropped) == []
    assert dropped["stated_in_text"] > 0


def test_a_number_misread_in_the_text_is_misread_in_the_code(box: Sandbox) -> None:
    misread = solution(
        "Let us see.",
        "x = 1\nx",
        "1",
        "They sold 14 pens. We double that.",
        "pens = 14\npens * 2",
        "28",
        r"So the answer is \(\boxed{28}\).",
    )
    found = corrupt_by_mutation(
        misread, "28", box, question="They sold 14 pens. What is the double?", branch_steps=[1], seed=0
    )
    (corruption,) = found
    assert corruption.kind == "constant"
    assert "14" not in texts(corruption)


ROOMS = "A house has 12 rooms and 5 rooms more in the attic. How many more rooms are below?"


def rooms(last: str) -> Solution:
    return solution("Let us see.", "below = 12\nattic = 5\nbelow - attic", "7", last)


def test_a_number_of_the_question_written_down_wrongly_is_told_apart(box: Sandbox) -> None:
    found = [
        corruption
        for seed in range(12)
        for corruption in corrupt_by_mutation(
            rooms(r"It is \(\boxed{7}\)."), "7", box, question=ROOMS, seed=seed
        )
    ]
    assert found
    assert all((c.kind in ("constant", "swapped_premises")) <= (c.plan == "miscopied") for c in found)


def test_claims_that_a_slip_belies_are_given_up(box: Sandbox) -> None:
    dropped: Counter[str] = Counter()
    for seed in range(3):
        corrupt_by_mutation(
            rooms(r"A second count confirms this: \(\boxed{7}\)."),
            "7",
            box,
            question=ROOMS,
            seed=seed,
            dropped=dropped,
        )
    assert dropped["confirmed"] > 0


def test_a_cell_that_contradicts_its_text_comes_last_and_is_marked(box: Sandbox) -> None:
    stated = solution(
        "Each of the 12 rooms has 7 beds, so there are \\(12 \\times 7\\) beds.",
        "rooms = 12\nbeds = 7\nrooms * beds",
        "84",
        r"There are \(\boxed{84}\) beds.",
    )
    found = corrupt_by_mutation(
        stated, "84", box, question="12 rooms have 7 beds each. How many beds?", seed=0
    )
    assert [c.plan for c in found] == ["contradicted"]


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (solution("Only text, no code. \\boxed{4}"), "no_branch_point"),
        (
            Solution((Block("code", "2 + 2"), Block("execution", "4"), Block("text", "\\boxed{4}"))),
            "no_branch_point",
        ),
        (solution("We add.", "2 + 2", "5", "\\boxed{5}"), "not_reproduced"),
        (solution("We add.", "1/0", "ZeroDivisionError", "\\boxed{5}"), "not_reproduced"),
        (solution("We add.", "while True: pass", "", "\\boxed{5}"), "not_reproduced"),
        (solution("We add \ufffd.", "2 + 2", "4", "\\boxed{4}"), "garbled_solution"),
    ],
)
def test_a_solution_that_cannot_be_corrupted_says_why(unfit: Solution, why: str) -> None:
    dropped: Counter[str] = Counter()
    with Sandbox(limits=Limits(cell_seconds=1)) as strict:
        assert corrupt_by_mutation(unfit, "4", strict, seed=0, dropped=dropped) == []
    assert dict(dropped) == {why: 1}


def test_code_that_shadows_builtins_or_floods_memory_does_no_harm(box: Sandbox) -> None:
    hostile = solution(
        "We count.",
        "print = repr = str = len = None\nclass Evil:\n    def __repr__(self): raise SystemExit\nevil = Evil()\na = 6\nb = a * 7\nb",
        "42",
        r"It is \(\boxed{42}\).",
    )
    for corruption in corrupt_by_mutation(hostile, "42", box, seed=0):
        assert verify(corruption.final_answer, "42").status == "incorrect"


@pytest.mark.slow
def test_most_real_solutions_give_a_pair(box: Sandbox, shared_dir: Path) -> None:
    with gzip.open(shared_dir / "data/tir/sample.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [
            row for row in map(json.loads, lines) if row["correct"] and row["source"].startswith("MathCoder")
        ]
    rows = rows[:: max(1, len(rows) // 30)]
    multi_step = [r for r in rows if any(s.is_code for s in Solution.of(r["blocks"]).steps[1:])]
    fruitful = [
        row["id"]
        for row in multi_step
        if corrupt_by_mutation(
            Solution.of(row["blocks"]), row["answer"], box, question=row["question"], seed=1
        )
    ]
    assert len(fruitful) >= 0.6 * len(multi_step)
