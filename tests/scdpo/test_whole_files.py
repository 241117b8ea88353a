"""A file takes its place in one step: a reader never sees half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scdpo.data.whole_files import written_whole


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("old")
    with written_whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("old")
    with (
        pytest.raises(UnicodeEncodeError),
        written_whole(path) as part,
        part.open("w", encoding="ascii") as file,
    ):
        file.writelines(["ne", "\N{SNOWMAN}"])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "rows.txt"
    with written_whole(path) as part:
        part.write_text("rows")
    assert path.read_text() == "rows"
