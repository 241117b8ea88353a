"""Measure a model on problems: sample, verify, keep every transcript, and write the numbers.

The solutions come from a function such as ``scdpo.sampling.sampler.sample_solutions``; each is written down as soon
as it is there, so an evaluation that was stopped goes on with the problems that are not finished. Code-integrated or
chain-of-thought, any engine: that is the sampler's business.

Not covered: the prompt's tokens in the cost (engines share prefixes, so what they cost is theirs to say), and
seconds that passed before a ``kill -9``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.metrics import Estimate, estimate, maj_at_k, pass_at_k
from eval.results import (
    FOLDER,
    Cost,
    Evaluation,
    ResultError,
    Settings,
    read_result,
    result_name,
    result_path,
    transcripts_path,
)
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import RecordFile, Run
from scdpo.jobs.local import Progress
from verifier import verify


class Sample(Protocol):
    """What draws the solutions: ``partial(sample_solutions, sampler=sampler)``, or a fake of it."""

    def __call__(
        self, problems: Sequence[Problem], *, n: int, temperature: float, seed: int
    ) -> AsyncIterator[SolutionRecord]:
        """Yield ``n`` solutions of each problem as they are ready, with ids that a second call repeats."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the numbers need of a solution."""

    id: str
    status: str
    answer: str | None
    ending: str
    tokens: int


async def evaluate(
    run: Run,
    problems: Sequence[Problem],
    sample: Sample,
    settings: Settings,
    *,
    model: str,
    benchmark: str,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on problems and write ``eval/NAME.json`` and ``eval/NAME.transcripts.jsonl``.

    Args:
        run: an entered run folder.
        problems: what to solve; each id once.
        sample: draws the solutions.
        settings: how they are drawn; ``samples`` a problem at ``temperature``.
        model: the model's name in tables.
        benchmark: the benchmark's name in tables.
        progress: hears how many solutions there are to make, how many were made before, and of each new one.

    Returns:
        The finished evaluation. A problem without a verdict of ``correct`` counts as wrong, an unverifiable
        one included; ``verdicts`` says how many those are.

    Raises:
        ResultError: if there are no problems, ids repeat, or the folder has results of another set-up, or of
            more problems, under this name.
        RunError: if the transcripts cannot be read or written.
    """
    if not problems or len({p.id for p in problems}) != len(problems):
        raise ResultError(f"{benchmark}: needs one or more problems, each id once")
    name = result_name(model, benchmark, settings)
    new = Evaluation(name=name, model=model, benchmark=benchmark, settings=settings, started=time.time())
    known = _previous(run, new) or new
    transcripts = RecordFile(transcripts_path(run.folder, name), SolutionRecord)
    outcomes = _recorded(transcripts, problems)
    begun = time.monotonic()
    before = known.cost.seconds

    def so_far() -> Cost:
        tokens = sum(o.tokens for of_problem in outcomes.values() for o in of_problem.values())
        return Cost(tokens=tokens, seconds=round(before + time.monotonic() - begun, 3))

    todo = [p for p in problems if len(outcomes[p.id]) < settings.samples]
    if progress is not None:
        made = sum(min(len(of), settings.samples) for of in outcomes.values())
        progress.start(new.title, len(problems) * settings.samples, made)
    if known.finished and not todo and set(known.scores) == set(outcomes):
        return known
    if known.finished and set(known.scores) > set(outcomes):
        raise ResultError(
            f"{result_path(run.folder, name)} is a result on {len(known.scores)} problems, which one on "
            f"{len(problems)} of them would replace; choose another folder, or as many problems"
        )
    _write(run, known.model_copy(update={"finished": False}))
    try:
        drawn = sample(todo, n=settings.samples, temperature=settings.temperature, seed=settings.seed)
        async for record in drawn:
            transcripts.append(record)
            outcomes[record.problem_id].setdefault(record.id, _outcome(record))
            if progress is not None:
                progress.advance(int(record.verdict.status == "correct"))
    finally:
        transcripts.close()
        stopped = known.model_copy(update={"finished": False, "cost": so_far()})
        _write(run, stopped)
    short = [p.id for p in problems if len(outcomes[p.id]) < settings.samples]
    if short:
        raise ResultError(
            f"{name}: {len(short)} problems have too few solutions, the first of them {short[0]}"
        )
    result = await asyncio.to_thread(_scored, stopped, problems, outcomes)
    _write(run, result)
    return result


def _previous(run: Run, new: Evaluation) -> Evaluation | None:
    """Return what the folder has of an evaluation, if it was made in the same way."""
    path = result_path(run.folder, new.name)
    if not path.exists():
        if transcripts_path(run.folder, new.name).exists():
            raise ResultError(
                f"{transcripts_path(run.folder, new.name)} has no {path.name} beside it; remove it"
            )
        return None
    known = read_result(path)
    before, now = (
        {"model": e.model, "benchmark": e.benchmark, **e.settings.model_dump()} for e in (known, new)
    )
    differing = [
        f"{field} ({before[field]!r:.80}, now {now[field]!r:.80})"
        for field in now
        if before[field] != now[field]
    ]
    if differing:
        raise ResultError(
            f"{path} was made with other settings: {', '.join(differing)}; choose another folder (--run) or "
            "another name in tables (--name), or remove it and its transcripts"
        )
    return known


def _recorded(
    transcripts: RecordFile[SolutionRecord], problems: Sequence[Problem]
) -> dict[str, dict[str, _Outcome]]:
    """Return the outcomes already written, by problem and solution id, of the problems asked for."""
    outcomes: dict[str, dict[str, _Outcome]] = {p.id: {} for p in problems}
    by_id = {p.id: p for p in problems}
    for record in transcripts:
        problem = by_id.get(record.problem_id)
        if problem is None:
            continue
        if (record.question, record.gold) != (problem.question, problem.gold):
            raise ResultError(
                f"{transcripts.path}: {record.problem_id} had another question or gold answer when it was "
                "solved; choose another folder, or remove the file and its .json"
            )
        outcomes[record.problem_id][record.id] = _outcome(record)
    return outcomes


def _outcome(record: SolutionRecord) -> _Outcome:
    verdict, sampling = record.verdict, record.sampling
    return _Outcome(record.id, verdict.status, verdict.answer, sampling.finish, sampling.tokens)


def _write(run: Run, evaluation: Evaluation) -> None:
    run.write_json(f"{FOLDER}/{evaluation.name}.json", evaluation.model_dump(mode="json"))


def _scored(
    evaluation: Evaluation, problems: Sequence[Problem], outcomes: Mapping[str, Mapping[str, _Outcome]]
) -> Evaluation:
    samples = evaluation.settings.samples
    # In the order of their ids, not of their ending: maj@k takes the first k, and quick ones end first.
    drawn = {p: sorted(of.values(), key=lambda o: (len(o.id), o.id))[:samples] for p, of in outcomes.items()}
    right = {p: [o.status == "correct" for o in of] for p, of in drawn.items()}
    scores = {p: sum(r) / samples for p, r in right.items()}
    ks = _ks(samples) if samples > 1 else []
    votes = {p: _written_alike(of) for p, of in drawn.items()} if ks else {}
    every = [o for of in drawn.values() for o in of]
    return evaluation.model_copy(
        update={
            "finished": True,
            "accuracy": estimate(list(scores.values())),
            "pass_at": {k: estimate([pass_at_k(samples, sum(r), k) for r in right.values()]) for k in ks},
            "majority_at": {k: estimate([maj_at_k(votes[p], right[p], k) for p in right]) for k in ks},
            "by": {field: by for field in ("level", "subject") if (by := _grouped(problems, scores, field))},
            "verdicts": dict(Counter(o.status for o in every)),
            "endings": dict(Counter(o.ending for o in every)),
            "scores": scores,
            "problems": {p.id: _digest(p) for p in problems},
        }
    )


def _digest(problem: Problem) -> str:
    both = f"{problem.question}\x1f{problem.gold}"
    return hashlib.blake2b(both.encode(errors="surrogatepass"), digest_size=4).hexdigest()


def _ks(samples: int) -> list[int]:
    """Return 1, 2, 4, … and ``samples`` itself."""
    return sorted({samples, *(2**i for i in range(int(math.log2(samples)) + 1))})


def _written_alike(outcomes: Iterable[_Outcome]) -> list[str | None]:
    """Return the answers with equal ones written as the first of them."""
    groups: list[str] = []
    alike: dict[str | None, str | None] = {None: None}
    answers = [o.answer for o in outcomes]
    for answer in answers:
        if answer is None or answer in alike:
            continue
        alike[answer] = next((g for g in groups if verify(rf"\boxed{{{answer}}}", g).correct), answer)
        if alike[answer] == answer:
            groups.append(answer)
    return [alike[answer] for answer in answers]


def _grouped(problems: Sequence[Problem], scores: Mapping[str, float], field: str) -> dict[str, Estimate]:
    groups: dict[str, list[float]] = {}
    for problem in problems:
        value = getattr(problem, field)
        if value is not None:
            groups.setdefault(value, []).append(scores[problem.id])
    return {value: estimate(groups[value]) for value in sorted(groups)}
