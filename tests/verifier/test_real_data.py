"""The labelled, hostile and recorded data beside the checkout."""

import gzip
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from verifier import accuracy_reward, verify

BARE_SOURCES = {"nemo-skills-tests", "mario-eval-tests", "qwen2.5-math-grader-examples", "symeval-tests"}


def lines(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def prediction(row: dict[str, Any]) -> str:
    return f"\\boxed{{{row['prediction']}}}" if row["source"] in BARE_SOURCES else row["prediction"]


@pytest.mark.parametrize("without_math_verify", [False, True])
def test_labelled_answers(shared_dir: Path, without_math_verify: bool) -> None:
    rows = [
        r
        for r in lines(shared_dir / "verifier" / "dev.jsonl")
        if not (without_math_verify and r["source"] == "math-verify-tests")
    ]
    counts = Counter((r["correct"], verify(prediction(r), r["gold"]).correct) for r in rows)
    right, wrong = (counts[label, True] + counts[label, False] for label in (True, False))
    assert counts[True, True] + counts[False, False] >= 0.985 * len(rows), counts
    assert counts[False, True] <= 0.003 * wrong, counts
    assert counts[True, False] <= 0.02 * right, counts


def test_hostile_answers_from_a_thread(shared_dir: Path) -> None:
    rows = lines(shared_dir / "verifier" / "hostile.jsonl")
    failures: list[str] = []

    def work() -> None:
        for row in rows:
            for pair in ((row["prediction"], row["gold"]),):
                start = time.perf_counter()
                verdict = verify(*pair)
                seconds = time.perf_counter() - start
                told = {"correct": "true", "incorrect": "false"}.get(verdict.status, verdict.status)
                if told not in row["accept"] or seconds > 2:
                    failures.append(f"{row['id']}: {told} in {seconds:.1f} s ({verdict.reason})")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    assert not Path("/tmp/vfy/PWNED").exists()


def test_math_golds_equal_themselves_and_are_rewarded(shared_dir: Path) -> None:
    golds = [
        r["answer"] for part in ("train", "test") for r in lines(shared_dir / "data" / part / "math.jsonl.gz")
    ]
    assert len(golds) > 12_000
    assert [g for g in golds if not verify(g, g).correct] == []
    for wrap in ("{}", "${}$", "\\boxed{{{}}}"):
        rewards = accuracy_reward(
            [f"Thus it is $\\boxed{{{g}}}$." for g in golds], answer=[wrap.format(g) for g in golds]
        )
        assert [g for g, reward in zip(golds, rewards, strict=True) if reward != 1.0][:5] == []


def test_ape_equations_have_their_answers(shared_dir: Path) -> None:
    rows = lines(shared_dir / "data" / "test" / "ape210k.jsonl.gz")
    wrong = [r for r in rows if not verify(f"\\boxed{{{r['solution']}}}", r["answer"]).correct]
    assert len(wrong) <= 4, [(r["solution"], r["answer"]) for r in wrong]


def test_rounded_answers_are_a_choice(shared_dir: Path) -> None:
    rows = [r for r in lines(shared_dir / "verifier" / "policy.jsonl") if "rounded decimal" in r["policy"]]
    strict = sum(verify(r["prediction"], r["gold"]).correct for r in rows)
    lenient = sum(verify(r["prediction"], r["gold"], rounding="sigfigs").correct for r in rows)
    assert strict == 1  # one states the exact expression beside its rounded value
    assert lenient >= 0.8 * len(rows)
