"""What a job remembers of the solutions it has made: enough to go on and to pair them, some hundred bytes each.

A solution's record is 12 to 29 KB; a run may hold a million of them. So jobs keep outcomes, and read a record again
from its file when a pair is made of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import intern

from scdpo.data.pairs import matched, naive_pair, naive_pair_id
from scdpo.data.problems import Problem
from scdpo.data.records import BranchRecord, PairRecord, SolutionRecord
from scdpo.data.runs import Run, RunError


@dataclass(frozen=True, slots=True)
class SolutionFate:
    """What came of a solution.

    Attributes:
        id: of its record.
        problem_id: of its problem.
        fate: ``preferred``, ``dispreferred``, or why it is neither.
    """

    id: str
    problem_id: str
    fate: str

    @classmethod
    def of(cls, solution: SolutionRecord) -> SolutionFate:
        """Return the outcome of a recorded solution."""
        return cls(solution.id, intern(solution.problem_id), intern(_fate(solution)))

    @property
    def preferred(self) -> bool:
        """As ``SolutionRecord.preferred``."""
        return self.fate == "preferred"

    @property
    def dispreferred(self) -> bool:
        """As ``SolutionRecord.dispreferred``."""
        return self.fate == "dispreferred"


def _fate(solution: SolutionRecord) -> str:
    if solution.preferred:
        return "preferred"
    if solution.dispreferred:
        return "dispreferred"
    if solution.dropped:
        return solution.dropped
    if solution.verdict.status == "correct":
        return "right but not clean"
    return "no answer" if solution.verdict.answer is None else "unverifiable"


class Branched:
    """What a run holds of the branches by one corruptor, by chosen solution; records are read again when asked for.

    Args:
        run: whose branches and pairs; read when this is made.
        corruptor: as records name it.
    """

    def __init__(self, run: Run, corruptor: str) -> None:
        self._run = run
        self._branches: dict[str, list[str]] = defaultdict(list)
        self._pairs: dict[str, list[str]] = defaultdict(list)
        for branch in run.branches:
            if branch.corruptor == corruptor:
                self._branches[branch.chosen_id].append(branch.id)
        for pair in run.pairs:
            if pair.kind == "step_controlled" and pair.origin.corruptor == corruptor:
                self._pairs[pair.origin.chosen_id].append(pair.id)

    def branches(self, chosen_id: str) -> list[BranchRecord]:
        """Return the records of the branches off a chosen solution."""
        return [self._run.branches.get(id) for id in self._branches.get(chosen_id, ())]

    def pairs(self, chosen_id: str) -> list[PairRecord]:
        """Return the pairs that branch off a chosen solution."""
        return [self._run.pairs.get(id) for id in self._pairs.get(chosen_id, ())]


def known_outcomes(run: Run, problems: Sequence[Problem]) -> dict[str, list[SolutionFate]]:
    """Return what came of the solutions that a run holds, by problem; an empty list where it holds none.

    Raises:
        RunError: if a problem's question or gold answer differs from that of its solutions.
    """
    asked = {problem.id: problem for problem in problems}
    known: dict[str, list[SolutionFate]] = defaultdict(list)
    for solution in run.solutions:
        problem = asked.get(solution.problem_id)
        if problem is not None and (problem.question, problem.gold) != (solution.question, solution.gold):
            field = "question" if problem.question != solution.question else "gold answer"
            raise RunError(
                f"the {field} of problem {problem.id!r} is not the one that {run.folder} holds solutions of: "
                "the problems were changed since. Put them back, or choose another folder; a field 'id' in each "
                "line of a file keeps problems apart when lines come and go"
            )
        known[solution.problem_id].append(SolutionFate.of(solution))
    return known


def in_order(outcomes: Iterable[SolutionFate]) -> list[SolutionFate]:
    """Sort by problem and number: a file has solutions in the order in which they were ready."""

    def key(outcome: SolutionFate) -> tuple[str, list[int]]:
        number = outcome.id.removeprefix(outcome.problem_id).lstrip("#").split(".")
        return outcome.problem_id, [int(part) for part in number if part.isdigit()]

    return sorted(outcomes, key=key)


def write_naive_pairs(run: Run, outcomes: Iterable[SolutionFate], count: int) -> int:
    """Write the naive pairs of one problem, at most ``count``, and return how many of them are new.

    Raises:
        RunError: if a record cannot be written.
    """
    new = 0
    for chosen, rejected in matched(in_order(outcomes), count):
        if naive_pair_id(chosen.problem_id, chosen.id, rejected.id) not in run.pairs:
            pair = naive_pair(run.solutions.get(chosen.id), run.solutions.get(rejected.id))
            new += run.pairs.append(pair)
    return new
