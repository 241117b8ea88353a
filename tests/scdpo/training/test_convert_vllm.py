"""vLLM's own InternLM2 gives the log-probabilities of the Llama model that the converter makes of the same weights."""

from __future__ import annotations

import json
import math
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.skipif(find_spec("sentencepiece") is None, reason="the convert extra is not installed"),
]
IDS = [1, *range(20, 60, 3), 7, 7, 300, 12]
# vLLM scales a dynamic position encoding for its whole length at once, so the comparison is without scaling.
MADE = {
    "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 384,
    "rope_scaling": None, "max_position_embeddings": 256,
}  # fmt: skip


def test_vllms_own_internlm2_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM
    from vllm import LLM, SamplingParams

    from scdpo.training.convert import convert

    from . import internlm2

    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    theirs = tmp_path / "theirs"
    internlm2.write_checkpoint(theirs, internlm2.config(**MADE))
    with torch.no_grad():
        model = AutoModelForCausalLM.from_pretrained(
            convert(str(theirs), tmp_path / "ours"), dtype=torch.float32
        )
        expected = model(torch.tensor([IDS])).logits[0].log_softmax(-1)
    # transformers knows no InternLM2, and vLLM asks it for the configuration: a class with that name will do.
    (theirs / "configuration_internlm2.py").write_text(
        "from transformers import PretrainedConfig\n\nclass X(PretrainedConfig):\n    model_type = 'internlm2'\n"
    )
    settings: dict[str, Any] = json.loads((theirs / "config.json").read_text())
    settings["rope_parameters"] = {"rope_type": "default", "rope_theta": settings["rope_theta"]}
    (theirs / "config.json").write_text(json.dumps(settings))
    engine = LLM(
        str(theirs), trust_remote_code=True, skip_tokenizer_init=True, dtype="float32", enforce_eager=True,
        max_model_len=128,
    )  # fmt: skip
    asked = SamplingParams(max_tokens=1, prompt_logprobs=1, detokenize=False)
    scored = engine.generate([{"prompt_token_ids": IDS}], asked)[0].prompt_logprobs
    for place, (token, found) in enumerate(zip(IDS[1:], scored[1:], strict=True)):
        assert math.isclose(found[token].logprob, expected[place, token].item(), abs_tol=2e-3)
