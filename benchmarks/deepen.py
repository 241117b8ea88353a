"""Write the built-in model with more layers that change nothing: the same solutions, for more work of the engine.

    python benchmarks/deepen.py --layers 16 FOLDER

The built-in model is so small that on two cores a solution's kernel weighs as much as its tokens, as it never does with
a model that somebody would use. The further layers add zero to what passes through them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# ruff: noqa: E402
# Run as a script, this file's own folder comes first, and this file's neighbours would stand in for packages.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.problems import embedded_model_path


def deepen(folder: Path, layers: int) -> None:
    source = AutoModelForCausalLM.from_pretrained(embedded_model_path())
    config = source.config.__class__.from_dict({**source.config.to_dict(), "num_hidden_layers": layers})
    model = AutoModelForCausalLM.from_config(config, dtype=source.dtype)
    model.load_state_dict(source.state_dict(), strict=False)
    with torch.no_grad():
        for layer in model.model.layers[source.config.num_hidden_layers :]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(embedded_model_path()).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=16)
    options = parser.parse_args()
    deepen(options.folder, options.layers)


if __name__ == "__main__":
    main()
