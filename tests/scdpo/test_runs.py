"""Run folders: nothing written is lost, nothing torn is read, nothing stands twice."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scdpo.data.records import BranchRecord
from scdpo.data.runs import RecordFile, Run, RunError


def branch(number: int, text: str = "") -> BranchRecord:
    return BranchRecord(
        id=f"b{number}", problem_id=text, chosen_id="c", branch_step=0, corruptor="mutation",
        attempts=1, kept=0, dropped=[], tokens=0,
    )  # fmt: skip


def test_records_come_back_in_order(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "a.jsonl", BranchRecord)
    records = [branch(i, "line\nbreak \u2028 é 中") for i in range(5)]
    assert [file.append(r) for r in records] == [True] * 5
    assert list(file) == records


def test_an_id_is_written_once_also_after_reopening(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "a.jsonl", BranchRecord)
    assert file.append(branch(1))
    assert not file.append(branch(1))
    file.close()
    assert not RecordFile(tmp_path / "a.jsonl", BranchRecord).append(branch(1))


def test_a_record_is_read_again_by_its_id(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "a.jsonl", BranchRecord)
    records = [branch(i, "é中" * i) for i in range(4)]
    for record in records[:2]:
        file.append(record)
    file.close()
    for record in records[2:]:
        file.append(record)
    assert [file.get(r.id) for r in reversed(records)] == records[::-1]
    assert "b3" in file
    assert "b4" not in file


@pytest.mark.parametrize("torn", [b'{"schema', b"\xe4\xb8", b'{"schema_version": 1, "id": "b9"'])
def test_a_torn_last_line_is_dropped_and_then_overwritten(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.jsonl"
    file = RecordFile(path, BranchRecord)
    file.append(branch(1))
    file.close()
    with path.open("ab") as end:
        end.write(torn)
    assert [r.id for r in RecordFile(path, BranchRecord)] == ["b1"]
    again = RecordFile(path, BranchRecord)
    again.append(branch(2))
    assert [r.id for r in again] == ["b1", "b2"]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = RecordFile(path, BranchRecord)
    file.append(branch(1))
    with path.open("ab") as end:
        end.write(b'{"id": "x", "schema_version": 7}\n')
    with pytest.raises(RunError, match=r"a\.jsonl, line 2: schema_version"):
        list(RecordFile(path, BranchRecord))


def test_lone_surrogates_do_not_break_a_record(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "a.jsonl", BranchRecord)
    file.append(branch(1, "x\ud800y"))
    assert [r.problem_id for r in file] == ["x?y"]


def test_a_full_disk_leaves_whole_lines_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RecordFile(tmp_path / "a.jsonl", BranchRecord)
    file.append(branch(1))
    opened = file._opened()

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(opened, name)

        def write(self, line: bytes) -> int:
            opened.write(line[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(RunError, match=r"No space left on device.*Make room"):
        file.append(branch(2))
    monkeypatch.setattr(file, "_file", opened)
    file.append(branch(3))
    assert [r.id for r in file] == ["b1", "b3"]


def test_settings_that_cannot_be_written_leave_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Run(tmp_path) as run:
        run.write_json("stages.json", {"a": 1})

        def full(self: Path, target: Path) -> Path:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(RunError, match=r"stages\.json: .*No space left on device"):
            run.write_json("stages.json", {"a": 2})
        assert run.read_json("stages.json") == {"a": 1}
    assert not list(tmp_path.glob("*.part"))


def test_two_jobs_on_one_folder_are_refused(tmp_path: Path) -> None:
    with Run(tmp_path), pytest.raises(RunError, match="another job is writing"):
        Run(tmp_path).__enter__()
    with Run(tmp_path):
        pass


def test_a_file_in_the_place_of_a_run_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("mine")
    for folder in (file, file / "below"):
        with pytest.raises(RunError, match=r"taken.* cannot be used as a run folder: .*choose another"):
            Run(folder).__enter__()
    assert file.read_text() == "mine"


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.settle("sample", {"seed": 1, "model": "a"})
        run.settle("sample", {"seed": 1, "model": "a"})
        run.settle("corrupt", {"seed": 2, "schedule": 1})
        run.settle("sample", {"seed": 2, "model": "a"})  # another seed adds to what is there
        with pytest.raises(RunError, match="schedule=1 for 'corrupt', not 2"):
            run.settle("corrupt", {"seed": 3, "schedule": 2})
        with pytest.raises(RunError, match="model='a' for 'sample', not 'b'"):
            run.check("sample", {"seed": 1, "model": "b"})


def test_what_the_quickstart_sampled_is_not_sampled_on_with_other_settings(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.settle("quickstart", {"problems": 10})
        run.settle("quickstart", {"problems": 10})
        run.settle("corrupt", {"seed": 2})
        with pytest.raises(RunError, match="was sampled by scdpo quickstart, with settings of its own"):
            run.check("sample", {"temperature": 0.7})


def test_a_check_alone_binds_nothing(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.check("sample", {"seed": 1})
        run.check("sample", {"seed": 2})
        assert run.read_json("config.yaml") == {}


WRITER = """
import sys
from pathlib import Path
from tests.scdpo.test_runs import branch
from scdpo.data.records import BranchRecord
from scdpo.data.runs import RecordFile
file = RecordFile(Path(sys.argv[1]), BranchRecord)
start = sum(1 for _ in file)
for number in range(start, 1_000_000):
    file.append(branch(number, "x" * 5000))
    print(number, flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_said_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    root = Path(__file__).resolve().parents[2]
    said = -1
    for round_ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.01 + 0.007 * round_)
        writer.send_signal(signal.SIGKILL)
        numbers = writer.stdout.read().split()
        writer.wait()
        said = max(said, *(int(n) for n in numbers if n.isdigit()), -1)
        ids = [r.id for r in RecordFile(path, BranchRecord)]
        assert ids == [f"b{i}" for i in range(len(ids))]
        assert len(ids) > said
    assert said > 10
