"""The problems of the benchmarks (``scdpo.data.benchmarks`` knows their places), and the check of their gold answers.

Whatever ``scdpo.data.problems.load_problems`` reads is a benchmark too: ``embedded``, any
``reasoning-gym:FAMILY`` (their held-out test split), and any file or data set with questions and answers.

Not covered: decontamination (``scdpo.data.overlap``).
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from scdpo.data.benchmarks import BENCHMARKS, DATA_VARIABLE, BenchmarkError, benchmark_source
from scdpo.data.problems import Problem, ProblemSourceError, generated, load_problems
from verifier import Verdict, verify_many
from verifier.files.fields import Fields


@dataclass(frozen=True, slots=True)
class GoldFailure:
    """A problem whose gold answer the verifier does not find equal to itself."""

    problem: Problem
    verdict: Verdict


def load_benchmark(
    name: str,
    data: Path | str | None = None,
    limit: int | None = None,
    seed: int = 0,
    fields: Fields | None = None,
) -> list[Problem]:
    """Return the test problems of a benchmark.

    Args:
        name: one of ``BENCHMARKS``, or any source of ``load_problems``, of which the test split is taken.
        data: folder with the benchmarks' files; None takes the one that ``SCDPO_DATA`` names.
        limit: at most N. Of a known benchmark or a file they are drawn with a fixed seed, so that an ordered
            one is not judged by its first subject; a smaller limit takes some of those of a larger one.
        seed: which instances of a generated source.
        fields: where question and answer are, in a file whose layout is not known.

    Raises:
        BenchmarkError: if a known benchmark is neither in the data folder nor on the hub, or the name is of no source.
        ProblemSourceError: if its file cannot be read.
    """
    source = benchmark_source(name, data)
    meant = get_close_matches(name, BENCHMARKS, n=1, cutoff=0.75)
    if (
        name not in BENCHMARKS and meant and "/" not in name and not Path(name).exists()
    ):  # not worth asking the hub for
        raise BenchmarkError(f"there is no benchmark {name!r}; did you mean {meant[0]}?")
    try:
        if generated(source):
            return load_problems(source, split="test", limit=limit, seed=seed)
        problems = load_problems(source, split="test", fields=fields)
    except ProblemSourceError as error:
        if name not in BENCHMARKS:
            raise BenchmarkError(f"{error} (known benchmarks: {', '.join(BENCHMARKS)})") from error
        if source != BENCHMARKS[name].hub:
            raise
        folder = data or os.environ.get(DATA_VARIABLE)
        looked = f"not in {folder}" if folder else f"looked for in no folder (--data or {DATA_VARIABLE})"
        raise BenchmarkError(f"{name}.jsonl(.gz) is {looked}, and {error}") from error
    drawn = random.Random(0).sample(range(len(problems)), len(problems))[:limit]
    return [problems[number] for number in sorted(drawn)]


def check_golds(problems: Sequence[Problem], workers: int = 2) -> list[GoldFailure]:
    """Verify every gold answer against itself, boxed as a model would write it.

    This finds gold answers that are empty, break the box, or are too large to compare; not those that are wrong.

    Args:
        problems: those to check; a benchmark's self-check before a model is blamed for its gold answers.
        workers: processes that verify.

    Returns:
        The failures, in order; such a problem can hardly be solved, whatever a model answers.
    """
    verdicts = verify_many([(rf"\boxed{{{p.gold}}}", p.gold) for p in problems], workers=workers)
    return [GoldFailure(p, v) for p, v in zip(problems, verdicts, strict=True) if not v.correct]
