"""The siege's cells against a stock kernel, which fails visibly, or against this project's sandbox.

python tests/sandbox/conformance.py --backend ipykernel
python tests/sandbox/conformance.py --level landlock
"""

from __future__ import annotations

import argparse
import json
import time

from sandbox import CellResult
from sandbox.siege.cells import CHECKS, GRACE, LIMIT, SLACK, run_all
from sandbox.siege.run import SandboxBackend


class StockBackend:
    """ipykernel as jupyter_client starts it, driven with the care a client can take."""

    def run(self, cells: list[str]) -> list[CellResult]:
        from jupyter_client.manager import start_new_kernel

        manager, client = start_new_kernel(startup_timeout=60)
        try:
            return [self._cell(manager, client, code) for code in cells]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    def _cell(self, manager, client, code: str) -> CellResult:  # type: ignore[no-untyped-def]
        import queue

        if not manager.is_alive():
            return CellResult("died", "", error="the kernel has ended", state_lost=True, isolation="none")
        text: list[str] = []
        seen: dict[str, str] = {}
        request = client.execute(code, stop_on_error=False, allow_stdin=False)
        status, deadline, interrupted = "ok", time.monotonic() + LIMIT, False
        while "idle" not in seen:
            try:
                message = client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                if not manager.is_alive():
                    return CellResult("died", "".join(text), state_lost=True, isolation="none")
                message = None
            if message and message["parent_header"].get("msg_id") == request:
                content = message["content"]
                if content.get("execution_state") == "idle":
                    seen["idle"] = ""
                text.append(content.get("text") or content.get("data", {}).get("text/plain") or "")
                if "ename" in content:
                    seen["error"] = f"{content['ename']}: {content['evalue']}"
                    text.append("\n".join(content["traceback"]))
                    status = "memory" if content["ename"] == "MemoryError" else "error"
            if time.monotonic() > deadline and not interrupted:
                manager.interrupt_kernel()
                interrupted, deadline = True, time.monotonic() + GRACE + SLACK
            elif time.monotonic() > deadline:
                manager.shutdown_kernel(now=True)
                return CellResult("timeout", "HUNG", seconds=LIMIT + 99, isolation="none", state_lost=False)
        status = "timeout" if interrupted else status
        return CellResult(status, "".join(text).strip(), error=seen.get("error"), isolation="none")  # type: ignore[arg-type]

    def close(self) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=["sandbox", "ipykernel"], default="sandbox")
    parser.add_argument("--level", choices=["strict", "landlock", "none"], default="strict")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")
    options = parser.parse_args()
    backend = SandboxBackend(options.level) if options.backend == "sandbox" else StockBackend()
    try:
        problems = run_all(backend, workers=3 if options.backend == "sandbox" else 1)
    finally:
        backend.close()
    if options.json:
        print(json.dumps(problems))
        return
    for name, problem in problems.items():
        print(f"FAIL {name}: {problem}")
    print(f"{len(CHECKS) - len(problems)} of {len(CHECKS)} checks hold")


if __name__ == "__main__":
    main()
