"""Training on mixed pairs: it runs, logs each kind apart, and leaves a checkpoint that loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from scdpo.training import train


def test_a_model_trains_on_mixed_pairs_and_its_checkpoint_loads(
    tiny_model: Path, pairs_file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    result = train(pairs_file, str(tiny_model), tmp_path / "out", "scdpo", settings)
    assert result.steps == 6
    assert result.report.kept == {"naive": 3, "step_controlled": 6}
    first = result.history[0]
    assert first["rewards/margins_naive"] == pytest.approx(0, abs=1e-5)
    for kind in ("naive", "step_controlled"):
        last = [entry for entry in result.history if f"rewards/margins_{kind}" in entry][-1]
        assert last[f"rewards/margins_{kind}"] > 0
        assert last[f"rewards/accuracies_{kind}"] == 1.0
    AutoModelForCausalLM.from_pretrained(result.model_path)
    AutoTokenizer.from_pretrained(result.model_path)
    assert "scdpo_tree" not in (result.model_path / "config.json").read_text()
