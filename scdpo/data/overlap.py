"""Questions that stand twice in a source, or that a benchmark holds, found before anything is sampled of them.

Two questions are the same if their words are, whatever their case and white space. A question is one of a benchmark's
too if the two share 13 words in a row, and 60 % of the benchmark's words stand in it in the same order: the rule of
Qwen2.5-Math (arXiv 2409.12122, section 3.1), whose 13 words are those of GPT-3 (arXiv 2005.14165, appendix C). Not
covered: translations, and questions that are put in other words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from scdpo.data.benchmarks import BenchmarkError, benchmark_source
from scdpo.data.problems import Problem, Problems, ProblemSourceError
from verifier.files.jsonl import LineError
from verifier.files.layouts import Entry
from verifier.files.rows import read_rows

NGRAM: Final = 13
"""Words in a row. "What is the probability that both are red? Express your answer as a common fraction." has sixteen
that many questions share; the share below lets those pass."""
SHARE: Final = 0.6
# A Chinese character is a word of its own; signs are none.
_WORD: Final = re.compile("[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])\\w)+")


class Held:
    """The questions of benchmarks, which no training problem may be.

    Args:
        questions: as the benchmarks have them.
    """

    def __init__(self, questions: Iterable[str]) -> None:
        self._same: set[str] = set()
        self._words: list[list[str]] = []
        self._grams: dict[int, set[int]] = defaultdict(set)
        for question in questions:
            self._same.add(_same(question))
            words = _words(question)
            for gram in _grams(words):
                self._grams[gram].add(len(self._words))
            self._words.append(words)

    def __contains__(self, question: str) -> bool:
        """Whether a question is one of these, or nearly."""
        if _same(question) in self._same:
            return True
        words = _words(question)
        near = {number for gram in _grams(words) for number in self._grams.get(gram, ())}
        return any(_common(self._words[n], words) >= SHARE * len(self._words[n]) for n in near)


def held_by(sources: Iterable[str]) -> Held:
    """Return the questions of benchmarks.

    Args:
        sources: known ones by name (``scdpo.data.benchmarks``), files, folders or hub data sets, of which the test
            split is taken.

    Raises:
        ProblemSourceError: naming the benchmark that is nowhere, or the file and line that cannot be read.
    """
    try:
        places = [benchmark_source(source) for source in sources]
        return Held([Entry(row).question() for place in places for row in read_rows(place, "test")])
    except (LineError, BenchmarkError) as error:
        raise ProblemSourceError(f"--decontaminate: {error}") from error


def choose_problems(problems: Problems, limit: int | None, held: Held | None = None) -> list[Problem]:
    """Return the first problems of a source that are no repetition and no benchmark's; the others are counted.

    Args:
        problems: as ``open_problems`` gives them; its ``dropped`` is added to: ``duplicate_question``,
            ``benchmark_question``.
        limit: at most N; None takes all.
        held: the questions of the benchmarks.

    Raises:
        ProblemSourceError: as ``open_problems`` says, or if none is left.
    """
    chosen = list(islice(_chosen(problems, held), limit))
    if not chosen and limit != 0:
        held_back = problems.dropped["benchmark_question"]
        raise ProblemSourceError(f"no problem is left: {held_back} are questions of the benchmarks")
    return chosen


def _chosen(problems: Problems, held: Held | None) -> Iterator[Problem]:
    seen: set[str] = set()
    for problem in problems.items:
        same = _same(problem.question)
        if same in seen:
            problems.dropped["duplicate_question"] += 1
        elif held is not None and problem.question in held:
            problems.dropped["benchmark_question"] += 1
        else:
            yield problem
        seen.add(same)


def _same(question: str) -> str:
    return " ".join(question.casefold().split())


def _words(question: str) -> list[str]:
    return _WORD.findall(question.casefold())


def _grams(words: Sequence[str]) -> Iterator[int]:
    return (hash(tuple(words[i : i + NGRAM])) for i in range(len(words) - NGRAM + 1))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, in words (bit-parallel: Hyyrö 2004)."""
    places: Counter[str] = Counter()
    for place, word in enumerate(first):
        places[word] |= 1 << place
    everything = (1 << len(first)) - 1
    row = everything
    for word in second:
        matched = row & places[word]
        row = ((row + matched) | (row - matched)) & everything
    return len(first) - row.bit_count()
