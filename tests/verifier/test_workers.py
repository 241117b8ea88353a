"""Batches: order, hard deadlines, threads, and what a killed worker costs."""

import os
import subprocess
import sys
import threading
import time

import pytest

from verifier import verify, verify_many, workers
from verifier.workers import Worker, WorkerError


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
            os.kill(self.process.pid, 19)  # stopped: it will never answer
        return calls(self, request, seconds)

    monkeypatch.setattr(Worker, "ask", ask)
    verdicts = verify_many(
        [("\\boxed{x+1}", "1+x"), ("\\boxed{y+1}", "1+y"), ("\\boxed{z+1}", "1+z")], workers=1, seconds=1.0
    )
    assert [v.status for v in verdicts] == ["correct", "unverifiable", "correct"]
    assert "time limit" in verdicts[1].reason


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
    assert time.perf_counter() - start < 4


def test_importing_needs_no_torch() -> None:
    code = "import sys, verifier, verifier.metamorphic; print(sorted({'torch','transformers','trl','sympy','vllm'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("bad", [{"workers": 0}, {"seconds": 0.0}, {"rounding": "loose"}])
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        verify_many([("1", "1")], **bad)  # type: ignore[arg-type]
