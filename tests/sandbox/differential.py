"""Re-run recorded solutions in the sandbox and in a stock ipykernel, and compare cell by cell.

    python tests/sandbox/differential.py --sample 400            # minutes
    python tests/sandbox/differential.py --all --out diff.json   # all of shared/data/tir, about an hour
    python tests/sandbox/differential.py --awkward               # what solutions seldom do, in minutes

A stock kernel is started for every 40 solutions and reset between them, since a fresh one for each takes a second.
Outputs are compared exactly, but for addresses and measured times. Against the record, white space is collapsed and
of a failing cell only the kind of exception is compared, as the record was made with other versions.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import gzip
import itertools
import json
import os
import queue
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox import Limits, Sandbox, results

SECONDS = 10.0
BATCH = 40
FILES = ("mathcoder_gsm8k", "mathcoder_math", "mathcoder_ood", "tora_gsm8k")
RESET = "get_ipython().reset(new_session=True); get_ipython().execution_count = 1"


def solutions(folder: Path) -> Iterator[dict[str, Any]]:
    """Give every recorded solution as {"id", "cells": [(code, recorded output)]}."""
    for name in FILES:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                blocks = [(b["type"], b["content"]) for b in row["blocks"]]
                pairs = itertools.pairwise(blocks)
                cells = [(a[1], b[1]) for a, b in pairs if a[0] == "code" and b[0] == "execution"]
                if cells:
                    yield {"id": row["id"], "cells": cells}


def awkward() -> list[dict[str, Any]]:
    """Return the cells of `cells/stock.jsonl`, of which nothing was recorded, as solutions."""
    lines = Path(__file__).with_name("cells").joinpath("stock.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [{"id": row["name"], "cells": [(code, "") for code in row["cells"]]} for row in rows]


def in_sandbox(box: Sandbox, codes: list[str]) -> list[str]:
    """Return the outputs of `codes` run in one fresh session."""
    with box.session() as session:
        return [session.run(code).output for code in codes]


class StockKernel:
    """An ipykernel, driven so that outputs cannot shift: by message id, until idle."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self.folder = tempfile.TemporaryDirectory()
        self.manager, self.client = start_new_kernel(startup_timeout=120, cwd=self.folder.name)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.folder.cleanup()

    def run(self, code: str, silent: bool = False) -> str | None:
        """Return the output of a cell, or None when it did not end in time."""
        request = self.client.execute(code, silent=silent, stop_on_error=False, allow_stdin=False)
        events: list[list[Any]] = []
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                return None
            if message["parent_header"].get("msg_id") != request:
                continue
            content, kind = message["content"], message["msg_type"]
            if kind == "status" and content["execution_state"] == "idle":
                return results.render(events, 8000).output
            if kind == "stream":
                events.append(["stream", content["name"], content["text"]])
            elif kind in ("execute_result", "display_data"):
                events.append(["display", content["data"], {}, {}, False])
            elif kind == "error":
                lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in content["traceback"]]
                events.append(["error", content["ename"], content["evalue"], lines])


def in_stock(batch: list[list[str]]) -> list[list[str | None]]:
    """Return the outputs of a batch of solutions run in one stock kernel, reset in between."""
    outputs: list[list[str | None]] = []
    kernel = StockKernel()
    try:
        for codes in batch:
            kernel.run(RESET, silent=True)
            found: list[str | None] = []
            for code in codes:
                found.append(kernel.run(code))
                if found[-1] is None:  # start anew: what is left of this solution is not compared
                    kernel.close()
                    kernel = StockKernel()
                    break
            outputs.append(found + [None] * (len(codes) - len(found)))
    finally:
        kernel.close()
    return outputs


def same(ours: str, stock: str) -> bool:
    """Whether two outputs are the same but for addresses, temporary names and measured times."""
    return _masked(ours) == _masked(stock)


def _masked(text: str) -> str:
    text = text.replace(" ~/", f" {Path.home()}/")  # a session's home is its work folder
    text = re.sub(r"0x[0-9a-f]{6,}", "0x", text)
    text = re.sub(r"\bThread-\d+", "Thread-0", text)  # a kernel for many solutions counts on
    text = re.sub(r"(/tmp/ipykernel(_\d+)?/)?\b\d{5,}\.py", "CELL", text)
    return re.sub(r"[\d.e+]+ (ns|.s|ms|s)\b", "TIME", text)


def as_recorded(ours: str, recorded: str) -> bool:
    """Whether an output is the recorded one, or ends in the same kind of exception."""
    recorded = "" if recorded == "<empty_execution>" else re.sub(r"\x1b\[[0-9;]*m", "", recorded)
    if "".join(ours.split()) == "".join(recorded.split()):
        return True
    mine, theirs = _kind(ours), _kind(recorded)
    if mine == "TimeoutError" and "Timed Out" in recorded:
        return True
    return mine is not None and mine == theirs


def _kind(text: str) -> str | None:
    found = re.findall(r"\b([A-Z]\w*(?:Error|Exception|Failed|Infinite|Interrupt|Exit))\b", text)
    return found[-1] if found and ("Traceback" in text or "Error" in text or "line" in text) else None


def compare(chosen: list[dict[str, Any]], workers: int = 2, stock: bool = True) -> dict[str, Any]:
    """Run `chosen` in both and return the counts and the differences."""
    codes = [[code for code, _ in s["cells"]] for s in chosen]
    batches = [codes[i : i + BATCH] for i in range(0, len(codes), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        limits = Limits(cell_seconds=SECONDS)
        with Sandbox(limits, level="strict") as box:
            ours = list(threads.map(lambda c: in_sandbox(box, c), codes))
        theirs = (
            [o for b in threads.map(in_stock, batches) for o in b]
            if stock
            else [[None] * len(c) for c in codes]
        )
    counts: Counter[str] = Counter()
    differences = []
    for solution, mine, reference in zip(chosen, ours, theirs, strict=True):
        for (code, recorded), a, b in zip(solution["cells"], mine, reference, strict=True):
            counts["cells"] += 1
            counts["as recorded"] += as_recorded(a, recorded)
            if b is None:
                counts["stock gave nothing in time"] += 1
                continue
            counts["compared with stock"] += 1
            counts["as stock"] += same(a, b)
            if not same(a, b):
                differences.append(
                    {"id": solution["id"], "code": code, "ours": a, "stock": b, "recorded": recorded}
                )
    return {"counts": dict(counts), "differences": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SCDPO_SHARED", "../shared")) / "data/tir"
    )
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--all", action="store_true")
    parser.add_argument(
        "--awkward", action="store_true", help="cells/stock.jsonl instead of recorded solutions"
    )
    parser.add_argument("--recorded-only", action="store_true", help="compare with the record alone")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = awkward() if options.awkward else list(solutions(options.data))
    if not (options.all or options.awkward):
        chosen = random.Random(0).sample(chosen, options.sample)
    report = compare(chosen, stock=not options.recorded_only)
    counts = report["counts"]
    print(json.dumps(counts))
    print(f"as recorded: {counts['as recorded'] / counts['cells']:.2%} of {counts['cells']} cells")
    if not options.recorded_only:
        compared = counts["compared with stock"]
        print(f"as stock:    {counts['as stock'] / compared:.2%} of {compared} cells")
    for difference in report["differences"][:20]:
        print("--", difference["id"], repr(difference["ours"][-200:]), "|", repr(difference["stock"][-200:]))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
