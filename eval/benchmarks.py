"""The benchmarks by name, where their problems are found, and the check of their gold answers.

A benchmark is a local file in a data folder (``gsm8k.jsonl.gz``, in it or in its ``test/``) or, without one, a
Hugging Face data set. Whatever ``scdpo.data.problems.load_problems`` reads is a benchmark too: ``embedded``, any
``reasoning-gym:FAMILY`` (their held-out test split), and any file or data set with questions and answers.

Not covered: downloading beyond what the ``datasets`` library does, and decontamination.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from scdpo.data.problems import Problem, ProblemSourceError, generated, load_problems
from verifier import Verdict, verify_many
from verifier.files.fields import Fields

DATA_VARIABLE = "SCDPO_DATA"
"""Environment variable that names the data folder where no other is given."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A known benchmark.

    Attributes:
        name: as it is called on the command line, and the stem of its file.
        problems: how many its test split has.
        what: one line for a person.
        hub: its Hugging Face data set as ``load_problems`` takes it, where one has the fields needed.
    """

    name: str
    problems: int
    what: str
    hub: str | None = None


BENCHMARKS: Mapping[str, Benchmark] = {
    b.name: b
    for b in (
        Benchmark("gsm8k", 1319, "grade-school word problems", "openai/gsm8k:main"),
        # On the hub the subject is called type, so results from there are by level alone.
        Benchmark(
            "math",
            5000,
            "competition problems, by level and subject",
            "DigitalLearningGmbH/MATH-lighteval:default",
        ),
        Benchmark("math500", 500, "500 of the math problems, by level and subject", "HuggingFaceH4/MATH-500"),
        Benchmark("svamp", 1000, "simple word problems with varied wording"),
        Benchmark("mathematics", 1000, "a sample of DeepMind's generated mathematics"),
        Benchmark("ape210k", 5000, "Chinese elementary-school word problems"),
        Benchmark("cmath", 1098, "Chinese elementary-school word problems, by grade"),
        Benchmark("mgsm_zh", 250, "gsm8k problems in Chinese"),
    )
}


class BenchmarkError(ProblemSourceError):
    """A benchmark cannot be found; the message says where it was looked for and what to give."""


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
    source = _source(name, data)
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


def _source(name: str, data: Path | str | None) -> str:
    benchmark = BENCHMARKS.get(name)
    if benchmark is None:
        return name
    chosen = data or os.environ.get(DATA_VARIABLE)
    if chosen:
        folder = Path(chosen)
        places = [d / f"{name}{end}" for d in (folder, folder / "test") for end in (".jsonl.gz", ".jsonl")]
        for place in places:
            if place.is_file():
                return str(place)
    if benchmark.hub is None:
        looked = f"not in {chosen}" if chosen else f"give its folder with --data or {DATA_VARIABLE}"
        raise BenchmarkError(
            f"{name} needs a file {name}.jsonl or {name}.jsonl.gz with question and answer in each line; {looked}"
        )
    return benchmark.hub


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
