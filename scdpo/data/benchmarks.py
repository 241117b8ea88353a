"""The benchmarks by name, and where their problems are found.

A benchmark is a local file in a data folder (``gsm8k.jsonl.gz``, in it or in its ``test/``) or, without one, a
Hugging Face data set. Not covered: loading them (``eval.benchmarks``), and downloading beyond what ``datasets`` does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scdpo.data.problems import ProblemSourceError

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


def benchmark_source(name: str, data: Path | str | None = None) -> str:
    """Return the source of problems that a name stands for: of a benchmark where it is found, else the name itself.

    Args:
        name: one of ``BENCHMARKS``, or any source of problems.
        data: folder with the benchmarks' files; None takes the one that ``SCDPO_DATA`` names.

    Raises:
        BenchmarkError: if a known benchmark is neither in the folder nor on the hub.
    """
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
