"""``scdpo sft``: fine-tune a model on the preferred solutions of a run."""

from __future__ import annotations

from scdpo.cli.console import report_errors
from scdpo.cli.options import ExistingRun, Model
from scdpo.cli.training import (
    Config,
    Output,
    Set,
    asked_as_sampled,
    quiet_training,
    settings_of,
    show_result,
    shown_steps,
    start_model,
)
from scdpo.training.sft import sft as fine_tune


def sft(
    run: ExistingRun,
    config: Config = "embedded-sft",
    model: Model = None,
    output: Output = None,
    change: Set = None,
) -> None:
    """Fine-tune a model on the preferred solutions of a run; kernel output is context, not target.

    Example: [b]scdpo sft runs/mine --config smollm2-135m-sft --set num_train_epochs=1[/b]
    """
    quiet_training()
    with report_errors():
        settings, named = settings_of(config, change)
        settings = asked_as_sampled(run, settings, change)
        start = start_model(run, model, named)
        target = output or run / "model" / "sft"
        with shown_steps("sft") as callback:
            settings = {"disable_tqdm": True, **settings}
            result = fine_tune(run / "solutions.jsonl", start, target, settings, [callback])
    show_result(result)
