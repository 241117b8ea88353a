"""Recipes: settings of fine-tuning and preference training for known models, one YAML file each.

The files are flat, as ``trl`` reads them: fields of ``SCDPOConfig`` (or ``SolutionSFTConfig`` for the files
that end in ``-sft``) and of TRL's ``ModelConfig``. ``accelerate/`` holds launch configurations, and
``architectures/`` the shapes of the recipes' models, so that a training can be planned before its model is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from scdpo.errors import MissingFileError, SettingsError

FOLDER = Path(__file__).parent
_SAME_SHAPE: Final = {"mathcoder-mistral-7b": "mistral-7b", "metamath-mistral-7b": "mistral-7b"}


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
        path = FOLDER / f"{path.name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        raise MissingFileError(f"{name_or_path} is no file and none of the recipes: {', '.join(names())}")
    settings = read_yaml(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(settings, dict):
        raise SettingsError(f"{path} must hold settings, one a line, as `name: value`")
    return settings


def read_yaml(text: str, where: str) -> Any:
    """Return what YAML says.

    Raises:
        SettingsError: if it is not YAML; names the place in one line.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{where}{at} is not YAML: {getattr(error, 'problem', None) or error}") from error


def architecture(name: str) -> dict[str, Any] | None:
    """Return the shape of a recipe's model as ``config.json`` holds it; None for the built-in model and own recipes."""
    model = name.removesuffix("-sft")
    path = FOLDER / "architectures" / f"{_SAME_SHAPE.get(model, model)}.json"
    if not path.is_file():
        return None
    shape: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return shape
