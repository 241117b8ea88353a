"""The Jupyter front: speaks the Jupyter protocol outside the sandbox and runs cells in a session inside it.

    python -m sandbox.jupyter.kernel install       # register the kernel `scdpo-sandbox` for this interpreter
    jupyter lab                            # and choose "Python (scdpo sandbox)"

Any Jupyter program can then drive the same isolated kernels as the pipeline does. Limits come from the
kernelspec's provisioner configuration (see `sandbox.jupyter.provisioner`). Does not cover widgets, the debugger,
`input()` and history.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.kernelbase import Kernel
    from jupyter_client.kernelspec import KernelSpecManager
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'the Jupyter kernel needs {error.name}: in a checkout, pip install ".[jupyter]"', name=error.name
    ) from error

from sandbox import cut
from sandbox.core import SessionCore
from sandbox.errors import SandboxError
from sandbox.limits import Limits
from sandbox.pool import Pool
from sandbox.replies import Event

NAME = "scdpo-sandbox"
LIMITS_VARIABLE = "SCDPO_KERNEL_LIMITS"
# A person at a notebook waits longer and looks at more than a pipeline does.
NOTEBOOK_LIMITS: dict[str, Any] = {
    "cell_seconds": 3600.0,
    "cpu_seconds": 86400,
    "memory_mb": 4096,
    "output_chars": 1_000_000,
    "output_messages": 100_000,
    "disk_mb": 512,
    "files": 16384,
}


class SandboxKernel(Kernel):  # type: ignore[misc]
    """A kernel whose cells run in an isolated session."""

    implementation = "scdpo-sandbox"
    implementation_version = "1"
    banner = "Python in the scdpo sandbox"
    language_info = {  # noqa: RUF012 - the base class declares it so
        "name": "python",
        "version": ".".join(map(str, sys.version_info[:3])),
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }

    def __init__(self, **traits: Any) -> None:
        """Start without a session; the first cell starts it."""
        super().__init__(**traits)
        settings = {**NOTEBOOK_LIMITS, **json.loads(os.environ.get(LIMITS_VARIABLE, "{}"))}
        level = settings.pop("level", "auto")
        self._limits = Limits(**settings)
        self._level = level
        self._pool: Pool | None = None
        self._core: SessionCore | None = None

    async def _session(self) -> SessionCore:
        if self._core is None:
            self._pool = Pool(self._limits, self._level, warm=0, max_sessions=1)
            self._core = await self._pool.lease()
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGINT, self._core.interrupt)
        return self._core

    def pre_handler_hook(self) -> None:
        """Leave SIGINT with our handler, which interrupts the session's cell and not this process."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT with our handler."""

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Run a cell in the session, passing on its outputs as they come."""
        # Outputs arrive in the context of whoever first read the session's socket, but belong to this
        # request.
        context = contextvars.copy_context()

        def emit(event: Event) -> None:
            context.run(self._emit, event)

        try:
            session = await self._session()
            result, done = await session.run(
                code, on_event=None if silent else emit, silent=silent, history=store_history
            )
        except SandboxError as error:
            return self._fail(type(error).__name__, str(error), [str(error)])
        count = done.get("count", self.execution_count)
        if result.status == "ok" or (result.status == "output" and not done.get("failure")):
            return {
                "status": "ok",
                "execution_count": count,
                "payload": _payload(done),
                "user_expressions": {},
            }
        name, _, value = (result.error or "Error").partition(": ")
        if result.status != "error":  # a limit: the session itself shows no traceback for it
            self._emit(["error", name, value, [result.error or name]])
        return {
            "status": "error",
            "execution_count": count,
            "ename": name,
            "evalue": value,
            "traceback": [result.output],
        }

    def _fail(self, name: str, value: str, traceback: list[str]) -> dict[str, Any]:
        self._emit(["error", name, value, traceback])
        return {
            "status": "error",
            "execution_count": self.execution_count,
            "ename": name,
            "evalue": value,
            "traceback": traceback,
        }

    def _emit(self, event: Event) -> None:
        """Publish one event of a cell."""
        kind = event[0]
        if kind == "stream":
            message, content = "stream", {"name": event[1], "text": event[2]}
        elif kind == "result":
            message = "execute_result"
            content = {"data": event[1], "metadata": event[2], "execution_count": event[3]}
        elif kind == "display":
            message = "update_display_data" if event[4] else "display_data"
            content = {"data": event[1], "metadata": event[2], "transient": event[3]}
        elif kind == "cut":
            message, content = "stream", {"name": "stderr", "text": f"\n{cut.missing(event[1])}\n"}
        elif kind == "clear":
            message, content = "clear_output", {"wait": event[1]}
        else:
            message, content = "error", {"ename": event[1], "evalue": event[2], "traceback": event[3]}
        self.send_response(self.iopub_socket, message, content)

    async def do_complete(self, code: str, cursor_pos: int | None) -> dict[str, Any]:
        """Complete a name in the session."""
        cursor = len(code) if cursor_pos is None else cursor_pos
        done = await (await self._session()).ask({"op": "complete", "code": code, "cursor": cursor})
        return {
            "status": "ok",
            "matches": done.get("matches", []),
            "cursor_start": done.get("start", cursor),
            "cursor_end": done.get("end", cursor),
            "metadata": {},
        }

    async def do_inspect(
        self, code: str, cursor_pos: int | None, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Describe an object of the session."""
        cursor = len(code) if cursor_pos is None else cursor_pos
        frame = {"op": "inspect", "code": code, "cursor": cursor, "detail": detail_level}
        done = await (await self._session()).ask(frame)
        data = done.get("data")
        return {"status": "ok", "found": data is not None, "data": data or {}, "metadata": {}}

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Say whether `code` is a whole cell."""
        done = await (await self._session()).ask({"op": "is_complete", "code": code})
        status = done.get("status", "unknown")
        return (
            {"status": status, "indent": done.get("indent", "")}
            if status == "incomplete"
            else {"status": status}
        )

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the session with the kernel."""
        if self._pool is not None:
            self._pool.close()
        return {"status": "ok", "restart": restart}


def _payload(done: dict[str, Any]) -> list[dict[str, Any]]:
    page = done.get("page")
    return [{"source": "page", "data": page, "start": 0}] if page else []


def install(prefix: str = sys.prefix) -> Path:
    """Register the kernel with Jupyter under `prefix`; return the folder of its kernelspec."""
    with tempfile.TemporaryDirectory() as folder:
        spec = json.loads(Path(__file__).with_name("kernelspec").joinpath("kernel.json").read_text())
        spec["argv"][0] = sys.executable
        Path(folder, "kernel.json").write_text(json.dumps(spec, indent=1))
        target = KernelSpecManager().install_kernel_spec(folder, NAME, prefix=prefix)
    return Path(target)


def main() -> None:
    """Run the kernel, or register it when called with `install`."""
    if sys.argv[1:2] == ["install"]:
        print(install(*sys.argv[2:3]))
        return
    IPKernelApp.launch_instance(kernel_class=SandboxKernel)


if __name__ == "__main__":
    main()
