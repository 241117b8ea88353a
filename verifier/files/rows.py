"""Read the rows of other people's data as they lie: JSON Lines, JSON, CSV, Parquet, a folder of these, a hub data set.

The kind of a file is told by the end of its name; ``.gz`` may follow all but Parquet and inspect_ai's ``.eval``. What
lies on this machine is looked at before any hub. Not covered: what the fields of a row mean
(``verifier.files.layouts``), and Arrow files.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from verifier.files.eval_archive import read_archive
from verifier.files.jsonl import STDIN, LineError, json_object, opened, read_lines

KINDS: Final = ".jsonl, .ndjson, .json, .csv, .tsv (each also .gz), .parquet or .eval"


class Row(NamedTuple):
    """A row of somebody's data.

    Attributes:
        fields: names and values; nested objects and lists as JSON has them.
        where: file and line, for errors.
        name: stem of the file and number of the row from 1, which is no other row's; nothing of the path above the
            source itself.
        origin: stem of the file, or name of the folder or data set.
    """

    fields: dict[str, Any]
    where: str
    name: str
    origin: str


def read_rows(source: str | Path, split: str | None = None) -> Iterator[Row]:
    """Yield the rows of a file, of a folder of files, or of a hub data set.

    Args:
        source: a path, or ``OWNER/NAME`` on the Hugging Face hub, with its configuration after a colon; ``-`` is JSON
            Lines from standard input.
        split: ``train`` or ``test``: only this part of a folder or data set, where its files tell their part by
            their names. None takes all of a folder, and the train split of a data set. A file has no splits.

    Raises:
        LineError: naming file and line, if there is nothing of that name, or it cannot be read.
    """
    path = Path(source)
    if path == STDIN:
        for number, fields in read_lines(path):
            yield Row(fields, f"standard input, line {number}", f"stdin/{number}", "stdin")
    elif path.is_dir():
        yield from _folder(path, split)
    elif path.exists():
        yield from _file(path, _stem(path), origin=_stem(path))
    elif _is_hub_name(str(source)):
        yield from _hub(str(source), split or "train")
    else:
        raise LineError(f"{source}: no such file or folder, and no data set's name on the hub (OWNER/NAME)")


def _is_hub_name(source: str) -> bool:
    """Whether a name can be that of a data set on the hub: ``openai/gsm8k``, but no ``./a``, ``data/gsm8k.jsonl``."""
    return bool(_HUB_NAME.fullmatch(source)) and _kind(Path(source)) is None


_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?")


# --- files


def _kind(path: Path) -> str | None:
    """Return the end of a file's name that tells how it is written; None for one that is not known."""
    ends = [part.lower() for part in path.suffixes[-2:]]
    if ends and ends[-1] == ".gz":
        ends.pop()
        return ends[-1] if ends and ends[-1] in _READERS and ends[-1] not in _PACKED else None
    return ends[-1] if ends and ends[-1] in _READERS else None


def _stem(path: Path) -> str:
    name = path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name
    return name.rpartition(".")[0] or name


def _file(path: Path, stem: str, origin: str) -> Iterator[Row]:
    kind = _kind(path)
    if kind is None:
        raise LineError(f"{path}: a file of this name is not read; what is: {KINDS}")
    for place, fields in _READERS[kind](path):
        # Line numbers and not places in the file: they are what an editor shows, and empty lines count.
        number = place.rpartition(" ")[2]
        where, name = (f"{path}, {place}", f"{stem}/{number}") if place else (str(path), stem)
        yield Row(fields, where, name, origin)


_Rows = Iterator[tuple[str, dict[str, Any]]]
"""Each row with its place in the file: a word and a number; nothing for an object that is the whole file."""


def _json_lines(path: Path) -> _Rows:
    return ((f"line {number}", fields) for number, fields in read_lines(path))


def _json(path: Path) -> _Rows:
    """Read a list of objects, one object, an object that holds one list of them, or JSON Lines by another name."""
    with opened(path) as file:
        head = file.readline().lstrip(b"\xef\xbb\xbf").strip()
        more = any(line.strip() for line in file)
    if more and head.startswith(b"{") and head.endswith(b"}") and _is_json(head):
        yield from _json_lines(path)
        return
    with opened(path) as file:
        text = file.read()
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise LineError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise LineError(f"{path}: not JSON ({error})") from error
    items = _listed(value)
    if items is None and isinstance(value, dict):
        yield "", value
        return
    for number, item in enumerate(items or [value], start=1):
        if _is_list_of_objects(item):  # Open-Reasoner-Zero: a row is a conversation
            item = {"conversations": item}
        if not isinstance(item, dict):
            raise LineError(f"{path}, item {number}: a JSON object is expected, not {type(item).__name__}")
        yield f"item {number}", item


def _listed(value: Any) -> Sequence[Any] | None:
    if isinstance(value, list):
        return value
    if (
        isinstance(value, dict)
        and value
        and all(key.isdecimal() and isinstance(row, dict) for key, row in value.items())
    ):  # OpenCompass: {"0": {…}, "1": {…}}
        return list(value.values())
    lists = [v for v in value.values() if _is_list_of_objects(v)] if isinstance(value, dict) else []
    # {"data": [{…}, …]} is a list of rows, {"problem": …, "messages": [{…}, …]} is a row.
    return lists[0] if lists and len(value) == 1 else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_json(text: bytes) -> bool:
    try:
        json_object(text, "")
    except LineError:
        return False
    return True


def _separated(path: Path, delimiter: str) -> _Rows:
    csv.field_size_limit(
        min(sys.maxsize, 2**31 - 1)
    )  # the module's own limit, 131,072, is below a long solution
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        table = csv.DictReader(text, delimiter=delimiter, strict=True)
        try:
            for fields in table:
                if None in fields:
                    raise LineError(
                        f"{path}, line {table.line_num}: more cells than the first line has names"
                    )
                yield f"line {table.line_num}", fields
        except (csv.Error, UnicodeDecodeError) as error:
            raise LineError(f"{path}, line {table.line_num}: cannot be read ({error})") from error


def _parquet(path: Path) -> _Rows:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise LineError(
            f'{path}: Parquet is read with pyarrow: in a checkout, pip install ".[train]"'
        ) from error
    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=512):
                for fields in batch.to_pylist():
                    number += 1
                    yield f"row {number}", fields
    except (ArrowException, OSError) as error:
        raise LineError(f"{path}: cannot be read as Parquet after row {number} ({error})") from error


_READERS: Final[dict[str, Callable[[Path], _Rows]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": lambda path: _separated(path, ","),
    ".tsv": lambda path: _separated(path, "\t"),
    ".parquet": _parquet,
    ".eval": read_archive,
}


_PACKED: Final = frozenset([".parquet", ".eval"])  # of themselves: no .gz may follow

# --- folders and data sets

# What the ``datasets`` library writes beside the data.
_BESIDE: Final = frozenset(["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"])
# Whole words alone: "train-00000-of-00001", "data/test/x", but not "constrained".
_PART: Final = re.compile(r"(?:^|[/_.-])(train|test|validation|valid|dev)(?=[/_.-]|$)", re.IGNORECASE)


def _folder(folder: Path, split: str | None) -> Iterator[Row]:
    files = sorted((path for path in folder.rglob("*") if _is_data(path.relative_to(folder))), key=_natural)
    if not files:
        raise LineError(f"{folder}: holds no file that is read; what is: {KINDS}")
    parts = {path: _part(str(path.relative_to(folder))) for path in files}
    known = {part for part in parts.values() if part}
    if split and known and split not in known:
        raise LineError(f"{folder}: has no part {split!r}; its files are of: {', '.join(sorted(known))}")
    for path in files:
        if split is None or parts[path] in (None, split):
            stem = str(path.relative_to(folder).with_name(_stem(path)))
            yield from _file(path, stem, origin=folder.resolve().name)


def _is_data(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.name not in _BESIDE and _kind(path) is not None


def _part(name: str) -> str | None:
    found = _PART.findall(name)
    return found[-1].lower() if found else None


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort ``2.json`` before ``10.json``."""
    pieces = re.split(r"(\d+)", str(path))
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def _hub(source: str, split: str) -> Iterator[Row]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise LineError(
            f'{source}: hub data sets are read with datasets: in a checkout, pip install ".[train]"'
        ) from error
    name, _, configuration = source.partition(":")
    try:
        rows = datasets.load_dataset(name, configuration or None, split=split)
    except (OSError, ValueError) as error:  # the library's own errors for missing sets, splits and networks
        raise LineError(f"{source}: no file here, and no data set that can be loaded ({error})") from error
    for number, fields in enumerate(rows):
        yield Row(dict(fields), f"{source}, {split} row {number}", f"{name}/{split}/{number}", name)
