"""A run: a folder of records that grows line by line and survives being stopped at any moment.

A record is one line, written in one piece and handed to the operating system at once, so kill -9 loses
nothing that was written; a line torn by a crash or a full disk is cut off when the file is next opened. One
job at a time may write to a run. Not covered: loss of power (the operating system's buffers are not forced to disk).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Generic, TypeVar

import yaml
from pydantic import ValidationError

from scdpo.data.card import run_card
from scdpo.data.records import BranchRecord, PairRecord, Record, RolloutRecord, SolutionRecord, ValueRecord
from scdpo.data.whole_files import written_whole
from scdpo.errors import ScdpoError

R = TypeVar("R", bound=Record)
ADDING: Final[dict[str, frozenset[str]]] = {
    "sample": frozenset(["problems", "split", "seed"]),
    "corrupt": frozenset(["steps", "attempts", "pairs", "seed", "confirm", "budget_tokens"]),
    "mutate": frozenset(["seed", "confirm"]),
    "guided": frozenset(["seed", "confirm"]),
    "first-pit": frozenset(["wrong", "seed"]),
}
"""Settings of each job that may change from call to call: with others a job adds to what is there, which stays and
counts. Any other setting would mix two kinds of data under one name."""

_SAMPLING: Final = {"sample": "scdpo sample", "quickstart": "scdpo quickstart", "round": "scdpo rounds"}
"""Jobs that sample solutions, and the commands that do them; one run holds the solutions of one of them."""


class RunError(ScdpoError, RuntimeError):
    """A run folder cannot be used; the message names the file and line, or the remedy."""


_BEGIN: Final = b'{"schema_version"'
_TORN: Final = (
    " (a torn line with another behind it: files were joined as text; scdpo import joins the pairs of runs, and leaves "
    "torn lines out)"
)


class RecordFile(Generic[R]):
    """A JSON Lines file of records of one kind, each id at most once.

    Ids and places are kept in memory once they are asked for, until ``close``; records are not.

    Args:
        path: the file; made, with its folder, on the first append.
        kind: the record's class.
    """

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self._kind = kind
        self._file: IO[bytes] | None = None
        self._places: dict[str, int] | None = None

    def __iter__(self) -> Iterator[R]:
        """Read the records from the start; a torn last line is left out.

        Raises:
            RunError: if a line is not a record of this kind.
        """
        for _, record in self._placed():
            yield record

    def __contains__(self, id: object) -> bool:
        """Whether there is a record of this id."""
        return id in self._known()

    def get(self, id: str) -> R:
        """Read the record of an id again.

        Raises:
            KeyError: if there is none.
        """
        place = self._known()[id]
        with self.path.open("rb") as lines:
            lines.seek(place)
            return self._kind.model_validate_json(lines.readline())

    def _placed(self) -> Iterator[tuple[int, R]]:
        """Read the records, each with its place in the file."""
        if not self.path.exists():
            return
        place = 0
        with self._readable() as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield place, self._kind.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors()[0]
                    field = ".".join(str(part) for part in first["loc"]) or "the line"
                    torn = _TORN if line.count(_BEGIN) > 1 else ""
                    raise RunError(f"{self.path}, line {number}: {field}: {first['msg']}{torn}") from error
                place += len(line)

    def _readable(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _known(self) -> dict[str, int]:
        """Return the ids and the places of their records."""
        if self._places is None:
            self._places = {record.id: place for place, record in self._placed()}
        return self._places

    def append(self, record: R) -> bool:
        """Write a record, unless its id is already there; return whether it was written.

        Raises:
            RunError: if the disk is full or the file cannot be written; what was there before stays whole.
        """
        file = self._opened()
        known = self._known()
        if record.id in known:
            return False
        line = _line(record)
        size = file.tell()
        try:
            written = file.write(line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes could be written")
        except OSError as error:
            os.truncate(self.path, size)
            file.seek(size)
            raise RunError(
                f"cannot write to {self.path}: {error}. Make room and call the same command again; "
                "it goes on after the last whole record."
            ) from error
        known[record.id] = size
        return True

    def rewrite(self, change: Callable[[R], R]) -> None:
        """Replace every record by what ``change`` makes of it, in one step; its id must stay.

        Raises:
            RunError: if a line is no record, or the disk is full; the file is as it was then.
        """
        self.close()
        try:
            with written_whole(self.path) as part, part.open("wb") as file:
                for record in self:
                    file.write(_line(change(record)))
        except OSError as error:
            raise RunError(
                f"cannot write {self.path} anew: {error}. Make room and call the same command again."
            ) from error

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._known()
            self._file = self.path.open("r+b" if self.path.exists() else "w+b", buffering=0)
            self._file.truncate(_whole_lines(self._file))
            self._file.seek(0, os.SEEK_END)
        return self._file

    def close(self) -> None:
        """Close the file; a later append opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._places = None  # another job may write now


def _line(record: Record) -> bytes:
    """Return the line of a record."""
    # Model text and kernel output may hold lone surrogates, which UTF-8 cannot; they become "?".
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


def _whole_lines(file: IO[bytes]) -> int:
    """Return the size of a file up to and with its last line end."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


class Run:
    """A run folder, opened for one job; a context manager that holds the folder's lock.

    Args:
        folder: made if it is not there.

    Raises:
        RunError: on entering, if the folder cannot be made or written to, or another job holds it.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.solutions = RecordFile(self.folder / "solutions.jsonl", SolutionRecord)
        self.branches = RecordFile(self.folder / "branches.jsonl", BranchRecord)
        self.pairs = RecordFile(self.folder / "pairs.jsonl", PairRecord)
        self.values = RecordFile(self.folder / "values.jsonl", ValueRecord)
        self.rollouts = RecordFile(self.folder / "rollouts.jsonl", RolloutRecord)
        self._lock: IO[bytes] | None = None
        self._made = False

    def __enter__(self) -> Run:
        self._made = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("wb")
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be used as a run folder: {error.strerror}; choose another folder"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise RunError(
                f"another job is writing to {self.folder}; wait for it to end, or choose another folder"
            ) from error
        self._lock = lock
        card = self.folder / "README.md"
        if not card.exists():
            self._replace(card, run_card())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self.solutions, self.branches, self.pairs, self.values, self.rollouts):
            file.close()
        if error is not None and self._made:
            self._leave_nothing()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _leave_nothing(self) -> None:
        """Remove a folder that was made for a job that could not begin: a misspelt model leaves nothing behind."""
        own = {self.folder / ".lock", self.folder / "README.md"}
        if set(self.folder.iterdir()) <= own:
            for path in own:
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    def read_json(self, name: str) -> dict[str, Any]:
        """Return what a JSON file of the folder holds, or an empty object where there is none."""
        path = self.folder / name
        if not path.exists():
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path} is no JSON: {error}; remove it and call the command again") from error
        if not isinstance(value, dict):
            raise RunError(f"{path} must hold a JSON object")
        return value

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Replace a JSON file of the folder in one step."""
        self._replace(self.folder / name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def check(self, job: str, settings: dict[str, Any]) -> None:
        """Check that a job's settings are those it was begun with, if it was, but for those of ``ADDING``.

        Raises:
            RunError: if the run was begun with other settings, or another job sampled its solutions; the message names
                the first setting that differs, or the command.
        """
        for other in _SAMPLING.keys() & self._config().keys() - {job} if job in _SAMPLING else ():
            raise RunError(
                f"{self.folder} was sampled by {_SAMPLING[other]}, with settings of its own: choose another folder"
            )
        for name, value in self._config().get(job, settings).items():
            if settings.get(name) != value and name not in ADDING.get(job, ()):
                raise RunError(
                    f"{self.folder} was begun with {name}={value!r} for {job!r}, not {settings.get(name)!r}: "
                    "call it with the same settings, or choose another folder"
                )

    def settle(self, job: str, settings: dict[str, Any]) -> None:
        """Check a job's settings and enter them in ``config.yaml``.

        Call it when the job can begin, so that a misspelt model or file does not bind the run.

        Raises:
            RunError: as ``check`` does.
        """
        self.check(job, settings)
        config = {**self._config(), job: settings}
        self._replace(
            self.folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        )

    def settings(self, job: str) -> dict[str, Any]:
        """Return the settings a job was begun with; empty where it was not.

        Raises:
            RunError: if ``config.yaml`` is not as documented.
        """
        return dict(self._config().get(job, {}))

    def _config(self) -> dict[str, Any]:
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(config, dict):
            raise RunError(f"{path} must hold a mapping of jobs to settings")
        return config

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        """Write a file in one step, so that a reader never sees half of it; raises RunError where it cannot be."""
        try:
            with written_whole(path) as part:
                part.write_text(text, encoding="utf-8")
        except OSError as error:
            raise RunError(
                f"cannot write {path}: {error}. Make room and call the same command again."
            ) from error

    def settle_rollouts(self) -> None:
        """Move the roll-outs that were made later into their pairs; a stop in between loses none.

        Raises:
            RunError: as ``RecordFile.rewrite`` says.
        """
        later = {record.id: record.confirmation for record in self.rollouts}
        if not later:
            return

        def with_rollouts(pair: PairRecord) -> PairRecord:
            found = later.get(pair.id)
            return pair if found is None else pair.model_copy(update={"confirmation": found})

        self.pairs.rewrite(with_rollouts)
        self.rollouts.close()
        self.rollouts.path.unlink()

    def write_stage(self, name: str, taken: int, kept: int, dropped: dict[str, int], seconds: float) -> None:
        """Enter a stage's counts in ``stages.json``: what came in, what was kept, and why the rest was not.

        ``seconds`` adds up over the times the stage was called.
        """
        stages = self.read_json("stages.json")
        before = stages.get(name, {}).get("seconds", 0.0)
        stages[name] = {
            "in": taken,
            "kept": kept,
            "dropped": dict(sorted(dropped.items(), key=lambda item: -item[1])),
            "seconds": round(before + seconds, 1),
        }
        self.write_json("stages.json", stages)
