"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("HF_HUB_OFFLINE", "1")
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
