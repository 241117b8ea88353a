"""Tell a model's files from others: a digest that changes when the model is trained again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_OF_THE_MODEL: Final = ("*.safetensors", "*.bin", "config.json", "adapter_config.json", "tokenizer*.json")


def fingerprint(checkpoint: Path) -> str:
    """Return a digest of a model's files, which changes when it is trained again; empty if it is no folder here."""
    if not checkpoint.is_dir():
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted({path for pattern in _OF_THE_MODEL for path in checkpoint.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
