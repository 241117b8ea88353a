"""Every script of benchmarks/, experiments/embedded and the tuning runs to its end at toy size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = {
    "benchmarks/generation.py": ["--quick"],
    "benchmarks/handover.py": ["--pairs", "20"],
    "benchmarks/labels.py": [],
    "benchmarks/sandbox.py": ["--quick"],
    "benchmarks/scaling.py": ["--gpus", "8", "--problems-per-gpu", "8"],
    "benchmarks/service.py": ["--clients", "4", "--seconds", "1"],
    "benchmarks/sessions.py": ["--sessions", "4", "--seconds", "1", "--bad", "0.5", "--peer-seconds", "1"],
    "benchmarks/verdicts_under_load.py": ["--pairs", "20", "--threads", "3", "--busy", "2"],
    "benchmarks/trainer.py": ["--problems", "8", "--size", "toy", "--mix", "MATH"],
    "benchmarks/verifier.py": ["--pairs", "40"],
    "experiments/embedded/train.py": [
        "OUT",
        "--problems",
        "16",
        "--steps",
        "2",
        "--width",
        "32",
        "--layers",
        "1",
    ],
    "experiments/embedded/measure.py": ["--problems", "4"],
    "experiments/rivals/mark.py": ["OUT", "--problems", "16", "--steps", "2"],
    "experiments/routes/train.py": ["OUT", "--problems", "16", "--steps", "2"],
    "experiments/trunk_sharing.py": [
        "OUT",
        "--seeds",
        "1",
        "--problems",
        "4",
        "--tests",
        "4",
        "--kept",
        "OUT.json",
    ],
    "experiments/gpu/end_to_end.py": [
        "OUT",
        "embedded",
        "--recipe",
        "embedded-sft",
        "--blocks",
        "2",
        "--toy",
        "--minutes",
        "12",
    ],
    "experiments/gpu/speed.py": ["OUT", "--toy", "--minutes", "12"],
}
TESTED_ELSEWHERE = {
    "experiments/gpu/budget.py": "tests/experiments/test_gpu.py",
    "experiments/gpu/wheels.py": "tests/experiments/test_gpu.py",
    "benchmarks/pairs.py": "tests/benchmarks/test_pairs.py",
    "benchmarks/slips.py": "tests/benchmarks/test_slips.py",
    "benchmarks/style_tells.py": "tests/benchmarks/test_slips.py",
    "benchmarks/answer_pairs.py": "tests/verifier/test_metamorphic.py",
    "experiments/chain_of_thought.py": "tests/experiments",
    "experiments/dose.py": "tests/experiments/test_dose.py",
    "experiments/localisation.py": "tests/experiments",
    "experiments/replication.py": "tests/experiments",
    "experiments/report.py": "tests/experiments",
    "experiments/reward_model.py": "tests/experiments/test_reward_model.py",
    "experiments/rivals/study.py": "tests/experiments/test_rivals.py",
    "experiments/routes/measure.py": "tests/experiments/test_routes.py",
    "experiments/tuning.py": "tests/experiments",
}


@pytest.mark.scripts
@pytest.mark.parametrize("script", TOY)
def test_a_script_runs_to_its_end_at_toy_size(script: str, tmp_path: Path) -> None:
    options = [option.replace("OUT", str(tmp_path / "out")) for option in TOY[script]]
    module = (
        ["-m", script.removesuffix(".py").replace("/", ".")] if script.startswith("experiments") else [script]
    )
    done = subprocess.run(
        [sys.executable, *module, *options], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert done.stdout.strip(), "it prints what it found"


def test_no_script_is_left_out() -> None:
    scripts = {
        str(path.relative_to(ROOT))
        for folder in (
            "benchmarks",
            "experiments",
            "experiments/embedded",
            "experiments/gpu",
            "experiments/rivals",
            "experiments/routes",
        )
        for path in (ROOT / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert scripts - TOY.keys() - TESTED_ELSEWHERE.keys() == set()
