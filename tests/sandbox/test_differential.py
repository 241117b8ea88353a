"""Recorded solutions give in the sandbox what they give in a stock kernel, and what was recorded."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def differential() -> ModuleType:
    path = Path(__file__).with_name("differential.py")
    spec = importlib.util.spec_from_file_location("differential", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["differential"] = module
    spec.loader.exec_module(module)
    return module


def test_a_sample_agrees_with_a_stock_kernel(
    strict: None, differential: ModuleType, shared_dir: Path
) -> None:
    chosen = random.Random(1).sample(list(differential.solutions(shared_dir / "data" / "tir")), 12)
    report = differential.compare(chosen, workers=1)
    assert report["differences"] == []
    assert report["counts"]["as recorded"] >= 0.94 * report["counts"]["cells"]


@pytest.mark.slow
def test_a_thousand_recorded_solutions_agree(
    strict: None, differential: ModuleType, shared_dir: Path
) -> None:
    """The command ``python tests/sandbox/differential.py --all`` compares all of them, in about an hour."""
    chosen = random.Random(2).sample(list(differential.solutions(shared_dir / "data" / "tir")), 1000)
    report = differential.compare(chosen)
    counts = report["counts"]
    assert counts["as stock"] >= 0.995 * counts["compared with stock"]
    assert counts["as recorded"] >= 0.94 * counts["cells"]


@pytest.mark.slow
def test_awkward_cells_agree_with_a_stock_kernel(strict: None, differential: ModuleType) -> None:
    report = differential.compare(differential.awkward(), workers=1)
    counts = report["counts"]
    assert counts["as stock"] >= 0.98 * counts["compared with stock"], report["differences"]
