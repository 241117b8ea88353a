"""LoRA around a training: new tokens are learned, and what it leaves is an ordinary model.

Sampling, evaluation and a next training load a model by its folder, so the adapter is merged into the start model;
on its own it stays in ``adapter/``. A start model that was quantised for training is merged in its own precision.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

FOLDER: Final = "adapter"


def learn_tokens(config: LoraConfig, model: PreTrainedModel) -> None:
    """Have an adapter also train the tables of tokens, which hold rows that mean nothing yet.

    The tables are trained whole: TRL reads the weights of the head, and sees no single rows.

    Args:
        config: changed in place.
        model: the model that it will be put on.
    """
    names = {module: name.rpartition(".")[2] for name, module in model.named_modules()}
    tables = {names[model.get_input_embeddings()]}
    if model.config.get_text_config().tie_word_embeddings:
        config.ensure_weight_tying = True
    else:
        tables.add(names[model.get_output_embeddings()])
    config.modules_to_save = sorted(tables.union(config.modules_to_save or ()))


def save_model(trainer: Any, output: Path, start: Callable[[], PreTrainedModel]) -> None:
    """Save what a trainer has trained as a model that transformers loads, with its tokenizer and its card.

    Args:
        trainer: has finished.
        output: the folder; an adapter goes to ``adapter/`` in it, and merged into it.
        start: loads the start model as it stood before the adapter, not quantised.
    """
    trainer.create_model_card(output.name)
    if not isinstance(trainer.model, PeftModel):
        trainer.save_model(str(output))
        return
    trainer.save_model(str(output / FOLDER))
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process:
        unset_hf_deepspeed_config()  # ZeRO-3 would share the weights out among processes that do not wait for them
        merged = PeftModel.from_pretrained(start(), str(output / FOLDER)).merge_and_unload()
        merged.save_pretrained(output)
        trainer.processing_class.save_pretrained(output)
    trainer.accelerator.wait_for_everyone()
