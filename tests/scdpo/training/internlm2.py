"""A tiny random InternLM2 checkpoint, and a forward pass of its own in plain torch: what the converter is held against.

Written from the description of the architecture (arXiv 2403.17297) and its published configuration; a stand-in for
checkpoints that no test can download.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from sentencepiece import SentencePieceTrainer

Weights = dict[str, torch.Tensor]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = [
    "def f(x):\n    return x + 1", "The answer is 42.", "Compute 6 * 7 step by step.", "Natalia sold 48 clips in April.",
    "Wir rechnen: 3 + 4 = 7.", "as bold as    four spaces",
] * 20  # fmt: skip


def config(**changes: Any) -> dict[str, Any]:
    """Return what ``config.json`` of a tiny model holds."""
    return {
        "architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", "vocab_size": 400, "hidden_size": 48,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
        "hidden_act": "silu", "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000,
        "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "torch_dtype": "float32",
        **changes,
    }  # fmt: skip


def weights(made: dict[str, Any], seed: int = 0) -> Weights:
    """Return random weights under InternLM2's names."""
    torch.manual_seed(seed)
    hidden, inner, words = made["hidden_size"], made["intermediate_size"], made["vocab_size"]
    width = hidden // made["num_attention_heads"]
    fused = (made["num_attention_heads"] + 2 * made["num_key_value_heads"]) * width
    shapes = {"model.tok_embeddings.weight": (words, hidden), "model.norm.weight": (hidden,)}
    if not made["tie_word_embeddings"]:
        shapes["output.weight"] = (words, hidden)
    for i in range(made["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        shapes |= {
            f"{layer}.attention.wqkv.weight": (fused, hidden), f"{layer}.attention.wo.weight": (hidden, hidden),
            f"{layer}.feed_forward.w1.weight": (inner, hidden), f"{layer}.feed_forward.w3.weight": (inner, hidden),
            f"{layer}.feed_forward.w2.weight": (hidden, inner), f"{layer}.attention_norm.weight": (hidden,),
            f"{layer}.ffn_norm.weight": (hidden,),
        }  # fmt: skip
        if made["bias"]:
            shapes |= {f"{layer}.attention.wqkv.bias": (fused,), f"{layer}.attention.wo.bias": (hidden,)}
    return {name: 0.3 * torch.randn(shape) + (len(shape) == 1) for name, shape in shapes.items()}


def _norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return weight * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


def _rotate(x: torch.Tensor, made: dict[str, Any]) -> torch.Tensor:
    """Turn pairs (i, i + half) of ``(length, heads, width)`` by their position, the base grown beyond the maximum."""
    length, _, width = x.shape
    base, most = float(made["rope_theta"]), made["max_position_embeddings"]
    scaling = made["rope_scaling"]
    if scaling and length > most:
        base *= (scaling["factor"] * length / most - (scaling["factor"] - 1)) ** (width / (width - 2))
    turns = torch.arange(length)[:, None] * base ** (-torch.arange(0, width, 2, dtype=x.dtype) / width)[None]
    cos, sin = turns.cos()[:, None], turns.sin()[:, None]
    first, second = x[..., : width // 2], x[..., width // 2 :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def reference_logits(made: dict[str, Any], given: Weights, ids: list[int]) -> torch.Tensor:
    """Return the logits ``(length, words)`` of one sequence, in float64."""
    w = {name: tensor.double() for name, tensor in given.items()}
    heads, keys = made["num_attention_heads"], made["num_key_value_heads"]
    width = made["hidden_size"] // heads
    x = w["model.tok_embeddings.weight"][ids]
    hidden = torch.full((len(ids), len(ids)), -math.inf, dtype=x.dtype).triu(1)
    for i in range(made["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        y = _norm(x, w[f"{layer}.attention_norm.weight"], made["rms_norm_eps"])
        fused = y @ w[f"{layer}.attention.wqkv.weight"].T + w.get(f"{layer}.attention.wqkv.bias", 0)
        out = torch.zeros(len(ids), heads, width, dtype=x.dtype)
        # One key head after the other: its queries, its key, its value.
        for k, part in enumerate(fused.split((heads // keys + 2) * width, dim=-1)):
            per_head = part.unflatten(-1, (-1, width))
            query, key, value = (
                _rotate(per_head[:, :-2], made),
                _rotate(per_head[:, -2:-1], made),
                per_head[:, -1],
            )
            scores = torch.einsum("qhw,kw->hqk", query, key[:, 0]) / math.sqrt(width) + hidden
            out[:, k * (heads // keys) : (k + 1) * (heads // keys)] = (scores.softmax(-1) @ value).transpose(
                0, 1
            )
        x = x + out.flatten(1) @ w[f"{layer}.attention.wo.weight"].T + w.get(f"{layer}.attention.wo.bias", 0)
        y = _norm(x, w[f"{layer}.ffn_norm.weight"], made["rms_norm_eps"])
        gate, up = (y @ w[f"{layer}.feed_forward.{name}.weight"].T for name in ("w1", "w3"))
        x = x + (gate * gate.sigmoid() * up) @ w[f"{layer}.feed_forward.w2.weight"].T
    x = _norm(x, w["model.norm.weight"], made["rms_norm_eps"])
    return x @ w.get("output.weight", w["model.tok_embeddings.weight"]).T


def write_tokenizer(folder: Path, vocabulary: int = 400, prefixed: bool = True) -> None:
    """Train a small SentencePiece model; two pieces kept free are special tokens of ``tokenizer_config.json``."""
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(folder / "tokenizer"), vocab_size=vocabulary, model_type="bpe",
        byte_fallback=True, user_defined_symbols=["[UNUSED_1]", "[UNUSED_2]", "<b>"], hard_vocab_limit=True,
        add_dummy_prefix=prefixed, remove_extra_whitespaces=False, normalization_rule_name="identity",
        minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.vocab").unlink()
    special = {
        "__type": "AddedToken",
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
        "special": True,
    }
    named = {0: "<unk>", 1: "<s>", 2: "</s>", 3: "<|im_start|>", 4: "<|im_end|>"}
    settings = {
        "added_tokens_decoder": {str(i): {"content": content, **special} for i, content in named.items()},
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>",
        "chat_template": CHAT_TEMPLATE, "tokenizer_class": "InternLM2Tokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_checkpoint(folder: Path, made: dict[str, Any], shards: int = 2, pickled: bool = False) -> Weights:
    """Write a checkpoint as InternLM publishes one, in several files; return its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    given = weights(made)
    (folder / "config.json").write_text(
        json.dumps({**made, "auto_map": {"AutoConfig": "configuration_internlm2.X"}})
    )
    (folder / "configuration_internlm2.py").write_text("raise SystemExit('this code must not run')\n")
    names = sorted(given)
    for i in range(shards):
        part = {name: given[name] for name in names[i::shards]}
        if pickled:
            torch.save(part, folder / f"pytorch_model-{i + 1:05}-of-{shards:05}.bin")
        else:
            save_file(part, folder / f"model-{i + 1:05}-of-{shards:05}.safetensors")
    write_tokenizer(folder, made["vocab_size"])
    return given
