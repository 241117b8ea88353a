"""How a model is asked and how it writes: the format and the system message, as training left them beside a model.

Not covered: models that were not trained here; they are asked as the caller says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scdpo.data.runs import RunError

TRAINING_FILE: Final = "training.json"
"""What ``scdpo.training.checkpoints`` writes into a model's folder."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A format of ``sandbox.formats`` by name, and a system message."""

    format: str = "mathcoder"
    system: str = ""


def trained_as(model: str) -> Asked:
    """Return how the prompts of a model's training were written; the defaults where its folder does not say.

    Raises:
        RunError: if the folder's ``training.json`` cannot be read.
    """
    file = Path(model) / TRAINING_FILE
    if not file.is_file():
        return Asked()
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
        return Asked(str(made["format"]), str(made["system_prompt"]))
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{file} is not what training writes ({error!r}); say --format and --system"
        ) from error
