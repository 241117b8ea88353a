"""Two processes on one processor give the losses of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import json, os, sys
from scdpo.training import train
pairs, model, output, settings = sys.argv[1:]
result = train(pairs, model, output, "scdpo", json.loads(settings))
if os.environ.get("RANK", "0") == "0":
    print("HISTORY " + json.dumps(result.history), flush=True)
"""


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(
    tiny_model: Path, pairs: list[dict[str, Any]], settings: dict[str, Any], tmp_path: Path
) -> None:
    # Two batches an epoch: a last round with fewer batches than processes would be filled up from the start.
    pairs_file = tmp_path / "pairs.jsonl"
    pairs_file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs[:6]))
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    histories = []
    for prefix, accumulation in (([], 2), (launch, 1)):
        chosen = {
            **settings,
            "per_device_train_batch_size": 3,
            "gradient_accumulation_steps": accumulation,
            "max_steps": 3,
        }
        arguments = [
            str(pairs_file),
            str(tiny_model),
            str(tmp_path / f"out{accumulation}"),
            json.dumps(chosen),
        ]
        finished = subprocess.run(
            [sys.executable, *prefix, str(script), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        line = next(line for line in finished.stdout.splitlines() if line.startswith("HISTORY "))
        histories.append([entry for entry in json.loads(line.removeprefix("HISTORY ")) if "loss" in entry])
    assert len(histories[0]) == len(histories[1]) == 3
    for alone, together in zip(*histories, strict=True):
        for key in ("loss", "grad_norm", "rewards/margins_naive", "rewards/margins_step_controlled"):
            if key in alone or key in together:
                assert together[key] == pytest.approx(alone[key], rel=1e-3, abs=1e-5)
