"""The verifier beside Math-Verify: accuracy by kind, time for each pair, throughput.

    python benchmarks/verifier.py --data ../shared/verifier/dev.jsonl
    python benchmarks/verifier.py --pairs 2000          (generated pairs, needs no data)
    python benchmarks/verifier.py --audit ../shared/data/tir/mathcoder_math.jsonl.gz     (labels of recorded solutions)

Both verifiers see the same pairs in the same order, each in a process of its own, after a warm-up of a few pairs;
nothing else is shared, and both start with empty caches. Plain numbers are one set more, with processes of their own.
Times are processor times, so that other work on the machine does not count. Golds are put in dollars for Math-Verify,
as it asks for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this file is named as the package is, and its own folder comes first

from benchmarks.answer_pairs import labelled_pairs  # noqa: E402
from verifier import Verdict, verify  # noqa: E402
from verifier.files.inputs import read_items  # noqa: E402
from verifier.files.item import Item  # noqa: E402
from verifier.parsing.plain_numbers import read_number  # noqa: E402

BARE = {"nemo-skills-tests", "mario-eval-tests", "qwen2.5-math-grader-examples", "symeval-tests"}


def load(data: Path | None, count: int) -> list[dict[str, Any]]:
    """Return pairs with ``prediction``, ``gold``, ``correct``, ``kind`` and whether both are plain numbers."""
    if data is None:
        rows = [
            {"prediction": p.prediction, "gold": p.gold, "correct": p.correct, "kind": p.family}
            for p in labelled_pairs(count)
        ]
    else:
        rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            row["kind"] = row["source"]
            if row["source"] in BARE:
                row["prediction"] = f"\\boxed{{{row['prediction']}}}"
        rows = rows[:: max(1, len(rows) // count)] if count else rows
    return rows


# One of each way to state an answer, so that what is loaded and compiled at the first use of it is not counted.
WARM_UP = [
    ("\\boxed{x+1}", "1+x"), ("So $x=2$, and it is $\\boxed{3}$. Done.", "3"), ("We add.\n\nThe answer is 5.", "5"),
    ("He has 3 bags of 4. So he has 12 apples left, which is all of them.", "12"), ("7", "7"), ("#### 1,200", "1200"),
]  # fmt: skip


def run_ours(rows: list[dict[str, Any]]) -> list[tuple[bool, float]]:
    for prediction, gold in WARM_UP:
        verify(prediction, gold)
    return timed(rows, lambda row: verify(row["prediction"], row["gold"]).correct)


def run_math_verify(rows: list[dict[str, Any]]) -> list[tuple[bool, float]]:
    from math_verify import parse
    from math_verify import verify as math_verify

    def one(row: dict[str, Any]) -> bool:
        gold = row["gold"] if "$" in row["gold"] or "boxed" in row["gold"] else f"${row['gold']}$"
        return bool(math_verify(parse(gold), parse(row["prediction"])))

    for prediction, gold in WARM_UP:
        one({"prediction": prediction, "gold": gold})
    return timed(rows, one)


def timed(rows: list[dict[str, Any]], one: Any) -> list[tuple[bool, float]]:
    """Return each answer and its processor time, without what reading the clock takes (0.6 microseconds or so)."""
    results = []
    clock = cost_of_the_clock()
    for row in rows:
        start = time.process_time()
        answer = one(row)
        results.append((answer, max(0.0, time.process_time() - start - clock)))
    return results


def cost_of_the_clock() -> float:
    readings = [time.process_time() for _ in range(10_001)]
    return (readings[-1] - readings[0]) / 10_000


def is_numeric(row: dict[str, Any]) -> bool:
    from verifier import extract_answer

    answer = extract_answer(row["prediction"])
    return answer is not None and read_number(answer) is not None and read_number(row["gold"]) is not None


def measure(which: str, arguments: argparse.Namespace, numeric: bool = False) -> list[tuple[bool, float]]:
    """Run one verifier in a process of its own, on all pairs or on plain numbers; return its answers and times."""
    command = [sys.executable, __file__, "--worker", which, "--pairs", str(arguments.pairs)]
    command += ["--data", str(arguments.data)] if arguments.data else []
    command += ["--numeric"] if numeric else []
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [tuple(pair) for pair in json.loads(run.stdout.splitlines()[-1])]


def summary(name: str, rows: list[dict[str, Any]], results: list[tuple[bool, float]]) -> dict[str, Any]:
    times = sorted(seconds for _, seconds in results)
    right = sum(answer == row["correct"] for row, (answer, _) in zip(rows, results, strict=True))
    false_positives = sum(
        answer and not row["correct"] for row, (answer, _) in zip(rows, results, strict=True)
    )
    false_negatives = sum(
        row["correct"] and not answer for row, (answer, _) in zip(rows, results, strict=True)
    )
    return {
        "name": name,
        "pairs": len(rows),
        "accuracy": right / len(rows),
        "false positives": false_positives,
        "false negatives": false_negatives,
        "per second": len(rows) / sum(times),
        "p50 ms": times[len(times) // 2] * 1000,
        "p99 ms": times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
        "max ms": times[-1] * 1000,
    }


def show(title: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    print(f"\n{title} ({ours['pairs']} pairs)")
    print(f"{'':18}{'verifier':>14}{'Math-Verify':>14}")
    for key in ("accuracy", "false positives", "false negatives", "per second", "p50 ms", "p99 ms", "max ms"):
        print(f"{key:18}{ours[key]:14.4g}{theirs[key]:14.4g}")
    print(f"{'ratio of throughput':18} {ours['per second'] / theirs['per second']:.1f}x")


def by_kind(
    rows: list[dict[str, Any]], ours: list[tuple[bool, float]], theirs: list[tuple[bool, float]]
) -> None:
    groups: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for row, (mine, _), (other, _) in zip(rows, ours, theirs, strict=True):
        groups[row["kind"]].append((row["correct"], mine, other))
    print(f"\n{'kind':34}{'pairs':>6}  {'verifier % (fp/fn)':>22}{'Math-Verify % (fp/fn)':>24}")
    for kind, group in sorted(groups.items()):
        cells = []
        for column in (1, 2):
            wrong_yes = sum(g[column] and not g[0] for g in group)
            wrong_no = sum(g[0] and not g[column] for g in group)
            cells.append(f"{100 * (1 - (wrong_yes + wrong_no) / len(group)):.1f} ({wrong_yes}/{wrong_no})")
        print(f"{kind:34}{len(group):6}  {cells[0]:>22}{cells[1]:>24}")


def cause(item: Item, verdict: Verdict) -> str:
    """Say how a recorded label and a verdict differ."""
    if verdict.status == "unverifiable":
        return "unverifiable"
    if verdict.correct == item.label:
        return "agree"
    if verdict.correct:
        return "labelled wrong, is the gold"
    if verdict.prediction is None:
        return "labelled right, none stated at the end"
    if verify(item.prediction, item.gold, rounding="sigfigs").correct:
        return "labelled right, rounded"
    parts = verdict.prediction.split(", ")
    if len(parts) > 1 and any(verify(f"\\boxed{{{part}}}", item.gold).correct for part in parts):
        return "labelled right, several answers"
    return "labelled right, another answer"


def audit(paths: list[Path]) -> None:
    """Print, for each source, how the labels of recorded solutions compare with the verdicts."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for path in paths:
        for item in read_items(path):
            if item.label is not None:
                source = "/".join((path.name.split(".")[0], item.id.split("/")[1]))
                counts[source][cause(item, verify(item.prediction, item.gold))] += 1
    for source, found in sorted(counts.items()):
        print(f"\n{source}: {found.total()} labelled solutions")
        for name, number in found.most_common():
            print(f"  {number:6}  {100 * number / found.total():6.2f} %  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="labelled pairs as JSON Lines; generated pairs if not given"
    )
    parser.add_argument(
        "--pairs", type=int, default=0, help="how many pairs (0: all of the data, or 1,000 generated)"
    )
    parser.add_argument("--worker", choices=("ours", "math-verify"), help=argparse.SUPPRESS)
    parser.add_argument("--numeric", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--audit", type=Path, nargs="+", help="recorded solutions with labels to compare with the verdicts"
    )
    arguments = parser.parse_args()
    if arguments.audit:
        audit(arguments.audit)
        return
    arguments.data = arguments.data.resolve() if arguments.data else None
    arguments.pairs = arguments.pairs or (0 if arguments.data else 1000)
    rows = load(arguments.data, arguments.pairs)
    if arguments.numeric:
        rows = [row for row in rows if is_numeric(row)]
    if arguments.worker:
        print(json.dumps((run_ours if arguments.worker == "ours" else run_math_verify)(rows)))
        return
    ours, theirs = measure("ours", arguments), measure("math-verify", arguments)
    show("All", summary("verifier", rows, ours), summary("Math-Verify", rows, theirs))
    numbers = [row for row in rows if is_numeric(row)]
    mine, other = measure("ours", arguments, numeric=True), measure("math-verify", arguments, numeric=True)
    show("Plain numbers", summary("", numbers, mine), summary("", numbers, other))
    by_kind(rows, ours, theirs)


if __name__ == "__main__":
    main()
