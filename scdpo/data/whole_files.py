"""Files that are there once they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield where to write a file that takes the place of ``path`` in one step when the block ends.

    A reader never sees half of it. If the block fails, ``path`` is as it was and nothing is left beside it.

    Args:
        path: the file; its folder is made if it is not there.

    Raises:
        OSError: if the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):  # it took the place of the file, or could not be written at all
            part.unlink()
