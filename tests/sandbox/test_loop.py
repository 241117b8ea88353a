"""What a signal does that strikes a cell which awaits, at any moment of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# 200 runs of an endless coroutine, each struck at another moment: some within one of its steps, others between two.
STRUCK = """
import asyncio, collections, json, signal
from sandbox.inside.loop import CellLoop

class Stop(BaseException):
    pass

async def alone():
    while True:
        sum(range(200))
        await asyncio.sleep(0)

async def beside_a_task_that_spins():
    spinning = asyncio.create_task(alone())
    while True:
        sum(range(2000))
        await asyncio.sleep(0)

loop = CellLoop()
signal.signal(signal.SIGVTALRM, lambda _signal, frame: loop.strike(Stop(), frame))
ends = collections.Counter()
for run in range(200):
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.004 + run % 7 * 0.0003)
    try:
        loop.run(CELL(), waits=True)
    except (Stop, asyncio.CancelledError) as error:
        ends[type(error).__name__] += 1
print(json.dumps(ends))
"""


@pytest.mark.parametrize("cell", ["alone", "beside_a_task_that_spins"])
def test_a_signal_ends_a_cell_that_awaits_wherever_it_strikes(cell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRUCK.replace("CELL", cell)],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )
    ends = json.loads(done.stdout)
    assert sum(ends.values()) == 200
    assert ends["Stop"] > 0
    assert ends["CancelledError"] > 0
