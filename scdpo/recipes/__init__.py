"""Recipes: settings of fine-tuning and preference training for known models, one YAML file each.

The files are flat, as ``trl`` reads them: fields of ``SCDPOConfig`` (or ``SolutionSFTConfig`` for the files
that end in ``-sft``) and of TRL's ``ModelConfig``. ``accelerate/`` holds launch configurations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scdpo.errors import MissingFileError, SettingsError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name_or_path: str | Path) -> dict[str, Any]:
    """Return the settings of a recipe, given by its name here or as a file.

    Raises:
        FileNotFoundError: if it is neither.
        ValueError: if the file is no flat mapping.
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = FOLDER / f"{Path(name_or_path).stem}.yaml"
    if not path.is_file():
        raise MissingFileError(f"{name_or_path} is no file and none of the recipes: {', '.join(names())}")
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise SettingsError(f"{path} must hold settings, one a line, as `name: value`")
    return settings
