"""Read inspect_ai's ``.eval`` files: ZIP archives of JSON, one member for each sample, packed with Zstandard."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from verifier.files.jsonl import LineError, json_object

MAX_MEMBER = 512 * 2**20  # bytes of one sample: some hold 100 MB of events, a bomb holds more
ZSTANDARD = 93  # the number of its packing in a ZIP file; Python's zipfile knows it from 3.14 on


def read_archive(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each sample's member with the sample, in the form of a ``.json`` log that holds it alone.

    Raises:
        LineError: naming file and member, if it cannot be read or is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
            header = _member(archive, raw, path, "header.json")
            for info in archive.infolist():
                if info.filename.startswith("samples/") and info.filename.endswith(".json"):
                    sample = _member(archive, raw, path, info.filename)
                    yield info.filename, {"eval": header.get("eval"), "samples": [sample]}
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise LineError(f"{path}: no log of inspect_ai, or damaged ({error})") from error


def _member(archive: zipfile.ZipFile, raw: IO[bytes], path: Path, name: str) -> dict[str, Any]:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise LineError(f"{path}: no log of inspect_ai: it holds no {name}") from error
    where = f"{path}, {name}"
    if info.file_size > MAX_MEMBER:
        raise LineError(f"{where}: would take {info.file_size} bytes, more than {MAX_MEMBER}")
    data = _unpacked(info, raw, where) if info.compress_type == ZSTANDARD else archive.read(info)
    return json_object(data, where)


def _unpacked(info: zipfile.ZipInfo, raw: IO[bytes], where: str) -> bytes:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise LineError(f'{where}: is unpacked with pyarrow: pip install "scdpo[train]"') from error
    raw.seek(info.header_offset + 26)  # a local header of 30 bytes, whose last four are two lengths
    lengths = raw.read(4)
    raw.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), 1)
    packed = pyarrow.BufferReader(raw.read(info.compress_size))
    with pyarrow.input_stream(packed, compression="zstd") as stream:
        data: bytes = stream.read(MAX_MEMBER + 1)
    if len(data) != info.file_size:
        raise LineError(f"{where}: has not the length that the file says")
    return data
