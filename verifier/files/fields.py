"""Find a field of a row by its name or by its meaning: dotted paths, and the names that data sets use for one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from verifier.files.jsonl import LineError
from verifier.files.written import from_json


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a user says that things are, as dotted paths (``reward_model.ground_truth``); None: by known names.

    Attributes:
        question: the problem's text, or a conversation that ends in it.
        answer: the gold answer, or a solution that states it.
        solution: a solution, or several.
    """

    question: str | None = None
    answer: str | None = None
    solution: str | None = None


class Found(NamedTuple):
    """A field of a row: its path, and its value."""

    path: str
    value: Any


_ABSENT: Final = object()


def look(row: Any, path: str) -> Any:
    """Return the value at a dotted path, or ``None`` where there is none.

    A name is looked for as it stands (also with its dots), then without regard to case and with ``_`` for spaces;
    a number counts the items of a list from 0; text that is JSON is looked into.
    """
    value = _step(row, path)
    if value is not _ABSENT:
        return value
    for cut in (i for i, character in enumerate(path) if character == "."):
        inner = _step(row, path[:cut])
        if inner is not _ABSENT:
            return look(from_json(inner), path[cut + 1 :])
    return None


def _step(row: Any, name: str) -> Any:
    if isinstance(row, Mapping):
        if name in row:
            return row[name]
        wanted = _plain(name)
        return next((value for key, value in row.items() if _plain(str(key)) == wanted), _ABSENT)
    if isinstance(row, list) and name.isdecimal() and int(name) < len(row):
        return row[int(name)]
    return _ABSENT


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def first(row: Any, paths: Sequence[str]) -> Found | None:
    """Return the first of these paths that holds something."""
    for path in paths:
        value = look(row, path)
        if not is_empty(value):
            return Found(path, value)
    return None


def demanded(row: Mapping[str, Any], path: str, where: str) -> Found:
    """Return the field at a path that a user named.

    Raises:
        LineError: if there is none, or it holds nothing.
    """
    value = look(row, path)
    if is_empty(value):
        said = "is missing" if value is None else f"holds nothing ({value!r})"
        raise LineError(f"{where}: field {path!r} {said} (fields: {names(row)})")
    return Found(path, value)


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: null, NaN, blank text, an empty list or object."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value or (isinstance(value, list | Mapping) and not value)


def names(row: Mapping[str, Any]) -> str:
    """Return the names of a row's fields, for an error."""
    return ", ".join(map(str, row)) or "none"
