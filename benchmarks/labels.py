"""How right the verdicts are on labelled cases from outside: by source, by kind, hedges, and where failures arise.

    python benchmarks/labels.py                       (cases in ../shared/verifier, or $SCDPO_SHARED/verifier)
    python benchmarks/labels.py --failures            (each failure, with the stage that it arises in)
    python benchmarks/labels.py --data more.jsonl     (other cases: prediction, gold, correct; kind and source if known)

Without the cases it says so and ends. "Wrong called correct" and "right called incorrect" are the two that harm a
training set; an ``unverifiable`` one is left out of it. Public cases are those whose source is another project;
the rest are probes of the kinds that failed there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # a module of the name of a package may stand in this file's own folder

from verifier import Verdict, verify  # noqa: E402
from verifier.extraction.extract import extract  # noqa: E402

PROBES = "own"
BARE = {"nemo-skills-tests", "mario-eval-tests", "qwen2.5-math-grader-examples", "symeval-tests"}
WHOLE = {"boxed", "answer tag", "bare"}  # places whose content is taken as it stands


@dataclass(frozen=True)
class Judged:
    """A labelled case with the verdict on it."""

    id: str
    prediction: str
    gold: str
    label: bool
    kind: str
    source: str
    verdict: Verdict

    @property
    def right(self) -> bool:
        """Whether the verdict accepts what is right and nothing else."""
        return self.verdict.correct == self.label

    @property
    def harm(self) -> str:
        """What the failure does: accept, reject, or leave out."""
        if self.right:
            return ""
        if self.verdict.correct:
            return "wrong called correct"
        return f"right called {self.verdict.status}"

    @property
    def stage(self) -> str:
        """Say where the failure most likely arises: reading the gold, finding the answer, or comparing the two."""
        if self.verdict.gold != self.gold.strip().strip("$").strip():
            return "gold"
        found = extract(self.prediction)
        if found is None or found.source not in WHOLE:
            return "extraction"
        return "comparison"


def judged(path: Path) -> list[Judged]:
    """Return the cases of a file with the verdicts on them; those whose label is a matter of policy are left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cases = []
    for number, row in enumerate(rows):
        if not isinstance(row["correct"], bool):
            continue
        source = row.get("source", "?")
        prediction = f"\\boxed{{{row['prediction']}}}" if source in BARE else row["prediction"]
        verdict = verify(prediction, row["gold"])
        cases.append(
            Judged(
                str(row.get("id", number)),
                prediction,
                row["gold"],
                row["correct"],
                row.get("kind", "?"),
                source,
                verdict,
            )
        )
    return cases


def report(title: str, cases: list[Judged]) -> None:
    """Print one line: accuracy, and the failures by what they do."""
    right, wrong = sum(c.label for c in cases), sum(not c.label for c in cases)
    failures = [c.harm for c in cases if not c.right]
    accepted = failures.count("wrong called correct")
    rejected, open_ = failures.count("right called incorrect"), failures.count("right called unverifiable")
    accuracy = 100 * (len(cases) - len(failures)) / len(cases) if cases else 100.0
    print(
        f"{title[:56]:56} {len(cases):5} {accuracy:6.1f} %  "
        f"{accepted:3} of {wrong:4} accepted  {rejected:3} of {right:4} rejected  {open_:3} unverifiable"
    )


def grouped(title: str, cases: list[Judged], attribute: str) -> None:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for case in cases:
        groups[getattr(case, attribute)].append(case)
    print(f"\n{title}")
    for name, group in sorted(groups.items(), key=lambda item: (-sum(not c.right for c in item[1]), item[0])):
        report(f"  {name}", group)


def show_failures(cases: list[Judged]) -> None:
    for case in sorted(cases, key=lambda c: (c.stage, c.kind)):
        if not case.right:
            print(f"\n[{case.stage}] {case.harm}: {case.id} ({case.kind})")
            print(f"  prediction {case.prediction[-300:]!r}\n  gold       {case.gold!r}")
            print(f"  read as    {case.verdict.prediction!r}, {case.verdict.gold!r}: {case.verdict.reason}")


def hedges(path: Path) -> list[tuple[str, str, Verdict]]:
    """Return what is accepted of texts that mention the gold without stating it: the text, the gold, the verdict."""
    data = json.loads(path.read_text(encoding="utf-8"))
    accepted, count = [], 0
    for gold, wrong in data["values"]:
        for template in data["templates"]:
            text = filled(template, gold, wrong)
            verdict = verify(text, gold)
            count += 1
            if verdict.correct:
                accepted.append((text, gold, verdict))
    print(f"\nHedges accepted: {len(accepted)} of {count} ({100 * len(accepted) / count:.1f} %)")
    return accepted


def filled(template: str, gold: str, wrong: str) -> str:
    """Put the values in for G and W where these stand alone, not as letters of a word."""
    pieces = []
    for i, letter in enumerate(template):
        before = template[i - 1 : i] if i else ""
        after = template[i + 1 : i + 2]
        alone = not ((before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha()))
        pieces.append({"G": gold, "W": wrong}.get(letter, letter) if alone else letter)
    return "".join(pieces)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("SCDPO_SHARED", ROOT.parent / "shared")) / "verifier"
    parser.add_argument("--data", type=Path, nargs="*", help="labelled cases as JSON Lines")
    parser.add_argument("--failures", action="store_true", help="print each failure")
    arguments = parser.parse_args()
    if arguments.data is None and not (shared / "public.jsonl").exists():
        print(f"no labelled cases in {shared} (set SCDPO_SHARED to the folder that holds verifier/)")
        return
    for path in arguments.data or [shared / "public.jsonl", shared / "dev.jsonl"]:
        cases = judged(path)
        print(f"\n{path.name}")
        report("all", cases)
        public = [c for c in cases if c.source != PROBES]
        if 0 < len(public) < len(cases):
            report("public cases", public)
            report("probes", [c for c in cases if c.source == PROBES])
        grouped("by stage", [c for c in cases if not c.right], "stage")
        grouped("by source", cases, "source")
        grouped("by kind", cases, "kind")
        if arguments.failures:
            show_failures(cases)
    if arguments.data is None:
        for text, gold, verdict in hedges(shared / "hedging.json"):
            print(f"  {text!r} for {gold!r}: read as {verdict.prediction!r}, {verdict.reason}")


if __name__ == "__main__":
    main()
