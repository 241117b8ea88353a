"""Batches: order, hard deadlines, threads, and what a killed worker costs."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from verifier import verify, verify_many
from verifier.workers import pool as workers
from verifier.workers.pool import Worker, WorkerError


def test_verdicts_come_in_order_and_agree_with_single_ones() -> None:
    pairs = [(f"\\boxed{{{i}x+{i}}}", f"{i}(x+1)") for i in range(20)] + [
        ("\\boxed{3}", "4"),
        ("", "1"),
        ("\\boxed{1}", ""),
    ]
    many = verify_many(pairs, workers=2)
    assert [v.status for v in many] == [verify(p, g).status for p, g in pairs]
    assert [v.gold for v in many[:20]] == [g for _, g in pairs[:20]]
    assert many[-1].status == "unverifiable"


def test_one_hopeless_item_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Worker.ask

    def ask(self: Worker, request: dict[str, object], seconds: float) -> dict[str, object]:
        if request["a"] == "y+1":
            os.kill(self.process.pid, signal.SIGSTOP)  # stopped: it will never answer
        return calls(self, request, seconds)

    monkeypatch.setattr(Worker, "ask", ask)
    verdicts = verify_many(
        [("\\boxed{x+1}", "1+x"), ("\\boxed{y+1}", "1+y"), ("\\boxed{z+1}", "1+z")], workers=1, seconds=0.1
    )
    assert [v.status for v in verdicts] == ["correct", "unverifiable", "correct"]
    assert "time limit" in verdicts[1].reason


def test_the_limit_holds_for_a_request_that_is_not_taken() -> None:
    worker = Worker()
    os.kill(worker.process.pid, signal.SIGSTOP)
    start = time.perf_counter()
    with pytest.raises(WorkerError, match="time limit"):
        worker.ask({"op": "compare", "a": "x" * 500_000, "b": "y", "rounding": "exact"}, 0.02)
    assert time.perf_counter() - start < 3
    assert worker.process.poll() is not None


def test_verify_many_limits_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Worker.ask

    def ask(self: Worker, request: dict[str, object], seconds: float) -> dict[str, object]:
        os.kill(self.process.pid, signal.SIGSTOP)
        return calls(self, request, seconds)

    monkeypatch.setattr(Worker, "ask", ask)
    start = time.perf_counter()
    verdicts = verify_many([(f"\\boxed{{x+{i}}}", f"{i}+x") for i in range(4)], workers=2, seconds=0.05)
    assert [v.reason for v in verdicts] == ["over the time limit"] * 4
    assert time.perf_counter() - start < 10


_PARENT = """
import sys
from verifier.workers.pool import _pool
with _pool.worker() as first, _pool.worker() as second:
    pids = first.process.pid, second.process.pid
print(*pids, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_no_idle_worker_outlives_its_parent(killed: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(set(pids)) == 2
        assert all(runs(pid) for pid in pids)
        if killed:
            parent.kill()
    assert ended(pids, seconds=5)


_BUSY_PARENT = """
from verifier.workers.pool import Worker
worker = Worker()
worker.ask({"op": "compare", "a": "x", "b": "y", "rounding": "exact"}, 60)
print(worker.process.pid, flush=True)
hard = r"\\int_0^1 \\sin(\\cos(x^{x^x}))\\ln(1+x^7) dx"
while True:
    worker.ask({"op": "compare", "a": hard, "b": "3", "rounding": "exact"}, 2)
"""


def test_no_busy_worker_outlives_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _BUSY_PARENT], stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        assert runs(pid)
        parent.kill()
    assert ended([pid], seconds=10)


_SPIN = """
import verifier.worker_main as w
def spin(request):
    while True:
        pass
w.loaded = lambda op: spin
w.main()
"""


def test_a_worker_ends_itself_when_its_time_is_over() -> None:
    with subprocess.Popen([sys.executable, "-c", _SPIN, "1536"], stdin=-1, text=True) as worker:
        assert worker.stdin is not None
        worker.stdin.write('{"op": "compare", "seconds": 0.2}\n')
        worker.stdin.flush()
        assert worker.wait(20) == -signal.SIGPROF


def test_time_in_which_a_worker_has_no_processor_does_not_count() -> None:
    worker = Worker()
    os.kill(worker.process.pid, signal.SIGSTOP)
    threading.Timer(1.0, os.kill, (worker.process.pid, signal.SIGCONT)).start()
    request = {"op": "compare", "a": "x+1", "b": "1+x", "rounding": "exact"}
    assert worker.ask(request, 0.2)["status"] == "correct"
    worker.kill()


def test_all_callers_share_one_pool_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    workers.shut_down()
    begun: list[int] = []
    start = workers._start

    def counted() -> subprocess.Popen[bytes]:
        begun.append(1)
        return start()

    monkeypatch.setattr(workers, "_start", counted)
    monkeypatch.setattr(workers, "max_workers", lambda: 2)
    pairs = [(f"\\boxed{{x+{i}}}", f"{i}+x") for i in range(1, 5)]
    statuses: list[str] = []
    threads = [
        threading.Thread(target=lambda: statuses.extend(v.status for v in verify_many(pairs, workers=4)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["correct"] * 32
    assert len(begun) <= 2


def test_a_forked_child_has_workers_of_its_own() -> None:
    code = (
        "import os; from verifier import verify_many; pair = ('\\\\boxed{x+1}', '1+x')\n"
        "assert verify_many([pair])[0].correct\n"
        "child = os.fork()\n"
        "ok = verify_many([pair, ('\\\\boxed{y+1}', '1+y')])[1].correct\n"
        "os._exit(not ok) if child == 0 else None\n"
        "assert os.waitpid(child, 0)[1] == 0 and ok"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(runs(pid) for pid in pids)


def test_a_dead_worker_is_said_and_replaced() -> None:
    worker = Worker()
    worker.process.kill()
    with pytest.raises(WorkerError, match="died"):
        worker.ask({"op": "compare", "a": "1", "b": "1", "rounding": "exact"}, 2)
    assert not worker.usable
    assert verify_many([("\\boxed{x+1}", "1+x")])[0].correct


def test_memory_is_limited() -> None:
    worker = Worker()
    pid = worker.process.pid
    worker.ask({"op": "compare", "a": "x", "b": "y", "rounding": "exact"}, 20)
    with open(f"/proc/{pid}/limits") as limits:
        assert any(
            line.startswith("Max address space") and str(workers.MEMORY_MB * 2**20) in line for line in limits
        )
    worker.kill()


def test_from_threads() -> None:
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        results[number] = all(
            verify(f"\\boxed{{(x+{k})^2}}", f"x^2+{2 * k}x+{k * k}").correct for k in range(1, 8)
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results.values())
    assert len(results) == 6


def test_integrals_have_a_deadline() -> None:
    start = time.perf_counter()
    verdict = verify(r"\boxed{\int_0^1 \sin(\cos(x^{x^x}))\ln(1+x^7) dx}", "3")
    assert verdict.status in ("incorrect", "unverifiable")
    assert time.perf_counter() - start < 30  # some two on a quiet machine; without a deadline, minutes


def test_importing_needs_no_torch() -> None:
    code = "import sys, verifier, benchmarks.answer_pairs; print(sorted({'torch','transformers','trl','sympy','vllm'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("bad", [{"workers": 0}, {"seconds": 0.0}, {"rounding": "loose"}])
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        verify_many([("1", "1")], **bad)  # type: ignore[arg-type]
