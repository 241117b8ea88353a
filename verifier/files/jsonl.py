"""Read JSON Lines, ``.gz`` too, with errors that name the file, the line and the field."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from verifier.errors import VerifierError

STDIN = Path("-")
"""Names standard input where a file is read, as in most programs."""
_BOM = b"\xef\xbb\xbf"


class LineError(VerifierError, ValueError):
    """A file cannot be read; the message names it, and the line and field where there is one."""


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line; empty lines are passed over, a byte order mark too.

    A last line that a stopped job of scdpo's has torn is left out, as the job itself leaves it out.

    Raises:
        LineError: if the file cannot be opened, is no text or damaged, or a line is no JSON object.
    """
    own, name = False, "standard input" if path == STDIN else path
    with opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            content = line.removeprefix(_BOM) if number == 1 else line
            if not content.strip():
                continue
            if own and not line.endswith(b"\n"):
                return
            value = json_object(content, f"{name}, line {number}")
            own = "schema_version" in value
            yield number, value


def json_object(text: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises:
        LineError: if it is none.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        # Not the parser's own words: it counts lines and columns from the start of this text.
        raise LineError(f"{where}: not JSON ({error.msg} after {error.pos} characters)") from error
    except (ValueError, RecursionError) as error:
        raise LineError(f"{where}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise LineError(f"{where}: a JSON object is expected, not {type(value).__name__}")
    return value


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, ``.gz`` too, or standard input (``-``), and say what is wrong with it in one line.

    Raises:
        LineError: if it cannot be opened, or is damaged.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(IO[bytes], file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise LineError(f"{path}: cannot be read, not gzip or damaged ({error})") from error
    except OSError as error:
        raise LineError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Say of an error in what a row holds where the row stands.

    Raises:
        LineError: for ``KeyError``, ``TypeError``, ``ValueError``, ``IndexError`` and ``AttributeError``.
    """
    try:
        yield
    except LineError:
        raise
    except KeyError as error:
        raise LineError(f"{where}: the field {error} is missing") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise LineError(f"{where}: {error}") from error
