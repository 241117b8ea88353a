"""Read JSON Lines files, ``.gz`` too, with errors that name the file, the line and the field."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from verifier.errors import VerifierError

T = TypeVar("T")


class LineError(VerifierError, ValueError):
    """A file cannot be read; the message names it, and the line and field where there is one."""


def read_lines(path: Path, read: Callable[[dict[str, Any], int], Iterable[T]]) -> Iterator[T]:
    """Yield what ``read`` makes of the object in each line and the line's number; empty lines are passed over.

    Raises:
        LineError: if the file is no text or damaged, a line is no JSON object, or ``read`` raises ``KeyError``,
            ``TypeError``, ``ValueError`` or ``IndexError`` for it.
        OSError: if the file cannot be opened.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    with opener(path, "rb") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield from _made(line, read, number, f"{path}, line {number}")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise LineError(f"{path}: not gzip, or damaged after line {number} ({error})") from error


def _made(
    line: bytes, read: Callable[[dict[str, Any], int], Iterable[T]], number: int, where: str
) -> list[T]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"{where}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise LineError(f"{where}: a JSON object is expected, not {type(value).__name__}")
    try:
        return list(read(value, number))
    except KeyError as error:
        raise LineError(f"{where}: the field {error} is missing") from error
    except (TypeError, ValueError, IndexError) as error:
        raise LineError(f"{where}: {error}") from error
