"""How a model is asked and how it writes: the format and the system message, as training left them beside a model.

A run's settings keep the same of its sampling. Not covered: models that were not trained here; they are asked as the
caller says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scdpo.data.runs import Run, RunError

SERVED: Final = "the server's"
"""What a run's settings say of a model that was not named, since a server knew it."""
TRAINING_FILE: Final = "training.json"
"""What ``scdpo.training.checkpoints`` writes into a model's folder."""


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """A format of ``sandbox.formats`` by name, and a system message."""

    format: str = "mathcoder"
    system: str = ""


def trained_as(model: str) -> PromptStyle:
    """Return how the prompts of a model's training were written; the defaults where its folder does not say.

    Raises:
        RunError: if the folder's ``training.json`` cannot be read.
    """
    file = Path(model) / TRAINING_FILE
    if not file.is_file():
        return PromptStyle()
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
        return PromptStyle(str(made["format"]), str(made["system_prompt"]))
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{file} is not what training writes ({error!r}); say --format and --system"
        ) from error


def sampled_model(run: Run) -> str | None:
    """Return the model that a run was sampled with; None for the built-in one or none at all.

    Raises:
        RunError: if it was sampled through a server, without naming the model.
    """
    settings = run.settings("sample")
    model = settings.get("model")
    if model == SERVED:
        called = f", which calls its model {settings['served']!r}" if "served" in settings else ""
        raise RunError(
            f"{run.folder} was sampled through a server{called}: say with --model which model that serves"
        )
    return None if model in (None, "embedded") else str(model)


def sampling_of(run: Run) -> dict[str, Any]:
    """Return the settings that a run was sampled with, by itself or as a round; empty where it was not."""
    return run.settings("sample") or run.settings("round")


def sampled_system(run: Run) -> str:
    """Return the system message that a run was sampled with; empty where there was none."""
    return str(sampling_of(run).get("system") or "")


def prompt_style(model: str | None, format: str | None, system: str | None) -> PromptStyle:
    """Return how to ask a model: as the caller says, else as it was trained here.

    Raises:
        RunError: if the folder does not tell as it should.
    """
    trained = trained_as(model) if model else PromptStyle()
    # The command line's format is a member of an enumeration, which the run folder's YAML cannot hold.
    return PromptStyle(str(format or trained.format), trained.system if system is None else system)
