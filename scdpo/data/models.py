"""Where a model is: a folder on this machine, or a name on the hub. What reads as a path is never asked of the hub."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from scdpo.errors import SettingsError


def check_model(model: str, *, adapter: bool = True) -> None:
    """Check that a model named by a path is there; a name on the hub, OWNER/NAME, is for the hub to look up.

    Args:
        model: a folder or a hub name.
        adapter: whether a folder that holds an adapter alone will do.

    Raises:
        SettingsError: if it is a path and no model lies there; the message says what does.
    """
    folder = Path(model)
    if not _is_path(model) or (folder / "config.json").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        if adapter:
            return
        raise SettingsError(f"{model} is an adapter alone: merge it into its model, and name that")
    what = "it holds no config.json" if folder.is_dir() else "it is a file"
    if not folder.exists():
        what = "there is no such folder" + _near(folder)
    raise SettingsError(f"{model} is no model: {what}; `scdpo sft` and `scdpo train` leave one in RUN/model")


def _is_path(model: str) -> bool:
    # ./m, /m, runs/a/model/dpo and, where there is a folder runs, runs/m; but not openai/gsm8k, and not gpt2.
    return (
        model.startswith((".", "/", "~"))
        or model.count("/") > 1
        or ("/" in model and Path(model).parent.exists())
        or Path(model).exists()
    )


def _near(folder: Path) -> str:
    """Return a proposal: the model beside the misspelt one that its name is nearest to."""
    beside = [path.parent.name for path in folder.parent.glob("*/config.json")]
    near = get_close_matches(folder.name, beside, 1)
    return f"; did you mean {folder.parent / near[0]}?" if near else ""
