"""A model with SentencePiece's space before texts (Mistral 7B, Llama 2): fine-tuned, sampled from, trained on pairs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from sandbox import AsyncSandbox, Block, Solution
from scdpo.data.encoding import SolutionEncoder, encode_pairs
from scdpo.data.import_solutions import as_record
from scdpo.data.problems import Problem
from scdpo.data.records import SolutionRecord
from scdpo.data.runs import Run
from scdpo.jobs.local import branch_by_mutation
from scdpo.sampling.engines.transformers import TransformersEngine
from scdpo.sampling.sampler import Sampler, SamplerLimits, sample_solutions
from scdpo.training.sft import sft
from scdpo.training.train import train
from tests.scdpo.tokenizers import sentencepiece_tokenizer

PROBLEMS = [Problem(f"p{a}", f"add {a} and 5", str(a + 5)) for a in range(1, 5)]


class Silent:
    """A progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        pass

    def advance(self, kept: int) -> None:
        pass


def demonstration(problem: Problem) -> SolutionRecord:
    a = int(problem.question.split()[1])
    code = f"for i in range(1):\n    a = {a}\na + 5"
    blocks = (Block("text", "we add."), Block("code", code), Block("execution", str(a + 5)))
    solution = Solution((*blocks, Block("text", f"\\boxed{{{a + 5}}}")))
    return as_record(
        solution,
        problem.question,
        problem.gold,
        id=f"{problem.id}#0",
        problem_id=problem.id,
        format="mathcoder",
    )


@pytest.mark.slow
def test_its_code_has_no_space_before_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = sentencepiece_tokenizer()
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=None,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    MistralForCausalLM(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    with Run(tmp_path / "demonstrations") as run:
        for problem in PROBLEMS:
            run.solutions.append(demonstration(problem))
    settings = {
        "max_steps": 100,
        "learning_rate": 3e-3,
        "per_device_train_batch_size": 4,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "lr_scheduler_type": "constant",
        "bf16": False,
        "gradient_checkpointing": False,
    }
    sft(tmp_path / "demonstrations/solutions.jsonl", str(tmp_path / "start"), tmp_path / "tuned", settings)

    async def main() -> list[SolutionRecord]:
        engine = TransformersEngine(tmp_path / "tuned")
        try:
            async with AsyncSandbox() as box:
                sampler = Sampler(engine, box, limits=SamplerLimits(block_tokens=80))
                with Run(tmp_path / "run") as run:
                    found = [r async for r in sample_solutions(PROBLEMS, sampler, n=1)]
                    for record in found:
                        run.solutions.append(record)
                    await branch_by_mutation(run, box, 0, Silent())
                return found
        finally:
            await engine.close()

    records = asyncio.run(main())
    outputs = [b.content for r in records for b in r.blocks if b.type == "execution"]
    assert len(outputs) == len(PROBLEMS)
    assert not [output for output in outputs if "IndentationError" in output]
    assert all(record.preferred for record in records)
    encoder = SolutionEncoder(sentencepiece_tokenizer())
    for record in records:
        ids, _ = encoder.completion(record.question, (), record.solution.blocks, record.sampling.block_tokens)
        assert ids == [i for piece in record.sampling.block_tokens for i in piece]
    pairs = list(Run(tmp_path / "run").pairs)
    assert pairs
    assert not encode_pairs((pair.model_dump() for pair in pairs), encoder, 512)[1].retokenised
    preferences = {**settings, "max_steps": 2, "learning_rate": 1e-5}
    train(tmp_path / "run/pairs.jsonl", str(tmp_path / "tuned"), tmp_path / "trained", settings=preferences)
    assert (tmp_path / "trained/model.safetensors").exists()
