"""Write an InternLM2 checkpoint as a Llama model, without running the code that comes with it.

InternLM2 is a Llama whose query, key and value projections stand in one matrix: for each key head, the queries that
share it, then its key, then its value (arXiv 2403.17297, section 2.2). Its published code gives wrong numbers under
transformers 5. Weights are rewritten file by file, so memory holds one file at a time. The tokenizer is read from
``tokenizer.model`` and keeps every id, the begin token before a text, and the chat template; the configuration keeps
the scaling of the position encoding. Not covered: InternLM's first and third generation, quantised weights, and
vision models.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from scdpo.errors import MissingFileError, SettingsError
from scdpo.training.sentencepiece_tokenizer import read_tokenizer

_FILES: Final = ("*.json", "*.safetensors", "*.bin", "tokenizer.model")
_INDEX: Final = "model.safetensors.index.json"
_SCALINGS: Final = ("default", "linear", "dynamic")
_NAMES: Final = {
    "model.tok_embeddings": "model.embed_tokens",
    "model.norm": "model.norm",
    "output": "lm_head",
}
_LAYER_NAMES: Final = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_LAYER: Final = re.compile(r"model\.layers\.(\d+)\.(.+)")
_FUSED: Final = "attention.wqkv"
_PARTS: Final = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention heads of a model: of queries, of keys and values, and their width."""

    queries: int
    keys: int
    width: int


def convert(source: str, output: Path) -> Path:
    """Write an InternLM2 checkpoint as a Llama model that transformers and vLLM load by themselves.

    Args:
        source: a folder, or a name on the hub, whose files are then fetched (no code among them).
        output: the new folder; it appears only when it is whole.

    Returns:
        The new folder.

    Raises:
        MissingFileError: if there is no such model, or a file of it is missing.
        SettingsError: if it is no InternLM2 model of text alone, or the new folder is already there.
    """
    if output.exists():
        raise SettingsError(f"{output} is already there; choose another folder, or remove it")
    folder = _fetch(source)
    made = _read_json(folder / "config.json")
    config = llama_config(made, folder)
    heads = Heads(config.num_attention_heads, config.num_key_value_heads, config.head_dim)
    part = output.with_name(f"{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _write_weights(folder, part, heads)
    _check_names(part, config)
    config.save_pretrained(part)
    read_tokenizer(folder, config.bos_token_id).save_pretrained(part)
    if (folder / "generation_config.json").is_file():
        GenerationConfig.from_dict(_read_json(folder / "generation_config.json")).save_pretrained(part)
    part.rename(output)
    return output


def llama_config(made: Mapping[str, Any], folder: Path) -> LlamaConfig:
    """Return an InternLM2 configuration as Llama's.

    Args:
        made: what ``config.json`` holds.
        folder: where it stands, for errors.

    Raises:
        SettingsError: if it is of another model, or scales its positions in a way that is not known.
    """
    if made.get("model_type") != "internlm2":
        raise SettingsError(f"{folder} is a model of type {made.get('model_type')!r}, not 'internlm2'")
    scaling = dict(made.get("rope_scaling") or {"type": "default"})
    kind = scaling.pop("type", scaling.pop("rope_type", None))
    if kind not in _SCALINGS:
        raise SettingsError(
            f"{folder}/config.json: rope_scaling of type {kind!r} is not one of {', '.join(_SCALINGS)}"
        )
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=made["vocab_size"],
        hidden_size=made["hidden_size"],
        intermediate_size=made["intermediate_size"],
        num_hidden_layers=made["num_hidden_layers"],
        num_attention_heads=made["num_attention_heads"],
        num_key_value_heads=made.get("num_key_value_heads") or made["num_attention_heads"],
        hidden_act=made.get("hidden_act", "silu"),
        max_position_embeddings=made["max_position_embeddings"],
        initializer_range=made.get("initializer_range", 0.02),
        rms_norm_eps=made["rms_norm_eps"],
        attention_bias=bool(made.get("bias")),
        tie_word_embeddings=bool(made.get("tie_word_embeddings")),
        rope_parameters={"rope_type": kind, "rope_theta": float(made.get("rope_theta", 10000)), **scaling},
        bos_token_id=made.get("bos_token_id", 1),
        eos_token_id=made.get("eos_token_id", 2),
        pad_token_id=made.get("pad_token_id"),
        dtype=made.get("torch_dtype") or made.get("dtype") or "bfloat16",
    )


def rename(name: str, tensor: torch.Tensor, heads: Heads) -> Tensors:
    """Return one weight of InternLM2 under Llama's names; the fused projection gives three.

    Raises:
        SettingsError: if the name is not one of InternLM2's, or the fused projection has not the heads' shape.
    """
    stem, _, kind = name.rpartition(".")
    if stem in _NAMES:
        return {f"{_NAMES[stem]}.{kind}": tensor}
    found = _LAYER.fullmatch(stem)
    within = found[2] if found else ""
    if found and within in _LAYER_NAMES:
        return {f"model.layers.{found[1]}.{_LAYER_NAMES[within]}.{kind}": tensor}
    if found and within == _FUSED:
        parts = split_fused(name, tensor, heads)
        return {f"model.layers.{found[1]}.{part}.{kind}": t for part, t in zip(_PARTS, parts, strict=True)}
    if within.endswith("rotary_emb") or stem.endswith("rotary_emb"):
        return {}  # inv_freq of old checkpoints: the configuration says the same
    raise SettingsError(f"the weight {name!r} is none of InternLM2's: this is another model, or an adapter's")


def split_fused(
    name: str, tensor: torch.Tensor, heads: Heads
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split a fused projection, ``((queries + 2 * keys) * width, ...)``, into those of queries, keys and values."""
    group = heads.queries // heads.keys
    rows = heads.keys * (group + 2) * heads.width
    if tensor.shape[0] != rows:
        raise SettingsError(
            f"{name} has {tensor.shape[0]} rows; {heads.queries} heads of queries and {heads.keys} of keys, each "
            f"{heads.width} wide, need {rows}"
        )
    rest = tensor.shape[1:]
    by_key = tensor.reshape(heads.keys, group + 2, heads.width, *rest)
    queries, keys, values = by_key.split([group, 1, 1], dim=1)
    return tuple(part.reshape(-1, *rest).contiguous() for part in (queries, keys, values))  # type: ignore[return-value]


def _fetch(source: str) -> Path:
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(snapshot_download(source, allow_patterns=list(_FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise MissingFileError(f"{source} is no folder, and the hub gives no such model: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFileError(f"{path} is missing; it belongs to every checkpoint of transformers")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    return content


def _shards(folder: Path) -> list[Path]:
    """Return the files of the weights; safetensors where there are both kinds."""
    files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise MissingFileError(
            f"{folder} holds no weights: neither model*.safetensors nor pytorch_model*.bin"
        )
    return files


def _weights(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # a handle of safetensors is no dictionary
                yield name, opened.get_tensor(name)
    else:  # tensors only: whatever else a pickle asks for is refused
        yield from torch.load(file, map_location="cpu", weights_only=True, mmap=True).items()


def _write_weights(folder: Path, output: Path, heads: Heads) -> None:
    """Rewrite the weights file by file, and the index that says where each one is."""
    files = _shards(folder)
    places: dict[str, str] = {}
    size = 0
    for number, file in enumerate(files, 1):
        target = (
            "model.safetensors" if len(files) == 1 else f"model-{number:05}-of-{len(files):05}.safetensors"
        )
        tensors: Tensors = {}
        for name, tensor in _weights(file):
            tensors.update(rename(name, tensor, heads))
        places |= dict.fromkeys(tensors, target)
        size += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        save_file(
            {name: t.contiguous() for name, t in tensors.items()}, output / target, metadata={"format": "pt"}
        )
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (output / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _check_names(output: Path, config: LlamaConfig) -> None:
    """Refuse a checkpoint that lacks weights: a file of it may not have been there."""
    with torch.device("meta"):
        wanted = set(LlamaForCausalLM(config).state_dict())
    if config.tie_word_embeddings:
        wanted.discard("lm_head.weight")
    missing = sorted(wanted - set(_read_json(output / _INDEX)["weight_map"]))
    if missing:
        raise MissingFileError(
            f"{len(missing)} weights are missing, first Llama's {missing[0]}: is every file of the checkpoint there?"
        )
