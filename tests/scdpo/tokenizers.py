"""Small tokenizers that behave as those of today's models: byte-level ones, and SentencePiece's with its space."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import trl.chat_template_utils
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sandbox.formats import get_format

TEXTS = [
    "We add 17 and 5 to get the sum. The answer is \\boxed{22}.\n\nLet us compute it.\n",
    "for i in range(3):\n    total = total + i\nprint(total)\n",
    "from sympy import symbols, solve\nx = symbols('x')\nsolve(x**2 - 4, x)\n",
    '{"name": "python", "arguments": {"code": "a = 17\\na + 5"}}\n',
]
CHAT_MARKS = [
    "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>",
    "</tool_response>", "<|user|>", "<|assistant|>", "<|observation|>", "<|system|>", "<|start|>", "<|end|>",
    "<|message|>", "<|channel|>", "<|call|>", "<|return|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>", "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
]  # fmt: skip
"""The special tokens of Qwen, GLM, gpt-oss, Llama 3 and DeepSeek."""


@cache
def _byte_level() -> str:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return str(made.to_str())


def chat_tokenizer(family: str | None) -> Any:
    """Return a byte-level tokenizer with the chat template of a family, as TRL ships it; None for no template."""
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_byte_level()), bos_token="<|bos|>", eos_token="<|im_end|>"
    )
    made.add_special_tokens({"additional_special_tokens": CHAT_MARKS})
    if family is not None:
        made.chat_template = getattr(trl.chat_template_utils, f"{family}_chat_template")
    return made


def sentencepiece_tokenizer() -> Any:
    """Return a tokenizer that puts a space before every text, as those of Llama 2 and Mistral 7B v0.1 do.

    It has bytes for what it does not know, and the marks of ``mathcoder``.
    """
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    letters = [*"▁abcdefghijklmnopqrstuvwxyz0123456789+=*()\\{}.,:"]
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=letters)
    made.train_from_iterator((text.replace("\n", "") for text in TEXTS), trainer)
    described = json.loads(made.to_str())
    known = described["model"]["vocab"]
    known.update({f"<0x{byte:02X}>": len(known) + byte for byte in range(256)})
    made = Tokenizer.from_str(json.dumps(described))
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
    marks = list(get_format("mathcoder").special_tokens)
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    return tokenizer
