"""What a training tells while it goes on, beside what transformers tells its callbacks: how far the reference is."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class ReferenceProgress(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Hears how far the reference's pass over the pairs is, which comes before the first step."""

    def on_reference_batch(self, state: Any, done: int, batches: int) -> None:
        """One more batch of this process is scored: ``done``, from 1, of ``batches``."""
