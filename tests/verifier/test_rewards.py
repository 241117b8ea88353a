"""The reward function in TRL's convention, and in a real trainer."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verifier import accuracy_reward
from verifier.math_verify import parse, verify
from verifier.rewards import compute_score, reasoning_accuracy_reward

GOLDS = [
    r"2\sqrt{3}",
    r"(3,\pi/2)",
    "9,-7",
    r"\frac{\sqrt{2}}{2}",
    r"[-2,7]",
    r"x^2+1",
    r"50,\!625",
    r"25\%",
    r"\text{even}",
    "42",
]


@pytest.mark.parametrize("gold", GOLDS)
def test_bare_and_wrapped_golds(gold: str) -> None:
    completions = [f"So it is \\boxed{{{gold}}}."] * 3 + ["It is \\boxed{2}."]
    answers = [gold, f"${gold}$", f"\\boxed{{{gold}}}", gold]
    assert accuracy_reward(completions, answer=answers) == [1.0, 1.0, 1.0, 0.0]


def test_conversations_and_plain_text() -> None:
    chat = [{"role": "assistant", "content": r"It is \boxed{4}."}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": r"It is \boxed{4}."}]}]
    assert accuracy_reward([chat, parts, r"\boxed{4}", []], answer=["4", "4", "4", "4"]) == [
        1.0,
        1.0,
        1.0,
        0.0,
    ]


def test_a_message_without_a_role_is_the_assistants() -> None:
    assert accuracy_reward([[{"content": r"\boxed{4}"}]], answer=["4"]) == [1.0]


@pytest.mark.parametrize("completion", [{"content": "4"}, 4, None, b"4", ["4"]])
def test_a_completion_of_another_type_is_an_error(completion: Any) -> None:
    with pytest.raises(TypeError, match="text or a list of messages"):
        accuracy_reward([completion], answer=["4"])


@pytest.mark.parametrize("golds", ["78", {"0": "7", "1": "8"}])
def test_golds_that_are_no_list_are_an_error(golds: Any) -> None:
    with pytest.raises(TypeError, match="one a completion"):
        accuracy_reward([r"\boxed{7}", r"\boxed{8}"], answer=golds)


def test_only_what_follows_the_reasoning_is_scored() -> None:
    said = [
        r"<think>\boxed{4}</think> \boxed{5}",
        r"<think>\boxed{5}",
        r"<think></think> \boxed{5}",
        "</think>5",
    ]
    assert reasoning_accuracy_reward(said, ["5", "5", "6", ""]) == [1.0, 0.0, 0.0, None]
    other = reasoning_accuracy_reward([r"[R]\boxed{4}[/R]\boxed{5}"], ["5"], reasoning_delimiters=["[/R]"])
    assert other == [1.0]


def test_verl() -> None:
    scores = [
        compute_score(
            data_source="math", solution_str=r"\boxed{2}", ground_truth=gold, extra_info={"index": 0}
        )
        for gold in ("2", "3", "", 2.0)
    ]
    assert scores == [1.0, 0.0, 0.0, 1.0]


def test_verls_reward_asks_for_a_box_where_it_is_told_to() -> None:
    said = [r"It is \boxed{2}.", "The answer is 2.", "So he has 2 apples."]
    asked = [
        [compute_score("math", text, "2", None, require) for text in said]
        for require in ("boxed", "stated", "weak")
    ]
    assert asked == [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize("role", ["tool", "user", "system", None])
def test_only_the_assistant_is_paid_for_the_last_word(role: str | None) -> None:
    said = {"role": "assistant", "content": r"\boxed{41}"}
    cut_off = [said, {"role": role, "content": "The answer is 42"}]
    assert accuracy_reward([cut_off], answer=["42"]) == [0.0]


def test_an_earlier_answer_does_not_count_for_a_turn_that_was_cut_off() -> None:
    cut_off = [{"role": "assistant", "content": r"\boxed{42}"}, {"role": "tool", "content": "no such name"}]
    assert accuracy_reward([cut_off], answer=["42"]) == [0.0]


def test_a_worked_solution_as_gold() -> None:
    assert accuracy_reward([r"\boxed{72}"], answer=["48+24 = 72 clips.\n#### 72"]) == [1.0]
    assert accuracy_reward(
        [r"\boxed{3\sqrt{13}}"], solution=[r"Thus we have \[\sqrt{117}=\boxed{3\sqrt{13}}.\]"]
    ) == [1.0]


def test_none_where_it_cannot_be_verified() -> None:
    assert accuracy_reward([r"\boxed{5}", r"\boxed{5^{5^{5^{5^5}}}}"], answer=["", "7"]) == [None, None]


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), Decimal("nan")])
@pytest.mark.parametrize(
    "said", [r"\boxed{\text{no solution}}", r"\boxed{nan}", r"\boxed{None}", r"\boxed{5}", ""]
)
def test_a_missing_gold_pays_and_costs_nobody(missing: Any, said: str) -> None:
    assert accuracy_reward([said, r"\boxed{5}"], answer=[missing, 5]) == [None, 1.0]


def test_numbers_as_golds_and_logging() -> None:
    logged: dict[str, list[Any]] = {}
    assert accuracy_reward([r"\boxed{5}"], answer=[5.0], log_extra=logged.__setitem__, prompts=["?"]) == [1.0]
    assert logged["extracted"] == ["5"]


def test_missing_or_short_golds_are_said() -> None:
    with pytest.raises(ValueError, match="column"):
        accuracy_reward(["1"])
    with pytest.raises(ValueError, match="1 completions but 2"):
        accuracy_reward(["1"], answer=["1", "2"])


def test_math_verify_callers() -> None:
    gold, answer = parse(r"$\frac{1}{2}$"), parse(r"Thus \boxed{0.5}.")
    assert verify(gold, answer)
    assert verify(answer, gold)
    assert not verify(gold, parse(r"\boxed{2}"))
    assert parse("nothing here") in ([], ["nothing here"])
    assert verify("(1,2]", "1 < x \\le 2")


@pytest.mark.slow
def test_in_a_grpo_trainer(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {c: i for i, c in enumerate(["<pad>", "<eos>", "<unk>", *map(chr, range(32, 127))])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    data = datasets.Dataset.from_list(
        [{"prompt": f"{i}+1=", "answer": rf"\frac{{{2 * i + 2}}}{{2}}"} for i in range(4)]
    )
    arguments = trl.GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=4, num_generations=4, max_completion_length=8, max_steps=2,
        report_to=[], use_cpu=True, logging_steps=1, save_strategy="no",
    )  # fmt: skip
    seen: list[list[float | None]] = []

    def reward(completions: Any, **columns: Any) -> list[float | None]:
        seen.append(accuracy_reward(completions, **columns))
        return seen[-1]

    for functions in (accuracy_reward, reward):
        trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=functions,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
        )
        trainer.train()
    assert len(seen) == 2
    assert all(r in (0.0, 1.0) for batch in seen for r in batch)
    assert any("rewards/reward/mean" in entry for entry in trainer.state.log_history)
