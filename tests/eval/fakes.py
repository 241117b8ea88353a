"""Solutions made by hand, and a sampler that needs no model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from scdpo.data.problems import Problem
from scdpo.data.records import BlockRecord, SamplingRecord, SolutionRecord, VerdictRecord

Answer = Callable[[Problem, int], str | None]


def make_solution(
    problem: Problem, number: int = 0, answer: str | None = "1", *, blocks: Sequence[tuple[str, str]] = ()
) -> SolutionRecord:
    """A solution whose answer is compared with the gold as a string."""
    written = list(blocks) or [
        ("text", "Let us compute."),
        ("code", f"x = {number}\nprint(x)"),
        ("execution", str(number)),
        ("text", rf"So it is \boxed{{{answer}}}." if answer is not None else "I do not know."),
    ]
    return SolutionRecord(
        id=f"{problem.id}#0.{number}",
        problem_id=problem.id,
        question=problem.question,
        gold=problem.gold,
        blocks=[BlockRecord(type=t, content=c) for t, c in written],  # type: ignore[arg-type]
        verdict=VerdictRecord(
            status="correct" if answer == problem.gold else "incorrect",
            answer=answer,
            reason="equal as text" if answer == problem.gold else f"{answer} is not {problem.gold}",
        ),
        clean=True,
        dropped="",
        sampling=SamplingRecord(
            engine="fake",
            model="fake-model",
            format="mathcoder",
            seed=7,
            temperatures=[1.0, 1.0, 1.0],
            finish="end" if answer is not None else "length",
            tokens=10,
            block_tokens=[],
        ),
        isolation="namespaces",
    )


class FakeSample:
    """Answers by a function; notes what it was asked, and may stop with an error after so many solutions."""

    def __init__(self, answer: Answer, stop_after: int | None = None) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.stop_after = stop_after

    async def __call__(
        self, problems: Sequence[Problem], *, n: int, temperature: float, seed: int
    ) -> AsyncIterator[SolutionRecord]:
        self.asked += [p.id for p in problems]
        done = 0
        for number in reversed(range(n)):  # the last is ready first, as it may well be
            for problem in problems:
                if done == self.stop_after:
                    raise KeyboardInterrupt
                done += 1
                yield make_solution(problem, number, self.answer(problem, number))
