"""The main job from end to end, small; and killed half-way, where it must go on and not begin again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from eval.results import read_results
from scdpo.data.runs import Run

COMMAND = [sys.executable, "-c", "from scdpo.cli import app; app()", "quickstart"]
SMALL = ["--problems", "12", "--tests", "10"]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, str(folder), *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
    )


def check(folder: Path, output: str) -> None:
    """A finished run has pairs of both kinds, three models that load, four evaluations, and a page."""
    run = Run(folder)
    kinds = {p.kind for p in run.pairs}
    assert kinds == {"naive", "step_controlled"}
    for name in ("dpo", "dpo-data-equal", "scdpo"):
        AutoModelForCausalLM.from_pretrained(folder / "model" / name)
        AutoTokenizer.from_pretrained(folder / "model" / name)
    results = read_results(folder)
    assert {r.model for r in results} == {"SFT (start)", "DPO", "DPO, data-equal", "SCDPO"}
    assert all(r.finished and r.accuracy is not None for r in results)
    assert "SCDPO" in output
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.long
def test_the_quickstart_goes_through(tmp_path: Path) -> None:
    job = start(tmp_path)
    output = job.communicate(timeout=600)[0]
    assert job.returncode == 0, output
    check(tmp_path, output)


@pytest.mark.slow
def test_killed_at_three_moments_it_goes_on(tmp_path: Path) -> None:
    kept = 0
    for reached in ("solutions.jsonl", "pairs-data-equal.jsonl", "model/dpo-data-equal"):
        job = start(tmp_path)
        while not (tmp_path / reached).exists():
            assert job.poll() is None, job.communicate()[0]
            time.sleep(0.05)
        job.send_signal(signal.SIGKILL)
        job.communicate()
        solutions = sum(1 for _ in Run(tmp_path).solutions)
        assert solutions >= kept
        kept = solutions
    job = start(tmp_path)
    output = job.communicate(timeout=900)[0]
    assert job.returncode == 0, output
    check(tmp_path, output)
    ids = [s.id for s in Run(tmp_path).solutions]
    assert len(ids) == len(set(ids)) == kept
