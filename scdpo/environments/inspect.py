"""The sandbox and the verifier in inspect_ai: ``sandbox="scdpo"`` and the scorer ``scdpo/verified``.

inspect_ai finds both by their names once this package is installed.

    Task(dataset=..., solver=[use_tools(python()), generate()], scorer=verified(), sandbox="scdpo")

A sample has one isolated session for its files. ``exec`` runs Python, each time in a namespace of its own
(``python3 -c``, ``python3 FILE``, and ``python3 -``, also in the login shell that inspect_ai's ``python`` asks for),
and a few commands on files. The sandbox starts no programs, so a shell or any other program is answered as one that
is not there (127). Not covered: other users, and tools that inspect_ai would inject.
"""

from __future__ import annotations

import asyncio
import base64
import builtins
import json
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, overload

from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    NOANSWER,
    Score,
    Scorer,
    Target,
    accuracy,
    scorer,
    stderr,
)
from inspect_ai.solver import TaskState
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxEnvironmentLimits,
    SandboxUserUnsupportedError,
    sandboxenv,
)

from sandbox import AsyncSandbox, AsyncSession, CellResult, Limits, SandboxError, SessionClosed
from verifier import verify_many
from verifier.verdict import Strength

LONGEST_SECONDS = 3600.0
"""For a command without a time-out of its own; the session's processor time (10 minutes) ends it before that."""
GRACE_SECONDS = 2.0
PIECE = 2**20
"""Bytes of a file in one cell."""
LIMITS = Limits(cell_seconds=LONGEST_SECONDS, output_chars=4 * PIECE, disk_mb=256)
_INPUT = "/tmp/.scdpo-input"
_FILE_ERRORS = ("FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError")
_BASH = ("bash", "sh", "/bin/bash", "/bin/sh")
_PYTHON = ("python", "python3")

# Runs inside. What goes in is one JSON text; a status other than 0 comes out as the number `_Ended` was raised with.
_PROGRAM = """
def _scdpo_exec(request):
    import io, json, os, pathlib, shutil, sys, time, traceback

    class _Ended(Exception):
        pass

    def ls(*names):
        names = [n for n in names if n != "-1"]
        for name in names or ["."]:
            print("\\n".join(sorted(os.listdir(name)) if os.path.isdir(name) else [name]))

    def rm(*names):
        flags = "".join(n[1:] for n in names if n[:1] == "-" and n != "--")
        for name in (n for n in names if n[:1] != "-"):
            if os.path.isdir(name) and "r" in flags:
                shutil.rmtree(name)
            elif os.path.lexists(name) or "f" not in flags:
                os.remove(name)

    def cat(*names):
        for name in names:
            sys.stdout.write(pathlib.Path(name).read_text())
        if not names:
            sys.stdout.write(sys.stdin.read())

    def wc(flag, *names):
        for data in [pathlib.Path(n).read_bytes() for n in names] or [sys.stdin.buffer.read()]:
            print(len(data) if flag == "-c" else data.count(b"\\n"))

    def mkdir(*names):
        for name in (n for n in names if n != "-p"):
            os.makedirs(name, exist_ok="-p" in names)

    commands = {
        "ls": ls, "rm": rm, "cat": cat, "wc": wc, "mkdir": mkdir,
        "rmdir": lambda *names: [os.rmdir(n) for n in names],
        "touch": lambda *names: [open(n, "a").close() for n in names],
        "echo": lambda *words: print(*words),
        "sleep": lambda seconds: time.sleep(float(seconds)),
    }
    asked = json.loads(request)
    given = pathlib.Path(asked["input"]).read_bytes()
    kept = os.getcwd(), dict(os.environ), sys.stdin, sys.argv
    code = 0
    try:
        if asked["cwd"]:
            os.chdir(asked["cwd"])
        os.environ.update(asked["env"])
        sys.stdin = io.TextIOWrapper(io.BytesIO(given), newline="")
        name, *words = asked["command"]
        if name in commands:
            commands[name](*words)
        else:
            sys.argv = words
            source = pathlib.Path(words[0]).read_text() if asked["code"] is None else asked["code"]
            exec(compile(source, words[0], "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except Exception:
        code = 1
        if asked["command"][0] in commands:
            print(f"{asked['command'][0]}: {sys.exc_info()[1]}", file=sys.stderr)
        else:
            traceback.print_exc()
    finally:
        os.chdir(kept[0])
        os.environ.clear()
        os.environ.update(kept[1])
        sys.stdin, sys.argv = kept[2:]
    if code:
        raise _Ended(code)

def _scdpo_write(name, data, mode):
    import base64, os
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, mode) as file:
        file.write(base64.b64decode(data))

def _scdpo_read(name, start, size):
    import base64
    with open(name, "rb") as file:
        file.seek(start)
        print(base64.b64encode(file.read(size)).decode())
"""
_COMMANDS = frozenset({"ls", "rm", "cat", "wc", "mkdir", "rmdir", "touch", "echo", "sleep"})


@sandboxenv(name="scdpo")
class ScdpoSandbox(SandboxEnvironment):
    """An isolated session as inspect_ai's sandbox of a sample."""

    _shared: ClassVar[AsyncSandbox | None] = None  # by all samples of an evaluation

    def __init__(self, box: AsyncSandbox) -> None:
        super().__init__()
        self._box = box
        self._session: AsyncSession | None = None
        self._turn = asyncio.Lock()

    @classmethod
    async def sample_init(
        cls, task_name: str, config: Any, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """Give a sample its environment; the session starts with its first use."""
        if cls._shared is None:
            cls._shared = AsyncSandbox(LIMITS, max_sessions=1024)
        return {"default": cls(cls._shared)}

    @classmethod
    async def sample_cleanup(
        cls, task_name: str, config: Any, environments: dict[str, SandboxEnvironment], interrupted: bool
    ) -> None:
        """End the sample's session."""
        for environment in environments.values():
            await environment.as_type(cls).close()

    @classmethod
    async def task_cleanup(cls, task_name: str, config: Any, cleanup: bool) -> None:
        """End the sandbox; inspect_ai calls this once, when the evaluation ends."""
        if cls._shared is not None:
            await cls._shared.close()
            cls._shared = None

    async def close(self) -> None:
        """End the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """Run Python, or a command on files; see the module.

        Raises:
            SandboxUserUnsupportedError: another user was asked for.
            TimeoutError: the time was up; what ran was interrupted, and killed where that did not help.
        """
        if user is not None:
            raise SandboxUserUnsupportedError("the sandbox knows no other users")
        data = (input or "").encode() if not isinstance(input, bytes) else input
        command, code = _read_command(cmd)
        if code == "-":
            code, data = data.decode(), b""
        if command is None:
            said = f"{cmd[0]}: the sandbox starts no programs but Python"
            return ExecResult(False, 127, "", f"{said}\n")
        await self.write_file(_INPUT, data)
        request = json.dumps(
            {
                "command": command,
                "code": code,
                "input": _INPUT,
                "cwd": cwd,
                "env": env or {},
            }
        )
        result = await self._cell(f"_scdpo_exec({request!r})", timeout)
        if result.status == "output":
            raise OutputLimitExceededError(f"{LIMITS.output_chars} characters", result.stdout)
        name, _, value = (result.error or "").partition(": ")
        status = (
            int(value) if name == "_Ended" and value.lstrip("-").isdigit() else int(result.status != "ok")
        )
        told = "" if name in ("", "_Ended") else f"{result.error}\n"
        return ExecResult(status == 0, status, result.stdout, result.stderr + told)

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Write a file, a piece a cell; folders are made.

        Raises:
            OSError: PermissionError, IsADirectoryError and their like, as inside.
        """
        data = contents.encode() if isinstance(contents, str) else contents
        for start in range(0, max(len(data), 1), PIECE):
            piece = base64.b64encode(data[start : start + PIECE]).decode()
            mode = "ab" if start else "wb"
            await self._file_cell(f"_scdpo_write({file!r}, {piece!r}, {mode!r})", file)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """Read a file, a piece a cell.

        Raises:
            OSError: FileNotFoundError, IsADirectoryError and their like, as inside.
            OutputLimitExceededError: it is larger than inspect_ai reads.
            UnicodeDecodeError: it was to be text and is not.
        """
        most = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        data = b""
        while True:
            result = await self._file_cell(f"_scdpo_read({file!r}, {len(data)}, {PIECE})", file)
            piece = base64.b64decode(result.stdout, validate=False)
            data += piece
            if len(data) > most:
                raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None)
            if len(piece) < PIECE:
                return data.decode() if text else data

    async def _file_cell(self, code: str, file: str) -> CellResult:
        result = await self._cell(code, None)
        if result.status != "ok":
            name, _, said = (result.error or result.status).partition(": ")
            kind = getattr(builtins, name) if name in _FILE_ERRORS else OSError
            raise kind(f"{said} ({PurePosixPath(file)})")
        return result

    async def _cell(self, code: str, timeout: float | None) -> CellResult:
        """Run a cell in the session, which is started anew where it was lost.

        Raises:
            TimeoutError: the time was up.
            SandboxError: no session can be had.
        """
        async with self._turn:
            session = await self._opened()
            running = asyncio.ensure_future(session.run(code))
            if not (await asyncio.wait({running}, timeout=timeout or LONGEST_SECONDS))[0]:
                session.interrupt()
                if not (await asyncio.wait({running}, timeout=GRACE_SECONDS))[0]:
                    running.cancel()
                    await self.close()
                raise TimeoutError(f"the command did not end within {timeout} s")
            try:
                result = running.result()
            except SessionClosed:
                await self.close()
                raise
            if result.state_lost:
                await self.close()
            return result

    async def _opened(self) -> AsyncSession:
        if self._session is None:
            self._session = await self._box.session()
            result = await self._session.run(_PROGRAM)
            if result.status != "ok":
                raise SandboxError(f"the session could not be prepared: {result.error}")
        return self._session


def _read_command(cmd: Sequence[str]) -> tuple[list[str] | None, str | None]:
    """Return a command and the code that it runs: ``-`` for that on its standard input, None for a file's.

    ``["bash", "--login", "-c", "python3 -"]`` is inspect_ai's own tool; ``["bash", "-c", "ls | wc -l"]`` needs a shell
    and gives None.
    """
    words = list(cmd)
    if words[0] in _BASH:
        try:
            words = shlex.split(words[-1])
        except ValueError:
            return None, None
        if any(mark in cmd[-1] for mark in "|&;<>$`()*?\n"):
            return None, None
    if not words:
        return None, None
    if words[0] in _COMMANDS:
        return words, None
    if words[0] not in _PYTHON:
        return None, None
    if words[1:2] == ["-c"] and len(words) > 2:
        return ["python", "-c", *words[3:]], words[2]
    if words[1:] in ([], ["-"]):
        return ["python", "-"], "-"
    return ["python", *words[1:]], None


@scorer(metrics=[accuracy(), stderr()])  # type: ignore[untyped-decorator]
def verified(require: Strength = "weak") -> Scorer:
    """Score the final answer with this verifier: C right, I wrong, N where that cannot be said (it counts 0).

    Args:
        require: how strongly the answer must be stated, as for ``verify``.
    """

    async def score(state: TaskState, target: Target) -> Score:
        pair = (state.output.completion, list(target))
        (verdict,) = await asyncio.to_thread(verify_many, [pair], require=require)
        value = {"correct": CORRECT, "incorrect": INCORRECT, "unverifiable": NOANSWER}[verdict.status]
        return Score(value=value, answer=verdict.prediction, explanation=verdict.reason)

    return score
