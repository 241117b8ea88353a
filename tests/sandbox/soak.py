"""Start and end sessions in a row and watch that memory, descriptors and processes stay flat.

    python tests/sandbox/soak.py --sessions 20000

Every session runs a cell; every tenth is forked, every fiftieth dies, every two-hundredth hangs and is killed. Prints
a line for each twentieth of the way and fails when the last fifth holds more than the first did.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import psutil

from sandbox import Limits, Sandbox


def measure() -> tuple[float, float, int, int]:
    """Return MiB of this process and of the zygote, and the numbers of descriptors and processes below."""
    own = psutil.Process()
    below = own.children(recursive=True)
    zygote = sum(p.memory_info().rss for p in below[:2]) / 2**20
    fds = own.num_fds() + sum(p.num_fds() for p in below[:2])
    return own.memory_info().rss / 2**20, zygote, fds, len(below)


def use(box: Sandbox, i: int) -> None:
    with box.session() as session:
        first = session.run(f"n = {i}\nn")
        assert first.output == str(i), first
        if i % 10 == 0:
            with session.fork() as copy:
                second = copy.run("n")
                assert second.output == str(i), second
        if i % 50 == 7:
            assert session.run("import os\nos._exit(1)").status == "died"
        elif i % 200 == 3:
            assert session.run(
                "while True:\n    try: x = sum(range(10**12))\n    except BaseException: pass"
            ).state_lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20_000)
    total = parser.parse_args().sessions
    samples = []
    started = time.monotonic()
    with Sandbox(Limits(cell_seconds=1, grace_seconds=0.1), level="strict", warm=1) as box:
        for i in range(total):
            use(box, i)
            if (i + 1) % max(total // 20, 1) == 0:
                time.sleep(0.5)
                samples.append(measure())
                own, zygote, fds, processes = samples[-1]
                seconds = time.monotonic() - started
                print(
                    f"{i + 1:6} sessions {seconds:7.0f} s  own {own:6.1f} MiB  zygote {zygote:6.1f} MiB  "
                    f"{fds:3} descriptors  {processes:2} processes",
                    flush=True,
                )
    first, last = samples[: len(samples) // 5 + 1], samples[-len(samples) // 5 :]
    names, slack = ("own MiB", "zygote MiB", "descriptors", "processes"), (8.0, 8.0, 2, 1)
    grown = []
    for k, name in enumerate(names):
        before, after = (statistics.median(s[k] for s in part) for part in (first, last))
        if after > before + slack[k]:
            grown.append(f"{name}: {before:.1f} to {after:.1f}")
    left = psutil.Process().children(recursive=True)
    print("flat" if not grown else "GROWN " + "; ".join(grown), f"- {len(left)} processes left")
    sys.exit(bool(grown or left))


if __name__ == "__main__":
    main()
