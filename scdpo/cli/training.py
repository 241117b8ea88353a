"""What the verbs that train share: settings, the model to start from, and the table at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import datasets
import typer
from huggingface_hub import try_to_load_from_cache
from rich.table import Table
from rich.text import Text

from scdpo import recipes
from scdpo.cli.console import Bar, console, quiet_libraries
from scdpo.cli.options import ModelFormat
from scdpo.data.models import check_model
from scdpo.data.problems import embedded_model_path
from scdpo.data.prompt_style import sampled_model, sampling_of
from scdpo.data.runs import Run, RunError
from scdpo.training.progress import ReferenceProgress
from scdpo.training.train import TrainResult

UNSAID = ModelFormat.mathcoder.value
"""The format of what others made, where ``--format`` was not given."""
Config = Annotated[
    str,
    typer.Option(help="A recipe's name (embedded, mistral-7b, …) or a YAML file as trl reads it."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as name=value; stands above the recipe's. May be given again."),
]
Output = Annotated[
    Path | None,
    typer.Option(help="Where the model goes; RUN/model/METHOD, where the report finds it, if not given."),
]


def settings_of(config: str, changes: list[str] | None) -> tuple[dict[str, Any], str | None]:
    """Return the settings of a recipe with changes, and the model that it names."""
    settings = recipes.load(config)
    for change in changes or []:
        name, equals, value = change.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set wants name=value, not {change!r}")
        settings[name] = recipes.read_yaml(value, f"--set {name}")
    return settings, settings.pop("model_name_or_path", None)


def start_model(run: Path, model: str | None, named: str | None) -> str:
    """Return the model to start from: the one asked for, else the recipe's or the run's, else the built-in one.

    Args:
        run: the run folder, whose solutions a model sampled.
        model: what ``--model`` says.
        named: what the recipe says.

    Raises:
        RunError: if recipe and run name different models.
        SettingsError: if what is named is a path and no model is there.
    """
    sampled = None if model else sampled_model(Run(run))
    if named and sampled and not model and Path(named).resolve() != Path(sampled).resolve():
        raise RunError(
            f"the recipe starts from {named}, and {run} was sampled with {sampled}: say with --model which it is"
        )
    start = model or named or sampled or str(embedded_model_path())
    check_model(start, adapter=False)
    return start


def start_or_shape(
    run: Path, model: str | None, named: str | None, config: str
) -> tuple[str, dict[str, Any] | None]:
    """Return the model to start from as ``start_model`` does, and its shape by the recipe if it is not there yet.

    A plan needs no more than the shape, so it is to be had before a model of many gigabytes is fetched or trained.
    """
    shape = recipes.architecture(config)
    if model is None and named is not None and shape is not None and not _is_here(named):
        return named, shape
    return start_model(run, model, named), None


def _is_here(model: str) -> bool:
    """Whether a model's configuration is in a folder or in the hub's cache, so that no download is needed."""
    return (Path(model) / "config.json").is_file() or isinstance(
        try_to_load_from_cache(model, "config.json") if model.count("/") == 1 else None, str
    )


def asked_as_sampled(run: Path, settings: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """Return settings with the format and the system message that a run was sampled with.

    What the model was asked with stands above a recipe, for its pairs are of that prompt. Pairs of others are
    written as ``--set format`` says, else as was said when they came in, else as the recipe says.

    Raises:
        RunError: if ``--set`` says otherwise.
    """
    sampled = sampling_of(Run(run)) or _brought_in(Run(run), changes)
    own = {
        setting: sampled[name]
        for name, setting in {"format": "format", "system": "system_prompt"}.items()
        if name in sampled
    }
    for name, value in own.items():
        if settings.get(name, value) == value:
            continue
        if _says(changes, name):
            raise RunError(f"{run} was sampled with {name}={value!r}: leave out --set {name}, or sample anew")
        words = f"{name} is {value!r}, as in {run}, not the recipe's {settings[name]!r}"
        console.print(Text(words), soft_wrap=True)
    return {**settings, **own}


def _brought_in(run: Run, changes: list[str] | None) -> dict[str, str]:
    """Return the format that pairs or solutions of others were brought in for; empty where nobody said one."""
    if _says(changes, "format"):
        return {}
    pair, solution = next(iter(run.pairs), None), next(iter(run.solutions), None)
    format = pair.format if pair else solution.sampling.format if solution else UNSAID
    return {} if format == UNSAID else {"format": format}


def _says(changes: list[str] | None, name: str) -> bool:
    """Whether ``--set`` names a setting."""
    return any(change.startswith(f"{name}=") for change in changes or [])


def quiet_training() -> None:
    """Hide the bars of the libraries that train, and what DeepSpeed says of every machine without a GPU."""
    quiet_libraries()
    datasets.disable_progress_bars()
    logging.getLogger("DeepSpeed").addFilter(lambda record: "unable to detect" not in record.getMessage())


class ShowSteps(ReferenceProgress):
    """Moves a bar with the batches that the reference scores, then with the optimizer's steps.

    Args:
        bar: to move.
        name: of the training.
        lines: also print the figures of each log entry, a line each.
    """

    def __init__(self, bar: Bar, name: str, lines: bool = False) -> None:
        self._bar, self._name, self._lines = bar, name, lines

    def on_reference_batch(self, state: Any, done: int, batches: int) -> None:
        """Move the bar of the reference, begun at its first batch."""
        if state.is_world_process_zero:
            if done == 1:
                self._bar.start(f"score the pairs for {self._name}", batches, 0)
            self._bar.advance(0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin the bar of the steps."""
        if state.is_world_process_zero:
            self._bar.start(f"train {self._name}", state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move it."""
        if state.is_world_process_zero:
            self._bar.advance(0)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Print the figures that a person looks at, where there are any."""
        names = _PREFERENCE if "rewards/margins" in (logs or {}) else _IMITATION
        figures = [f"{word} {logs[name]:.3g}" for name, word in names.items() if name in (logs or {})]
        if self._lines and figures and state.is_world_process_zero:
            words = f"step {state.global_step} of {state.max_steps}: {', '.join(figures)}"
            console.print(Text(words), soft_wrap=True)


_PREFERENCE = {"loss": "loss", "rewards/accuracies": "accuracy", "rewards/margins": "margin"}
_IMITATION = {"loss": "loss", "mean_token_accuracy": "token accuracy"}


@contextmanager
def shown_steps(name: str) -> Iterator[ShowSteps]:
    """Give a callback that shows a training on the terminal."""
    with Bar("") as bar:
        yield ShowSteps(bar, name, lines=True)


def show_result(result: TrainResult) -> None:
    """Print what a training left."""
    table = Table(title=f"Trained {result.steps} steps: {result.model_path}", title_justify="left")
    table.add_column("figure")
    table.add_column("last value", justify="right")
    for name, value in result.metrics.items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.4g}")
    table.add_row("tokens encoded", f"{result.tokens:,}")
    table.add_row("peak memory", f"{result.peak_memory:.3g} GiB")
    console.print(table)
    for reason, number in result.report.dropped.items():
        console.print(f"dropped: {number} × {reason.replace('_', ' ')}")
