"""Two processes on one processor give the numbers of one: plain data parallelism, FSDP and ZeRO-3.

The sharded ones run the launch configurations of the package with the number of processes and machines changed.
DeepSpeed has a processor back end. accelerate shards with FSDP on accelerators only, though PyTorch's FSDP works on
a processor: the script below tells accelerate that what it runs on is one.

The script sleeps before it ends. A thread of gloo frees the tensors of a gathering after the process that waited for
it has gone on, and takes the interpreter's lock for each of them; one that asks an ending interpreter for it aborts
the process: "terminate called without an active exception" (https://github.com/pytorch/pytorch/issues/190489, for
Python before 3.14). The last gathering is that of the weights that are saved, and the process that does not write
them ends right after it. Ending the process groups joins no thread of a group that is still referred to, as
DeepSpeed does to the end, and a barrier keeps the gatherings before it until it is freed by such a thread itself.
A process that sleeps leaves the lock to them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM

from scdpo import recipes
from scdpo.data.records import SolutionRecord
from scdpo.training.sft import sft
from scdpo.training.train import train

SCRIPT = """
import json, os, sys, time
import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType

if os.environ.get("ACCELERATE_USE_FSDP") == "true":
    torch.distributed.init_process_group("gloo")
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *args: ("gloo", DistributedType.MULTI_GPU)

from scdpo.training.sft import sft
from scdpo.training.train import train

torch.manual_seed(0)
stage, data, model, output, settings = sys.argv[1:]
chosen = json.loads(settings)
result = sft(data, model, output, chosen) if stage == "sft" else train(data, model, output, "scdpo", chosen)
if os.environ.get("RANK", "0") == "0":
    print("HISTORY " + json.dumps(result.history), flush=True)
torch.distributed.destroy_process_group()
time.sleep(1)  # see the end of the module's text
"""
ACCELERATE = recipes.FOLDER / "accelerate"
DATA_PARALLEL = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
FSDP = ["accelerate.commands.launch", "--config_file", str(ACCELERATE / "fsdp.yaml"), "--num_processes", "2"]
ZERO3 = [
    *("accelerate.commands.launch", "--config_file", str(ACCELERATE / "zero3.yaml")),
    *("--num_processes", "2", "--num_machines", "1"),
]
SHARDED = [
    pytest.param(FSDP, id="fsdp", marks=pytest.mark.long),
    pytest.param(
        ZERO3,
        id="zero3",
        marks=[
            pytest.mark.slow,  # DeepSpeed compiles its optimizer before the first step
            pytest.mark.skipif(
                importlib.util.find_spec("deepspeed") is None,
                reason="DeepSpeed is not installed: scdpo[deepspeed]",
            ),
        ],
    ),
]
LAUNCHES = [pytest.param(DATA_PARALLEL, id="data-parallel", marks=pytest.mark.long), *SHARDED]
FIGURES = ("loss", "grad_norm", "rewards/margins_naive", "rewards/margins_step_controlled")
History = list[dict[str, float]]


class Failed(AssertionError):
    """A run that ended with an error."""


class Runs:
    """Trains the tiny model, alone or in two processes; returns the logged steps."""

    def __init__(self, folder: Path, model: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self._model = str(model)
        self._settings = settings

    def alone(self, data: Path, output: str, stage: str = "train", **changes: Any) -> History:
        """Train here, in two passes per step."""
        chosen = {**self._settings, "gradient_accumulation_steps": 2, **changes}
        torch.manual_seed(0)  # a new adapter is drawn at random; the script does the same
        target = self.folder / output
        if stage == "sft":
            return losses(sft(data, self._model, target, chosen).history)
        return losses(train(data, self._model, target, "scdpo", chosen).history)

    def together(
        self, launch: list[str], data: Path, output: str, stage: str = "train", **changes: Any
    ) -> History:
        """Train in two processes, which do in one pass what ``alone`` does in two."""
        chosen = {**self._settings, "gradient_accumulation_steps": 1, **changes}
        if launch is ZERO3:  # accelerate starts DeepSpeed only where nobody says that there is a processor
            chosen = {**chosen, "use_cpu": False, "ddp_backend": "gloo"}
        script = self.folder / "run.py"
        script.write_text(SCRIPT)
        accelerate = launch[0] == "accelerate.commands.launch"
        precision = ["--mixed_precision", "bf16" if chosen.get("bf16") else "no"] if accelerate else []
        port = ["--main_process_port", str(free_port())] if accelerate else []
        arguments = [stage, str(data), self._model, str(self.folder / output), json.dumps(chosen)]
        finished = subprocess.run(
            [sys.executable, "-m", *launch, *precision, *port, str(script), *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                "DS_ACCELERATOR": "cpu",
                # A build that was killed leaves a lock in the user's own folder, and everybody after it waits for ever.
                "TORCH_EXTENSIONS_DIR": str(self.folder.parent / "torch_extensions"),
            },
            capture_output=True,
            text=True,
            timeout=600,
        )
        if finished.returncode:
            raise Failed(finished.stderr[-6000:])
        line = next(line for line in finished.stdout.splitlines() if line.startswith("HISTORY "))
        return losses(json.loads(line.removeprefix("HISTORY ")))


def free_port() -> int:
    """Return a port for the processes to meet at; accelerate's own is the same for all runs of a machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def losses(history: History) -> History:
    return [entry for entry in history if "loss" in entry]


@pytest.fixture
def runs(tmp_path: Path, tiny_model: Path, settings: dict[str, Any]) -> Runs:
    return Runs(tmp_path, tiny_model, settings)


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def assert_same(alone: History, together: History, tolerance: float = 1e-3) -> None:
    assert len(alone) == len(together)
    for one, two in zip(alone, together, strict=True):
        for key in FIGURES:
            if key in one or key in two:
                assert two[key] == pytest.approx(one[key], rel=tolerance, abs=tolerance / 100), key


def same_weights(first: Path, second: Path) -> bool:
    states = [AutoModelForCausalLM.from_pretrained(path).state_dict() for path in (first, second)]
    return all(torch.allclose(states[0][name], states[1][name], atol=1e-6) for name in states[0])


@pytest.mark.parametrize("launch", LAUNCHES)
def test_two_processes_give_the_losses_and_the_model_of_one(
    runs: Runs, pairs: list[dict[str, Any]], launch: list[str]
) -> None:
    # Two batches an epoch, so that every round is full.
    data = write(runs.folder / "pairs.jsonl", pairs[:6])
    alone = runs.alone(data, "alone", max_steps=3)
    together = runs.together(launch, data, "together", max_steps=3)
    assert alone[0]["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert alone[-1]["rewards/margins"] > 1
    assert_same(alone, together)
    assert same_weights(runs.folder / "alone", runs.folder / "together")


@pytest.mark.slow
@pytest.mark.parametrize("launch", SHARDED)
@pytest.mark.parametrize(
    "changes",
    [
        {"share_trunk": False},
        {"gradient_checkpointing": True},
        {"use_peft": True, "lora_r": 4, "lora_target_modules": ["q_proj", "v_proj"], "learning_rate": 1e-2},
    ],
    ids=["without the tree", "checkpointing", "LoRA"],
)
def test_what_works_in_one_process_works_sharded(
    runs: Runs, pairs: list[dict[str, Any]], launch: list[str], changes: dict[str, Any]
) -> None:
    data = write(runs.folder / "pairs.jsonl", pairs[:6])
    assert_same(
        runs.alone(data, "alone", max_steps=3, **changes),
        runs.together(launch, data, "together", max_steps=3, **changes),
    )
    assert same_weights(runs.folder / "alone", runs.folder / "together")


@pytest.mark.slow
@pytest.mark.parametrize("launch", SHARDED)
def test_fine_tuning_sharded_gives_the_losses_of_one_process(
    runs: Runs, records: list[SolutionRecord], launch: list[str]
) -> None:
    kept = [record.model_dump(mode="json") for record in records[:2]]
    data = write(runs.folder / "solutions.jsonl", kept)
    settings = {"per_device_train_batch_size": 1, "num_train_epochs": 3}
    alone = runs.alone(data, "alone", "sft", **settings)
    assert alone[-1]["loss"] < alone[0]["loss"]
    assert_same(alone, runs.together(launch, data, "together", "sft", **settings))


@pytest.mark.slow
def test_bf16_under_fsdp_rounds_no_more_than_in_one_process(runs: Runs, pairs: list[dict[str, Any]]) -> None:
    data = write(runs.folder / "pairs.jsonl", pairs[:6])
    alone = runs.alone(data, "alone", max_steps=3, bf16=True)
    together = runs.together(FSDP, data, "together", max_steps=3, bf16=True)
    assert together[0]["loss"] == pytest.approx(alone[0]["loss"], abs=0.02)
    assert together[0]["logps/chosen"] == pytest.approx(alone[0]["logps/chosen"], rel=0.005)
    assert together[-1]["rewards/margins"] == pytest.approx(alone[-1]["rewards/margins"], rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("launch", LAUNCHES)
def test_a_short_last_round_scores_every_pair_with_its_own_reference(
    runs: Runs, pairs: list[dict[str, Any]], launch: list[str]
) -> None:
    # Seven pairs in batches of three: the second process has one pair of its own in round two, or none.
    data = write(runs.folder / "pairs.jsonl", pairs[:7])
    alone = runs.alone(data, "alone", max_steps=4)
    together = runs.together(launch, data, "together", max_steps=4)
    assert_same(alone[:1], together[:1])
    assert len(together) == len(alone)
    scores = []
    for output in ("alone", "together"):
        cached = sorted((runs.folder / output / "encoded").rglob("cache-*.arrow"))
        scores.append([Dataset.from_file(str(file)).to_dict() for file in cached])
    assert len(scores[0]) == len(scores[1]) == 1
    for name, expected in scores[0][0].items():
        assert scores[1][0][name] == pytest.approx(expected, rel=1e-4)
        assert len(set(expected)) == 7


@pytest.mark.slow
@pytest.mark.parametrize("launch", SHARDED)
def test_a_resumed_sharded_run_gives_the_same_numbers(
    runs: Runs, pairs: list[dict[str, Any]], launch: list[str]
) -> None:
    data = write(runs.folder / "pairs.jsonl", pairs[:6])
    saving = {"num_train_epochs": 4, "save_strategy": "steps", "save_steps": 2}
    whole = runs.together(launch, data, "whole", **saving)
    (runs.folder / "part").mkdir()
    for name in ("checkpoint-2", "training.json"):
        (runs.folder / "whole" / name).rename(runs.folder / "part" / name)
    resumed = runs.together(launch, data, "part", **saving)
    assert_same(whole, resumed, 1e-5)
    assert same_weights(runs.folder / "whole", runs.folder / "part")


@pytest.mark.slow
def test_loading_in_one_process_only_is_refused(runs: Runs, pairs: list[dict[str, Any]]) -> None:
    data = write(runs.folder / "pairs.jsonl", pairs[:6])
    with pytest.raises(Failed, match="fsdp_cpu_ram_efficient_loading gives the weights to the first process"):
        runs.together([*FSDP, "--fsdp_cpu_ram_efficient_loading", "true"], data, "out")
