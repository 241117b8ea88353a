"""``/run_code`` and ``/run_jupyter`` as SandboxFusion 0.3 has them: a trainer's configured tool needs a URL only.

Field names and statuses are theirs, and so a failure of the code is a 200 with ``Failed``. Every request has a session
of its own, isolated as all sessions are here. Not covered: other languages than Python, files, and standard input; a
request that asks for one of them is told so with ``SandboxError``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from sandbox import CellResult
from verifier.service.execution import Executions
from verifier.service.models import ValidText

MOST_SECONDS: Final = 3600.0
KILLED: Final = -9
"""The return code of code that a limit ended, as a shell would tell of a process."""


class _FusionBody(BaseModel):
    """What both requests share; fields that are not named here are theirs and make no difference."""

    model_config = ConfigDict(extra="ignore")

    files: dict[str, str | None] = {}
    fetch_files: list[str] = []


class RunCodeBody(_FusionBody):
    """A program to run."""

    code: ValidText
    language: str = "python"
    run_timeout: float = 10.0
    stdin: str | None = None


class RunJupyterBody(_FusionBody):
    """Cells to run one after the other in one kernel."""

    cells: list[ValidText]
    cell_timeout: float = 0.0
    total_timeout: float = 45.0
    kernel: str = "python3"


def add_fusion_routes(app: FastAPI) -> None:
    """Add the two routes; they are described in ``docs/service.md``, not in the API's own document."""

    @app.post("/run_code", include_in_schema=False)
    async def run_code(body: RunCodeBody) -> dict[str, Any]:
        """Run a program in a session of its own."""
        refused = _refused(body)
        if body.language != "python":
            refused = f"the language {body.language!r} is not offered, Python is"
        if body.stdin:
            refused = "standard input is not offered"
        if refused:
            return {
                "status": "SandboxError",
                "message": refused,
                "compile_result": None,
                "run_result": None,
                "files": {},
            }
        results, seconds, late = await _run(app, [body.code], body.run_timeout)
        ran = _command(results[0], seconds) if results else _too_late(seconds)
        return {
            "status": "Success" if ran["return_code"] == 0 else "Failed",
            "message": "",
            "compile_result": None,
            "run_result": _too_late(seconds) if late else ran,
            "files": {},
        }

    @app.post("/run_jupyter", include_in_schema=False)
    async def run_jupyter(body: RunJupyterBody) -> dict[str, Any]:
        """Run cells in one session; the first that does not end in time ends the request."""
        refused = _refused(body)
        if refused:
            return {"status": "SandboxError", "message": refused, "driver": None, "cells": [], "files": {}}
        results, seconds, late = await _run(app, body.cells, body.total_timeout, body.cell_timeout or None)
        stopped = late or any(result.status == "timeout" or result.state_lost for result in results)
        driver = _too_late(seconds) if stopped else _finished(seconds)
        return {
            "status": "Failed" if stopped else "Success",
            "message": "",
            "driver": driver,
            "cells": [_cell(result) for result in results],
            "files": {},
        }


def _refused(body: _FusionBody) -> str:
    return "files are not offered" if body.files or body.fetch_files else ""


async def _run(
    app: FastAPI, cells: Sequence[str], total: float, each: float | None = None
) -> tuple[list[CellResult], float, bool]:
    """Run cells in a fresh session; return their results, the seconds, and whether the time was up before the end."""
    executions: Executions = app.state.service.executions
    started = time.perf_counter()
    results: list[CellResult] = []
    late = False
    async with executions.session() as session:
        try:
            async with asyncio.timeout(min(max(total, 0.0), MOST_SECONDS)):
                for code in cells:
                    async with asyncio.timeout(each):
                        results.append(await session.run(code))
                    if results[-1].state_lost:
                        break
        except TimeoutError:
            late = True
    return results, time.perf_counter() - started, late


def _command(result: CellResult, seconds: float) -> dict[str, Any]:
    """Return what SandboxFusion tells of a process: a cell that raised ends with 1, one that a limit ended with -9."""
    if result.status == "timeout":
        return _too_late(seconds)
    code = {"ok": 0, "error": 1, "output": 0}.get(result.status, KILLED)
    return _finished(seconds, code, result.stdout, "\n".join(filter(None, (result.stderr, result.error))))


def _finished(seconds: float, code: int = 0, stdout: str = "", stderr: str = "") -> dict[str, Any]:
    return {
        "status": "Finished",
        "execution_time": seconds,
        "return_code": code,
        "stdout": stdout,
        "stderr": stderr,
    }


def _too_late(seconds: float) -> dict[str, Any]:
    return {
        "status": "TimeLimitExceeded",
        "execution_time": seconds,
        "return_code": None,
        "stdout": "",
        "stderr": "",
    }


def _cell(result: CellResult) -> dict[str, Any]:
    """Return a cell as SandboxFusion does: its streams, what it displayed, its error."""
    shown = result.output if result.status == "ok" and result.output != result.stdout.rstrip("\n") else ""
    name, _, value = (result.error or "").partition(": ")
    return {
        "stdout": result.stdout,
        "stderr": result.stderr,
        "display": [{"text/plain": shown}] if shown else [],
        "error": [{"ename": name, "evalue": value, "traceback": [result.output]}] if result.error else [],
    }
