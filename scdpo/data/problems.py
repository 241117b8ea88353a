"""Where problems come from: the built-in mix, any reasoning-gym family, a file or folder here, or a hub data set.

The built-in mix (``embedded``) and ``reasoning-gym:FAMILY`` need no network: their instances are generated,
each from its own seed, with the answer known by construction. Train, preference and test instances come from
seed ranges that do not meet, and a question's text alone decides which of the three splits may hold it, so no
question is ever in two of them, whatever the seeds. What differs only in names or numbers is another question.

What the fields of a file mean is for ``verifier.files.layouts`` to say. Not covered: images, and splitting a file or a
hub data set (a file is taken whole; a folder or a hub data set has the splits its authors made).
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from scdpo.errors import ScdpoError
from verifier.files.fields import Fields
from verifier.files.jsonl import STDIN, LineError
from verifier.files.layouts import Entry, NoAnswer
from verifier.files.rows import Row, read_rows

Split = Literal["train", "preference", "test"]
DEFAULT_SOURCE = "embedded"
DEFAULT_LIMIT = 500
"""How many instances of a generated, hence endless, source are made where no limit is given."""
MAX_SEED = 999

_SPAN = 500_000  # instances a (split, seed) may use; the seed ranges lie this far apart
_SHARE = {"train": range(60), "preference": range(60, 80), "test": range(80, 100)}  # of 100 text buckets
_FAMILY = "reasoning-gym:"
_ASSETS = Path(__file__).parents[1] / "assets"


class ProblemSourceError(ScdpoError, ValueError):
    """A source of problems cannot be read; the message names the file, line and field, or the remedy."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer.

    Attributes:
        id: unique within its source.
        question: the text as its authors wrote it.
        gold: the final answer alone, no working.
        source: the family, file stem or data set it came from.
        level: difficulty as the data set words it.
        subject: topic as the data set words it.
    """

    id: str
    question: str
    gold: str
    source: str = ""
    level: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class GeneratedProblem:
    """A generated problem and what its generator tells about it (numbers, names, template)."""

    problem: Problem
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """A reasoning-gym data set as the built-in mix uses it: its options, its weight, and which templates."""

    weight: int
    options: Mapping[str, Any] = field(default_factory=dict)
    templates: frozenset[int] | None = None


# Templates of gsm_symbolic whose answer follows from integers in two to four steps; the others have decimals,
# fractions in words, or wording that contradicts their answer.
# fmt: off
_GSM_TEMPLATES = frozenset([
    0, 3, 4, 6, 8, 9, 10, 12, 14, 16, 20, 23, 24, 25, 30, 31, 33, 34, 39, 40, 43, 44, 48, 50, 54, 56,
    57, 58, 59, 62, 63, 64, 67, 68, 71, 72, 78, 80, 81, 82, 83, 88, 91, 95, 96,
])
# fmt: on

EMBEDDED_FAMILIES: Mapping[str, Family] = {
    "gsm_symbolic": Family(
        weight=40,
        templates=_GSM_TEMPLATES,
    ),
    "leg_counting": Family(weight=20, options={"min_animals": 3, "max_animals": 5}),
    "chain_sum": Family(
        weight=12, options={"min_terms": 4, "max_terms": 5, "min_digits": 1, "max_digits": 2}
    ),
    "simple_equations": Family(weight=10, options={"max_value": 40, "operators_weights": [0.5, 0.5, 0.0]}),
    "simple_geometry": Family(weight=8, options={"min_sides": 4, "max_sides": 6}),
    "calendar_arithmetic": Family(weight=10, options={"tasks": ["count_business_days", "count_days"]}),
}
"""The built-in mix: word problems first, with bare arithmetic beside them."""


def embedded_model_path() -> Path:
    """Return the folder of the built-in model and its tokenizer, for ``from_pretrained``."""
    return _ASSETS / "embedded"


def model_name(model: str) -> str:
    """Return how records name a model: the built-in one as ``embedded``, wherever its folder is; others as they are."""
    return "embedded" if Path(model) == embedded_model_path() else model


def split_of(question: str) -> Split:
    """Return the only split that may hold a generated question; depends on nothing but its words."""
    words = " ".join(question.casefold().split())
    bucket = int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") % 100
    return next(split for split in get_args(Split) if bucket in _SHARE[split])


def generate(
    families: Mapping[str, Family], split: Split, seed: int = 0, name: str = DEFAULT_SOURCE
) -> Iterator[GeneratedProblem]:
    """Yield different problems of a mix of reasoning-gym families, until one of them has drawn 500,000.

    Args:
        families: reasoning-gym data set names with their options and weights.
        split: whose seed range and whose questions.
        seed: 0 to 999; other seeds of a split give other instances of it.
        name: what the ids start with.

    Raises:
        ProblemSourceError: if a family is unknown or has no answers, reasoning-gym is not installed, or the seed is
            out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ProblemSourceError(f"seed must be 0 to {MAX_SEED} for generated problems, not {seed}")
    first = (get_args(Split).index(split) * (MAX_SEED + 1) + seed) * _SPAN
    sets = {family: _create(family, options.options, first) for family, options in families.items()}
    indices = {family: _indices(sets[family], options.templates) for family, options in families.items()}
    weights = [options.weight for options in families.values()]
    rng = random.Random(first)
    seen: set[str] = set()
    while True:
        family = rng.choices(list(families), weights)[0]
        index = next(indices[family], None)
        if index is None:
            return
        entry = sets[family][index]
        if entry["answer"] is None:
            raise ProblemSourceError(
                f"reasoning-gym's {family} has no answer to compare with: its own scorer decides what is right; "
                "choose another family"
            )
        question = entry["question"].strip()
        if split_of(question) != split or question in seen:
            continue
        seen.add(question)
        problem = Problem(f"{name}/{family}/{first + index}", question, str(entry["answer"]), source=family)
        metadata = dict(entry["metadata"])
        if hasattr(sets[family], "task_indices"):
            metadata["template"] = sets[family].task_indices[index]
        yield GeneratedProblem(problem, metadata)


def _indices(instances: Any, templates: frozenset[int] | None) -> Iterator[int]:
    """Yield the indices of the instances whose template is among those wanted."""
    return (i for i in range(_SPAN) if templates is None or instances.task_indices[i] in templates)


def embedded_problems(split: Split, seed: int = 0) -> Iterator[GeneratedProblem]:
    """Yield problems of the built-in mix with their generators' metadata."""
    return generate(EMBEDDED_FAMILIES, split, seed)


def generated(source: str) -> bool:
    """Whether a source makes its problems: the built-in mix or a reasoning-gym family."""
    return source == DEFAULT_SOURCE or source.startswith(_FAMILY)


@dataclass(slots=True)
class Problems:
    """The problems of a source, read one by one as they are asked for.

    Attributes:
        items: the problems, in order.
        layout: how the source holds them, once the first was read; empty where they are generated.
        dropped: rows left out so far, by reason.
    """

    items: Iterator[Problem]
    layout: str = ""
    dropped: Counter[str] = field(default_factory=Counter)


def load_problems(
    source: str = DEFAULT_SOURCE,
    split: Split = "train",
    limit: int | None = None,
    seed: int = 0,
    fields: Fields | None = None,
) -> list[Problem]:
    """Load problems from a source.

    Args:
        source: as ``open_problems``.
        split: as ``open_problems``.
        limit: at most N, from the start; None takes all, or 500 of a generated source.
        seed: as ``open_problems``.
        fields: as ``open_problems``.

    Raises:
        ProblemSourceError: if the source cannot be read, or the arguments are out of range.
    """
    return list(islice(open_problems(source, split, seed, fields).items, limit_of(source, limit)))


def limit_of(source: str, limit: int | None) -> int | None:
    """Return how many problems are taken of a source at most; None for all.

    Raises:
        ProblemSourceError: if the limit is negative.
    """
    if limit is not None and limit < 0:
        raise ProblemSourceError(f"limit must not be negative: {limit}")
    return DEFAULT_LIMIT if limit is None and generated(source) else limit


def open_problems(
    source: str, split: Split = "train", seed: int = 0, fields: Fields | None = None
) -> Problems:
    """Open a source of problems.

    Args:
        source: ``embedded``; ``reasoning-gym:FAMILY[,FAMILY]``; a file, a folder or a hub data set as
            ``verifier.files.rows.read_rows`` takes them.
        split: ``train``, ``preference`` or ``test``. A file has no splits. Of a folder or a hub data set,
            ``preference`` is its ``train``.
        seed: which instances of a generated source, 0 to 999; other sources keep their order.
        fields: where question and answer are, in a layout that is not known.

    Raises:
        ProblemSourceError: if the arguments are out of range; while reading, if the source cannot be read.
    """
    if split not in get_args(Split):
        raise ProblemSourceError(f"split must be one of {', '.join(get_args(Split))}, not {split!r}")
    if source == DEFAULT_SOURCE:
        return Problems(item.problem for item in embedded_problems(split, seed))
    if source.startswith(_FAMILY):
        names = [name.strip() for name in source.removeprefix(_FAMILY).split(",") if name.strip()]
        if not names:
            raise ProblemSourceError(
                "name a family after 'reasoning-gym:', such as reasoning-gym:leg_counting"
            )
        made = generate({name: Family(weight=1) for name in names}, split, seed, name="reasoning-gym")
        return Problems(item.problem for item in made)
    problems = Problems(iter(()))
    problems.items = _read(source, "test" if split == "test" else "train", fields, problems)
    return problems


def _create(family: str, options: Mapping[str, Any], seed: int) -> Any:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ModuleNotFoundError as error:
        raise ProblemSourceError(
            "generated problems need reasoning-gym: in a checkout, pip install '.[quickstart]'"
        ) from error
    if family not in DATASETS:
        raise ProblemSourceError(
            f"reasoning-gym has no family {family!r}; it has: {', '.join(sorted(DATASETS))}"
        )
    return reasoning_gym.create_dataset(family, seed=seed, size=_SPAN, **options)


def _read(source: str, split: str, fields: Fields | None, problems: Problems) -> Iterator[Problem]:
    """Yield the problems of a file, a folder or a data set; a row whose solution states no answer is left out."""
    ids: set[str] = set()
    try:
        for row in read_rows(source, split):
            entry = Entry(row, fields)
            problems.layout = problems.layout or entry.layout
            try:
                problem = _problem(entry, row)
            except NoAnswer:
                problems.dropped["no_final_answer"] += 1
                continue
            if problem.id in ids:
                raise LineError(f"{row.where}: field 'id' repeats {problem.id!r}")
            ids.add(problem.id)
            yield problem
    except LineError as error:
        if Path(source).exists() or Path(source) == STDIN:
            raise ProblemSourceError(str(error)) from error
        raise ProblemSourceError(f"{source!r} is {_NO_SOURCE}: {error}") from error
    if not ids:
        reason = "; no row states a final answer" if problems.dropped else ""
        raise ProblemSourceError(f"{source}: holds no problem{reason}")


_NO_SOURCE = (
    "neither 'embedded', 'reasoning-gym:FAMILY', a file or folder here, nor a data set that can be loaded"
)


def _problem(entry: Entry, row: Row) -> Problem:
    return Problem(
        id=entry.id or row.name,
        question=entry.question(),
        gold=entry.gold(),
        source=entry.word("source", "data_source", "dataset") or row.origin,
        level=entry.word("level"),
        subject=entry.word("subject", "type"),
    )
