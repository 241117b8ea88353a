"""Which problems and pairs the models of the replication's studies are trained and tested on."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from experiments.problem_sets import HELD_OUT, SEEN, TESTS, held_out_problems, preference_problems
from experiments.report import pair_figures
from experiments.studies import (
    START,
    STUDIES,
    Study,
    confirmed,
    data_equal_pairs,
    first_naive,
    one_branch,
    scdpo_pairs,
)
from sandbox import Block, Solution
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import naive_pairs, step_controlled_pair
from scdpo.data.problems import generate
from scdpo.data.records import ConfirmationRecord, OriginRecord, RateRecord, SolutionRecord
from scdpo.data.runs import Run


def solution(problem: str, number: int, answer: int) -> SolutionRecord:
    """Return a recorded solution of a problem whose right answer is 4."""
    steps = (Block("text", "Add."), Block("code", f"{answer}"), Block("execution", f"{answer}"))
    made = Solution((*steps, Block("text", f"So \\boxed{{{answer}}}.")))
    return as_record(made, "2 + 2?", "4", id=f"{problem}#0.{number}", problem_id=problem)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with problems a and b: of each two right and two wrong solutions, two naive pairs and three branches."""
    made = Run(tmp_path / "seed-7")
    for problem in "ab":
        solutions = [solution(problem, i, answer) for i, answer in enumerate((4, 5, 4, 6))]
        for record in solutions:
            made.solutions.append(record)
        for pair in naive_pairs(solutions, per_problem=2):
            made.pairs.append(pair)
        for step in range(2):
            origin = OriginRecord(
                chosen_id=solutions[0].id, rejected_id=f"{problem}@{step}", corruptor="temperature"
            )
            wrong = [Block("text", "So \\boxed{9}.")]
            made.pairs.append(step_controlled_pair(solutions[0], step, wrong, [], "9", origin))
    return made


def test_dpo_has_one_naive_pair_a_problem(run: Run) -> None:
    assert [pair.problem_id for pair in first_naive(run)] == ["a", "b"]


def test_data_equal_dpo_has_as_many_pairs_as_scdpo_all_naive(run: Run) -> None:
    assert Counter(pair.kind for pair in scdpo_pairs(run)) == {"naive": 2, "step_controlled": 4}
    equal = data_equal_pairs(run)
    assert Counter((pair.problem_id, pair.kind) for pair in equal) == {("a", "naive"): 3, ("b", "naive"): 3}
    assert len({pair.id for pair in equal}) == 6


def test_one_branch_keeps_the_first_branch_of_a_problem(run: Run) -> None:
    kept = [(pair.problem_id, pair.branch_step) for pair in one_branch(run) if pair.kind != "naive"]
    assert kept == [("a", 0), ("b", 0)]


@pytest.mark.parametrize(
    ("right_before", "right_after", "kept"), [(6, 2, True), (8, 3, False), (3, 0, True), (0, 0, False)]
)
def test_a_confirmed_error_leaves_a_third_of_the_right_roll_outs_at_most(
    run: Run, right_before: int, right_after: int, kept: bool
) -> None:
    pair = next(pair for pair in run.pairs if pair.kind == "step_controlled")
    before, after = RateRecord(right=right_before, tried=8), RateRecord(right=right_after, tried=8)
    confirmation = ConfirmationRecord(before=before, after=after)
    run.pairs.append(pair.model_copy(update={"id": "rolled-out", "confirmation": confirmation}))
    assert ("rolled-out" in {pair.id for pair in confirmed(run)}) is kept
    assert [pair.id for pair in confirmed(run) if pair.kind == "naive"] == [p.id for p in first_naive(run)]


def test_what_roll_outs_say_of_the_pairs_of_all_seeds(run: Run) -> None:
    made = [pair for pair in run.pairs if pair.kind == "step_controlled"][:2]
    for pair, (right, after) in zip(made, ((8, 0), (2, 1)), strict=True):
        confirmation = ConfirmationRecord(
            before=RateRecord(right=right, tried=8), after=RateRecord(right=after, tried=8)
        )
        run.pairs.append(pair.model_copy(update={"id": f"{pair.id}-tried", "confirmation": confirmation}))
    assert [pair.branch_step for pair in made] == [0, 1]
    expected = {"pairs": 2, "confirmed": 50.0, "sure": 50.0, "first": 100.0, "later": 25.0}
    assert pair_figures(run.folder.parent) == expected


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_no_two_models_share_a_folder_or_a_name(study: Study) -> None:
    variants = study.variants
    assert len({v.folder for v in variants}) == len({v.name for v in variants} | {START}) - 1 == len(variants)


def test_no_pair_is_made_of_a_held_out_template() -> None:
    shown = {made.metadata.get("template") for made in islice(generate(SEEN, "preference"), 300)}
    tested = {made.metadata["template"] for made in islice(generate(TESTS["templates"], "test"), 100)}
    assert len(shown) > 20
    assert tested <= HELD_OUT
    assert not shown & HELD_OUT


@pytest.mark.parametrize("test", TESTS)
def test_no_test_problem_is_among_those_of_the_pairs(test: str) -> None:
    tested = {problem.question for problem in held_out_problems(test, 3, 50)}
    assert len(tested) == 50
    assert not tested & {problem.question for problem in preference_problems(3, 300)}


def test_families_that_a_policy_does_not_know_are_left_out() -> None:
    problems = held_out_problems("seen", 3, 200, frozenset(["calendar_arithmetic"]))
    assert len(problems) == 200
    assert {p.source for p in problems} == set(SEEN) - {"calendar_arithmetic"}
