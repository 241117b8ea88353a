"""TRL's preference data: a script of TRL's becomes ours by one name; prefixes and tool results are context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer

from scdpo.errors import SettingsError
from scdpo.training.columns import encode_columns
from scdpo.training.config import SCDPOConfig
from scdpo.training.trainer import SCDPOTrainer

from .test_trainer_exact import assert_same, load

Row = dict[str, Any]

TEMPLATE = (
    "{%- if tools %}<|system|>{{ tools | tojson }}<|endofblock|>{% endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'tool' %}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}<|user|>{% endif %}"
    "<result>{{ m.content }}</result>"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|endofmessage|>{% endif %}"
    "{%- else %}<|{{ m.role }}|>{{ m.content }}"
    "{%- for call in m.tool_calls or [] %}<call>{{ call.function.arguments | tojson }}</call>{% endfor %}<|endofmessage|>"
    "{%- endif %}{% endfor %}"
    "{%- if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A chat template with tools, whose results stand together in one turn of the user, as Qwen's do."""


def say(role: str, content: str, **more: Any) -> Row:
    return {"role": role, "content": content, **more}


def call(code: str) -> list[Row]:
    return [{"type": "function", "function": {"name": "python", "arguments": {"code": code}}}]


def plain() -> list[Row]:
    return [
        {"prompt": f"What is {a} + {a}?", "chosen": f" It is {2 * a}.", "rejected": f" It is {2 * a + 1}."}
        for a in range(3)
    ]


def implicit() -> list[Row]:
    """Whole conversations, which begin alike: the layout of UltraFeedback."""
    return [
        {
            side: [say("user", f"What is {a} + {a}?"), say("assistant", f"It is {2 * a + off}.")]
            for off, side in enumerate(("chosen", "rejected"))
        }
        for a in range(3)
    ]


def with_tools() -> list[Row]:
    tools = [{"type": "function", "function": {"name": "python", "parameters": {}}}]
    return [
        {
            "prompt": [say("system", "Be brief."), say("user", f"What is {a} * {a}?")],
            "chosen": [say("assistant", "", tool_calls=call(f"{a} * {a}"))],
            "rejected": [say("assistant", "", tool_calls=call(f"{a} + {a} + 1"))],
            "tools": json.dumps(tools),
        }
        for a in range(3)
    ]


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    loaded = AutoTokenizer.from_pretrained(tiny_model)
    loaded.chat_template = TEMPLATE
    return loaded


def script(trainer_class: Any, tiny_model: Path, rows: list[Row], tokenizer: Any, output: Path) -> Any:
    """A script as TRL's examples are; only the class differs."""
    args = DPOConfig(
        str(output), use_cpu=True, bf16=False, report_to="none", per_device_train_batch_size=3, beta=0.3,
        gradient_checkpointing=False,
    )  # fmt: skip
    return trainer_class(
        model=load(tiny_model, 1),
        ref_model=load(tiny_model, 2),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


@pytest.mark.parametrize("rows", [plain(), implicit(), with_tools()], ids=["plain", "implicit", "tools"])
def test_a_script_of_trls_gives_the_same_loss_and_gradients_by_the_name_of_the_class(
    tiny_model: Path, tokenizer: Any, tmp_path: Path, rows: list[Row]
) -> None:
    found = []
    for trainer_class in (DPOTrainer, SCDPOTrainer):
        trainer = script(trainer_class, tiny_model, rows, tokenizer, tmp_path)
        trainer.model.train()
        loss = trainer.compute_loss(trainer.model, trainer.data_collator(list(trainer.train_dataset)))
        loss.backward()
        found.append((loss.item(), [p.grad for p in trainer.model.parameters()]))
    assert_same(found[1], found[0], 1e-4)
    assert found[0][0] != pytest.approx(0.6931, abs=1e-3)


def test_it_trains_and_evaluates_on_trls_columns(tiny_model: Path, tokenizer: Any, tmp_path: Path) -> None:
    data = Dataset.from_list(implicit())
    args = SCDPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, learning_rate=1e-3, max_steps=4,
        report_to="none", logging_steps=1, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = SCDPOTrainer(
        str(tiny_model), args, data, eval_dataset={"held": data}, processing_class=tokenizer
    )
    trainer.train()
    assert trainer.state.log_history[-2]["rewards/accuracies_naive"] == 1.0
    assert trainer.evaluate()["eval_held_loss"] < 0.69


def spell(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def test_what_a_tool_answers_does_not_count(tokenizer: Any) -> None:
    side = [
        say("assistant", "Compute.", tool_calls=call("6 * 7")),
        say("tool", "42"),
        say("tool", "and no error"),
        say("assistant", "It is 42."),
        say("user", "Sure?"),
        say("assistant", "Yes."),
    ]
    row = {"prompt": [say("user", "6 * 7?")], "chosen": side, "rejected": [say("assistant", "41")]}
    encoded, report = encode_columns(Dataset.from_list([row]), tokenizer, None)
    ids, mask = encoded[0]["chosen_ids"], encoded[0]["chosen_mask"]
    counted = spell(tokenizer, [i for i, m in zip(ids, mask, strict=True) if m])
    assert counted == (
        'Compute.<call>{"code": "6 * 7"}</call><|endofmessage|>It is 42.<|endofmessage|>Yes.<|endofmessage|>'
    )
    assert "<result>42</result><result>and no error</result><|endofmessage|><|assistant|>It is" in spell(
        tokenizer, ids
    )
    assert report.kept == {"naive": 1}


@pytest.mark.parametrize("name", ["prefix", "initial_reason_steps"])
def test_steps_that_both_sides_share_are_context(tokenizer: Any, name: str) -> None:
    row = {
        "prompt": "What is 2 * 3 + 4?", name: "\nStep 1: 2 * 3 = 6.\nStep 2:", "chosen": " 6 + 4 = 10.",
        "rejected": " 6 + 4 = 11.",
    }  # fmt: skip
    encoded, report = encode_columns(Dataset.from_list([row, {**row, name: None}]), tokenizer, None)
    assert report.kept == {"step_controlled": 1, "naive": 1}
    assert encoded[0]["problem_id"] == encoded[1]["problem_id"]
    assert spell(tokenizer, encoded[0]["prompt_ids"]) == row["prompt"] + row[name]
    assert spell(tokenizer, encoded[0]["chosen_ids"]) == row["chosen"] + "<|endofmessage|>"
    assert encoded[0]["chosen_mask"] == [1] * len(encoded[0]["chosen_ids"])


def test_a_prefix_may_be_the_beginning_of_an_answer_or_whole_messages(tokenizer: Any) -> None:
    asked = [say("user", "6 * 7?")]
    begun = {
        "prompt": asked, "prefix": "First, 6 * 7", "chosen": [say("assistant", " = 42.")],
        "rejected": [say("assistant", " = 41.")],
    }  # fmt: skip
    steps = [say("assistant", "Compute."), say("tool", "42")]
    whole = {**begun, "prefix": steps}
    for row, prompt in (
        (begun, "<|user|>6 * 7?<|endofmessage|><|assistant|>First, 6 * 7"),
        (
            whole,
            "<|user|>6 * 7?<|endofmessage|><|assistant|>Compute.<|endofmessage|><|user|><result>42</result>"
            "<|endofmessage|><|assistant|>",
        ),
    ):
        encoded, report = encode_columns(Dataset.from_list([row]), tokenizer, None)
        assert spell(tokenizer, encoded[0]["prompt_ids"]) == prompt
        assert spell(tokenizer, encoded[0]["chosen_ids"]) == " = 42.<|endofmessage|>"
        assert report.kept == {"step_controlled": 1}


def test_an_empty_side_and_one_that_is_too_long_are_left_out(tokenizer: Any) -> None:
    rows = [*plain(), {"prompt": "Why?", "chosen": "", "rejected": "No."}]
    rows.append({"prompt": "Why?", "chosen": "Because of it. " * 9, "rejected": "No."})
    encoded, report = encode_columns(Dataset.from_list(rows), tokenizer, 64)
    assert len(encoded) == 3
    assert report.dropped == {"nothing_counted": 1, "too_long": 1}


def test_several_processes_encode_as_one_does(tokenizer: Any) -> None:
    data = Dataset.from_list(plain())
    assert (
        encode_columns(data, tokenizer, None, 2)[0].to_list()
        == encode_columns(data, tokenizer, None)[0].to_list()
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Dataset.from_list([{"prompt": "a", "chosen": "b"}]), r"train_dataset lacks 'rejected' \(it has prompt, chosen\)"),
        (Dataset.from_list([{"question": "a", "chosen": [], "rejected": []}]), "lacks 'id', 'problem_id', 'kind', 'prefix'"),
        (Dataset.from_list(plain()).select([]), "train_dataset is empty"),
        (Dataset.from_list(plain()).to_iterable_dataset(), "IterableDataset; it must be a datasets.Dataset"),
        ({"train": Dataset.from_list(plain())}, r"give one, as train_dataset\['train'\]"),
        (Dataset.from_list([{**plain()[0], "images": [1]}]), "column 'images', and this trainer takes texts only"),
        (None, "train_dataset is a NoneType"),
    ],
)  # fmt: skip
def test_data_that_is_no_pairs_is_refused_by_what_it_lacks(
    tiny_model: Path, tmp_path: Path, data: Any, said: str
) -> None:
    args = SCDPOConfig(str(tmp_path), use_cpu=True, bf16=False)
    with pytest.raises(SettingsError, match=said):
        SCDPOTrainer(str(tiny_model), args=args, train_dataset=data)


def test_a_row_of_texts_and_messages_is_named(tokenizer: Any) -> None:
    row = {"prompt": "Why?", "chosen": [say("assistant", "So.")], "rejected": [say("assistant", "No.")]}
    with pytest.raises(SettingsError, match=r"row 0: .* all be texts, or all lists of messages"):
        encode_columns(Dataset.from_list([row]), tokenizer, None)


@pytest.mark.parametrize("argument", ["data_collator", "compute_metrics"])
def test_an_argument_without_effect_is_refused(tiny_model: Path, tmp_path: Path, argument: str) -> None:
    args = SCDPOConfig(str(tmp_path), use_cpu=True, bf16=False)
    with pytest.raises(SettingsError, match=f"{argument} has no effect"):
        SCDPOTrainer(
            str(tiny_model),
            args=args,
            train_dataset=Dataset.from_list(plain()),
            **{argument: lambda *_: None},
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truncation_mode", "keep_end"), ("padding_free", True), ("label_smoothing_factor", 0.1),
        ("train_sampling_strategy", "group_by_length"), ("pad_to_multiple_of", 8), ("neftune_noise_alpha", 5.0),
        ("torch_compile", True), ("include_num_input_tokens_seen", "all"),
        ("accelerator_config", {"split_batches": True}), ("loss_type", ["sigmoit"]),
    ],
)  # fmt: skip
def test_a_setting_without_effect_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=name):
        SCDPOConfig(str(tmp_path), use_cpu=True, bf16=False, **{name: value})


def test_padding_to_a_multiple_holds_on_the_plain_path(
    tiny_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    args = SCDPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, report_to="none", share_trunk=False, pad_to_multiple_of=16
    )
    data = Dataset.from_list(plain())
    trainer = SCDPOTrainer(load(tiny_model, 1), args=args, train_dataset=data, processing_class=tokenizer)
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert batch["input_ids"].shape == batch["attention_mask"].shape == batch["completion_mask"].shape
    assert batch["input_ids"].shape[1] % 16 == 0
    assert torch.isfinite(trainer.compute_loss(trainer.model, batch))


def test_without_settings_it_takes_its_own(
    tiny_model: Path, tokenizer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = SCDPOTrainer(
        str(tiny_model), train_dataset=Dataset.from_list(plain()), processing_class=tokenizer
    )
    assert isinstance(trainer.args, SCDPOConfig)
    assert trainer.args.output_dir == f"{tiny_model.name}-SCDPO"


@pytest.mark.parametrize("layout", ["records", "plain", "implicit"])
def test_a_models_card_cites_the_method_and_shows_how_to_ask_it(
    tiny_model: Path, tokenizer: Any, pairs: list[Row], tmp_path: Path, layout: str
) -> None:
    data = Dataset.from_list({"records": pairs, "plain": plain(), "implicit": implicit()}[layout])
    args = SCDPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, report_to="none", max_length=512, system_prompt='Say "why".'
    )
    trainer = SCDPOTrainer(load(tiny_model, 1), args=args, train_dataset=data, processing_class=tokenizer)
    trainer.save_model(str(tmp_path))
    trainer.create_model_card("mine")
    card = (tmp_path / "README.md").read_text()
    assert "https://arxiv.org/abs/2407.00782" in card
    assert "@article{lu2024step" in card
    assert "Direct Preference Optimization" not in card
    shown = card.partition("```python\n")[2].partition("```")[0]
    said: list[str] = []
    exec(shown.replace("256", "4"), {"print": said.append})  # noqa: S102  # what a reader would paste
    asked = {
        "records": "<|system|><|text|>Say \"why\".<|endofblock|>", "plain": "A train travels", "implicit": "<|user|>A train",
    }[layout]  # fmt: skip
    assert said[0].startswith(asked)
