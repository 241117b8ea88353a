"""InternLM2 becomes a Llama model: the same logits, the same token ids, and none of its code run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from scdpo.cli import app
from scdpo.errors import MissingFileError, SettingsError
from scdpo.training import convert as module
from scdpo.training.convert import convert

pytest.importorskip("sentencepiece", reason="the convert extra is not installed")
from . import internlm2

CASES = {
    "dynamic": {}, "no scaling": {"rope_scaling": None}, "biases": {"bias": True}, "tied": {"tie_word_embeddings": True},
    "a key head per query": {"num_key_value_heads": 6}, "one key head": {"num_key_value_heads": 1},
}  # fmt: skip


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    assert type(model).__name__ == "LlamaForCausalLM"
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
@pytest.mark.parametrize("length", [20, 50])
def test_its_logits_are_those_of_a_pass_in_plain_torch(
    tmp_path: Path, changes: dict[str, Any], length: int
) -> None:
    # 50 tokens are beyond the 32 positions, where a dynamic scaling turns the positions by another base.
    made = internlm2.config(**changes)
    given = internlm2.write_checkpoint(tmp_path / "theirs", made)
    ids = torch.randint(
        made["vocab_size"], (length,), generator=torch.Generator().manual_seed(length)
    ).tolist()
    expected = internlm2.reference_logits(made, given, ids)
    found = logits(convert(str(tmp_path / "theirs"), tmp_path / "ours"), ids)
    # Llama turns positions in float32 whatever the model's precision.
    assert (found - expected).abs().max() < 5e-5
    assert expected.std() > 1


def test_a_split_that_takes_all_queries_first_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def naive(name: str, tensor: torch.Tensor, heads: module.Heads) -> Any:
        sizes = [heads.queries * heads.width, heads.keys * heads.width, heads.keys * heads.width]
        return tuple(part.contiguous() for part in tensor.split(sizes))

    made = internlm2.config()
    given = internlm2.write_checkpoint(tmp_path / "theirs", made)
    monkeypatch.setattr(module, "split_fused", naive)
    found = logits(convert(str(tmp_path / "theirs"), tmp_path / "ours"), [5, 6, 7, 8])
    assert (found - internlm2.reference_logits(made, given, [5, 6, 7, 8])).abs().max() > 0.1


def test_it_reads_pickled_files_file_by_file(tmp_path: Path) -> None:
    made = internlm2.config()
    given = internlm2.write_checkpoint(tmp_path / "theirs", made, shards=3, pickled=True)
    ours = convert(str(tmp_path / "theirs"), tmp_path / "ours")
    assert len(list(ours.glob("model-*-of-00003.safetensors"))) == 3
    found = logits(ours, [9, 8, 7])
    assert (found - internlm2.reference_logits(made, given, [9, 8, 7])).abs().max() < 1e-5


def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path) -> None:
    import pickle

    class Call:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "called",))

    internlm2.write_checkpoint(tmp_path / "theirs", internlm2.config(), pickled=True)
    torch.save({"output.weight": Call()}, tmp_path / "theirs" / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(pickle.UnpicklingError):
        convert(str(tmp_path / "theirs"), tmp_path / "ours")
    assert not (tmp_path / "called").exists()
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("prefixed", [True, False])
def test_the_tokenizer_has_sentencepieces_ids_and_the_special_tokens(tmp_path: Path, prefixed: bool) -> None:
    from sentencepiece import SentencePieceProcessor

    internlm2.write_checkpoint(tmp_path / "theirs", internlm2.config())
    internlm2.write_tokenizer(tmp_path / "theirs", prefixed=prefixed)
    convert(str(tmp_path / "theirs"), tmp_path / "ours")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ours")
    theirs = SentencePieceProcessor(model_file=str(tmp_path / "theirs" / "tokenizer.model"))
    own_pieces = [] if prefixed else ["x<b>y", "in <b>bold</b> words"]
    for text in [*internlm2.TEXTS[:6], "naïve 漢字 \t tab", "  two spaces", "a = 3\n\nb  =  4", *own_pieces]:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id == 1
        assert ids[1:] == theirs.encode(text), text
        assert tokenizer.decode(ids[1:], clean_up_tokenization_spaces=False) == text
    assert tokenizer("<|im_start|>", add_special_tokens=False)["input_ids"] == [3]
    assert tokenizer.convert_ids_to_tokens([3, 4]) == ["<|im_start|>", "<|im_end|>"]
    assert len(tokenizer) == 400
    assert tokenizer.decode([3, 4, 2], skip_special_tokens=True) == ""
    shown = tokenizer.apply_chat_template([{"role": "user", "content": "6 * 7?"}], tokenize=False)
    assert shown == "<|im_start|>user\n6 * 7?<|im_end|>\n"


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    internlm2.write_checkpoint(tmp_path / "theirs", internlm2.config())
    result = CliRunner().invoke(
        app, ["convert", str(tmp_path / "theirs"), str(tmp_path / "ours")], env={"COLUMNS": "300"}
    )
    assert result.exit_code == 0, result.output
    assert f"--model {tmp_path / 'ours'}" in result.output
    again = CliRunner().invoke(app, ["convert", str(tmp_path / "theirs"), str(tmp_path / "ours")])
    assert again.exit_code == 1
    assert "already there" in again.output


def broken(folder: Path, how: str) -> None:
    """Spoil a checkpoint in one way."""
    config = json.loads((folder / "config.json").read_text())
    if how == "another model":
        config["model_type"] = "llama"
    if how == "unknown scaling":
        config["rope_scaling"] = {"type": "yarn", "factor": 4}
    if how == "other heads":
        config["num_key_value_heads"] = 3
    (folder / "config.json").write_text("{" if how == "no JSON" else json.dumps(config))
    if how == "no config":
        (folder / "config.json").unlink()
    if how == "a file is missing":
        (folder / "model-00002-of-00002.safetensors").unlink()
    if how == "no tokenizer":
        (folder / "tokenizer.model").unlink()
    if how == "no weights":
        for file in folder.glob("*.safetensors"):
            file.unlink()
    if how == "foreign weights":
        from safetensors.torch import save_file

        save_file(
            {"model.layers.0.attention.Plora_A.weight": torch.zeros(2)},
            folder / "model-00001-of-00002.safetensors",
        )


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("another model", SettingsError, "'llama', not 'internlm2'"), ("unknown scaling", SettingsError, "'yarn' is not one"),
        ("other heads", SettingsError, "wqkv.weight has 80 rows"), ("no JSON", SettingsError, "config.json is not JSON"),
        ("no config", MissingFileError, "config.json is missing"), ("a file is missing", MissingFileError, "weights are missing"),
        ("no tokenizer", MissingFileError, "tokenizer.model is missing"), ("no weights", MissingFileError, "holds no weights"),
        ("foreign weights", SettingsError, "Plora_A.weight' is none of InternLM2's"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_named_and_leaves_nothing(
    tmp_path: Path, how: str, error: type[Exception], said: str
) -> None:
    internlm2.write_checkpoint(tmp_path / "theirs", internlm2.config())
    broken(tmp_path / "theirs", how)
    with pytest.raises(error, match=said):
        convert(str(tmp_path / "theirs"), tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no/such-model is no folder"):
        convert("no/such-model", tmp_path / "ours")
